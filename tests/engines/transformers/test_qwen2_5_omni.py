"""Qwen2.5-Omni's thinker, against inputs made by hand, and its known traps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import hark
from hark.errors import UnsupportedError
from tiny.qwen2_5_omni import tiny_qwen2_5_omni, tiny_qwen2_5_omni_thinker

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

transformers = pytest.importorskip("transformers")
RATE = 16000
GREEDY: dict[str, Any] = {"temperature": 0.0, "max_new_tokens": 12}
FAMILY = "qwen2_5_omni_thinker"


def noise(seconds: float) -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(0, 0.1, round(seconds * RATE)).astype(np.float32)


def test_a_question_is_answered_as_with_inputs_made_by_hand(
    folder: Path, listener: hark.Listener, order: hark.Audio
) -> None:
    """The processor of the library needs torchvision; what it makes of audio and text is little."""
    extractor = transformers.WhisperFeatureExtractor.from_pretrained(folder)
    words = transformers.AutoTokenizer.from_pretrained(folder)
    heard = extractor(order.samples(RATE), sampling_rate=RATE, return_attention_mask=True, return_tensors="pt")
    frames = int(heard["attention_mask"].sum())
    tokens = ((frames - 1) // 2 + 1 - 2) // 2 + 1
    prompt = (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
        f"<|audio_bos|>{'<|AUDIO|>' * tokens}<|audio_eos|>What is it?<|im_end|>\n<|im_start|>assistant\n"
    )
    model = transformers.Qwen2_5OmniThinkerForConditionalGeneration.from_pretrained(folder).eval()
    asked = words(prompt, return_tensors="pt")
    outputs = model.generate(
        **asked,
        input_features=heard["input_features"],
        feature_attention_mask=heard["attention_mask"],
        max_new_tokens=12,
        do_sample=False,
    )
    expected = words.decode(outputs[0, asked["input_ids"].shape[1] :], skip_special_tokens=True)
    assert expected
    assert listener.ask(order, "What is it?", **GREEDY).text == expected


def test_a_full_folder_answers_as_its_thinker(listener: hark.Listener, order: hark.Audio, tmp_path: Path) -> None:
    """The class that its config names wants a voice (spk_dict.pt), and is not for text."""
    with hark.load(str(tiny_qwen2_5_omni(tmp_path / "full"))) as full:
        answer = full.ask(order, "What is it?", **GREEDY)
        ends = full.engine.loaded().model.generation_config.eos_token_id  # type: ignore[attr-defined]
    assert answer.text == listener.ask(order, "What is it?", **GREEDY).text
    assert ends is not None


def test_what_its_extractor_would_cut_is_refused(listener: hark.Listener) -> None:
    assert listener.can.max_seconds == 30.0
    with pytest.raises(UnsupportedError, match="hears 30 s"):
        listener.ask(hark.Audio.of(noise(31), RATE), "What?", **GREEDY)


@pytest.mark.parametrize("file", ["preprocessor_config.json", "processor_config.json"])
def test_the_limit_is_that_of_its_extractor_and_all_up_to_it_is_heard(tmp_path: Path, file: str) -> None:
    folder = tiny_qwen2_5_omni_thinker(tmp_path / "long", chunk_length=50)
    written = (folder / "preprocessor_config.json").read_text()
    if file == "processor_config.json":
        (folder / "preprocessor_config.json").unlink()
        (folder / file).write_text(f'{{"feature_extractor": {written}}}')
    with hark.load(str(folder)) as listener:
        assert listener.can.max_seconds == 50.0
        long, short = (listener.ask(hark.Audio.of(noise(s), RATE), "What?", **GREEDY) for s in (45, 5))
    added = (long.usage.input_tokens or 0) - (short.usage.input_tokens or 0)
    assert added == pytest.approx(25 * 40, abs=2)


def test_an_audio_token_in_a_persons_text_is_text_and_no_clip(listener: hark.Listener, order: hark.Audio) -> None:
    """The library's own omni-modal processor counts it as a clip that is not there, and fails."""
    plain = listener.ask(order, "x", **GREEDY)
    forged = listener.ask(order, "x<|AUDIO|>", **GREEDY)
    assert forged.usage.input_tokens == (plain.usage.input_tokens or 0) + len("<|AUDIO|>")
