"""Phi-4-multimodal, against inputs made by hand and an adapter applied by its definition, and its known traps."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import hark
from hark.errors import ModelBrokenError
from tiny.phi4_multimodal import ALPHA, RANK, tiny_phi4_multimodal

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

transformers = pytest.importorskip("transformers")
RATE = 16000
GREEDY: dict[str, Any] = {"temperature": 0.0, "max_new_tokens": 12}
FAMILY = "phi4_multimodal"


def noise(seconds: float) -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(0, 0.1, round(seconds * RATE)).astype(np.float32)


def answered_by_hand(folder: Path, samples: NDArray[np.float32], *, adapted: bool) -> str:
    """The adapter runs beside each layer it is for: W x + alpha / rank * B (A x)."""
    from safetensors.torch import load_file

    extractor = transformers.Phi4MultimodalFeatureExtractor.from_pretrained(folder)
    words = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.Phi4MultimodalForCausalLM.from_pretrained(folder).eval()
    pieces = load_file(folder / "speech-lora" / "adapter_model.safetensors")
    for name in [name for name in pieces if ".lora_A." in name and adapted]:
        down, up = pieces[name], pieces[name.replace("lora_A", "lora_B")]
        path = name.removeprefix("base_model.model.").removesuffix(".lora_A.weight")
        model.get_submodule(path).register_forward_hook(
            lambda _module, given, out, down=down, up=up: out + ALPHA / RANK * given[0] @ down.T @ up.T
        )
    heard = extractor(samples, sampling_rate=RATE, return_tensors="pt")
    prompt = f"<|user|>{'<|audio|>' * int(heard['audio_embed_sizes'][0])}What is it?<|end|><|assistant|>"
    asked = words(prompt, return_tensors="pt")
    outputs = model.generate(**asked, **heard, max_new_tokens=12, do_sample=False)
    text: str = words.decode(outputs[0, asked["input_ids"].shape[1] :], skip_special_tokens=True)
    return text


def test_a_question_is_answered_with_the_speech_adapter(
    folder: Path, listener: hark.Listener, order: hark.Audio
) -> None:
    """Nothing loads the adapter unasked; without it the same folder answers something else."""
    text = listener.ask(order, "What is it?", **GREEDY).text
    assert text
    assert text == answered_by_hand(folder, order.samples(RATE), adapted=True)
    assert text != answered_by_hand(folder, order.samples(RATE), adapted=False)


def test_a_folder_without_its_speech_adapter_is_broken(order: hark.Audio, tmp_path: Path) -> None:
    folder = tiny_phi4_multimodal(tmp_path / "tiny")
    (folder / "speech-lora" / "adapter_model.safetensors").unlink()
    with hark.load(str(folder)) as listener, pytest.raises(ModelBrokenError, match="speech adapter"):
        listener.transcribe(order)


@pytest.mark.parametrize("wrong", [{"use_dora": True}, {"rank_pattern": {"x": 2}}, {"alpha_pattern": {"x": 2}}])
def test_an_adapter_of_another_kind_is_refused(order: hark.Audio, tmp_path: Path, wrong: dict[str, Any]) -> None:
    folder = tiny_phi4_multimodal(tmp_path / "tiny")
    path = folder / "speech-lora" / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **wrong}))
    with hark.load(str(folder)) as listener, pytest.raises(ModelBrokenError, match="of a kind"):
        listener.transcribe(order)


@pytest.mark.parametrize("change", [("qkv_proj", "q_proj"), ("lora_A", "lora_E"), ("lora_B", "lora_E")])
def test_an_adapter_that_does_not_fit_is_refused(order: hark.Audio, tmp_path: Path, change: tuple[str, str]) -> None:
    from safetensors.torch import load_file, save_file

    folder = tiny_phi4_multimodal(tmp_path / "tiny")
    path = folder / "speech-lora" / "adapter_model.safetensors"
    save_file({name.replace(*change): value for name, value in load_file(path).items()}, path)
    with hark.load(str(folder)) as listener, pytest.raises(ModelBrokenError, match="does not fit"):
        listener.transcribe(order)


def test_a_scale_by_the_root_of_the_rank_is_kept(folder: Path, order: hark.Audio, tmp_path: Path) -> None:
    """With `use_rslora` an alpha of s * sqrt(rank) says what s * rank says without."""
    other = tiny_phi4_multimodal(tmp_path / "tiny")
    path = other / "speech-lora" / "adapter_config.json"
    changed = {"use_rslora": True, "lora_alpha": ALPHA / RANK**0.5}
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))
    with hark.load(str(folder)) as one, hark.load(str(other)) as two:
        assert one.ask(order, "What?", **GREEDY).text == two.ask(order, "What?", **GREEDY).text


def test_a_clip_too_short_for_a_frame_is_heard(listener: hark.Listener) -> None:
    """The extractor breaks on fewer than 400 samples."""
    assert listener.ask(hark.Audio.of(noise(0.01), RATE), "What?", **GREEDY).usage.output_tokens


def test_all_of_a_long_clip_is_heard(listener: hark.Listener) -> None:
    long, short = (listener.ask(hark.Audio.of(noise(s), RATE), "What?", **GREEDY) for s in (45, 5))
    added = (long.usage.input_tokens or 0) - (short.usage.input_tokens or 0)
    assert added == pytest.approx(12.5 * 40, abs=2)
    assert listener.can.max_seconds == 1800.0
