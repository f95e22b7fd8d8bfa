"""Granite Speech, against features and an adapter computed by their definitions, and its known traps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import hark
from hark.engines.engine import Options
from hark.engines.transformers.families.granite_speech import GraniteSpeech
from hark.errors import ModelBrokenError
from tiny.granite_speech import tiny_granite_speech
from tiny.phi4_multimodal import ALPHA, RANK

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

transformers = pytest.importorskip("transformers")
RATE = 16000
GREEDY: dict[str, Any] = {"temperature": 0.0, "max_new_tokens": 12}
FAMILY = "granite_speech"


def noise(seconds: float) -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(0, 0.1, round(seconds * RATE)).astype(np.float32)


def features(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """The features as the library defines them, by its numpy functions (frames, 160)."""
    from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

    mel = spectrogram(
        samples.astype(np.float64), window_function(400, "hann"), 400, 160, fft_length=512, power=2.0,
        mel_filters=mel_filter_bank(257, 80, 0.0, 8000.0, RATE, norm=None, mel_scale="htk"), dtype=np.float64,
    ).T  # fmt: skip
    log = np.log10(np.clip(mel, 1e-10, None))
    log = np.maximum(log, log.max() - 8.0) / 4 + 1
    return log[: len(log) // 2 * 2].reshape(-1, 160).astype(np.float32)


def answered_by_hand(folder: Path, samples: NDArray[np.float32], *, adapted: bool) -> str:
    """The adapter runs beside each layer it is for: W x + alpha / rank * B (A x)."""
    import torch
    from safetensors.torch import load_file

    words = transformers.AutoTokenizer.from_pretrained(folder)
    unattached = {"subfolder": "none"}  # by peft, where that is installed
    model = transformers.GraniteSpeechForConditionalGeneration.from_pretrained(folder, adapter_kwargs=unattached).eval()
    pieces = load_file(folder / "adapter_model.safetensors")
    for name in [name for name in pieces if ".lora_A." in name and adapted]:
        down, up = pieces[name], pieces[name.replace("lora_A", "lora_B")]
        path = name.removeprefix("base_model.model.language_model.model.").removesuffix(".lora_A.weight")
        model.model.language_model.get_submodule(path).register_forward_hook(
            lambda _module, given, out, down=down, up=up: out + ALPHA / RANK * given[0] @ down.T @ up.T
        )
    heard = torch.from_numpy(features(samples))[None]
    tokens = -(-heard.shape[1] // 15) * 3
    prompt = (
        f"<|start_of_role|>user<|end_of_role|>{'<|audio|>' * tokens}What is it?<|end_of_text|>\n"
        "<|start_of_role|>assistant<|end_of_role|>"
    )
    asked = words(prompt, return_tensors="pt")
    outputs = model.generate(**asked, input_features=heard, max_new_tokens=12, do_sample=False)
    text: str = words.decode(outputs[0, asked["input_ids"].shape[1] :], skip_special_tokens=True)
    return text


@pytest.mark.parametrize("seconds", [0.1, 1.0, 1.237])
def test_features_without_torchaudio_are_those_of_the_definition(folder: Path, seconds: float) -> None:
    processor = GraniteSpeech().processor(folder)
    found = processor.audio_processor([noise(seconds)])["input_features"][0].numpy()
    expected = features(noise(seconds))
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-4


def test_filters_of_another_size_are_those_of_the_folder(tmp_path: Path) -> None:
    import json

    folder = tiny_granite_speech(tmp_path / "tiny")
    path = folder / "preprocessor_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "projector_window_size": 30, "n_mels": 40}))
    heard = GraniteSpeech().processor(folder).audio_processor([noise(1.0)])
    assert heard["input_features"].shape == (1, 50, 80)
    assert heard["audio_embed_sizes"] == [12]


def test_a_question_is_answered_with_the_adapter(folder: Path, listener: hark.Listener, order: hark.Audio) -> None:
    """Where peft is absent the library leaves the adapter away, and the model mishears."""
    text = listener.ask(order, "What is it?", **GREEDY).text
    assert text
    assert text == answered_by_hand(folder, order.samples(RATE), adapted=True)
    assert text != answered_by_hand(folder, order.samples(RATE), adapted=False)


def test_the_adapter_stays_where_no_audio_tensors_are_given(folder: Path, order: hark.Audio) -> None:
    """The library's `generate` switches an adapter of peft off for embeddings of audio that was encoded before."""
    import torch

    loaded = GraniteSpeech().load(folder)
    conversation = hark.Conversation.ask((order,), "What is it?")
    inputs = GraniteSpeech().ask(loaded, conversation, [order.samples(RATE)], Options()).tensors
    model = loaded.model
    with torch.inference_mode():
        whole = model.generate(**inputs, max_new_tokens=12, do_sample=False)[:, inputs["input_ids"].shape[1] :]
        captured: list[Any] = []
        hook = model.model.language_model.register_forward_pre_hook(
            lambda _module, _args, given: captured.append(given["inputs_embeds"]), with_kwargs=True
        )
        model(**inputs)
        hook.remove()
        again = model.generate(
            inputs_embeds=captured[0], attention_mask=inputs["attention_mask"], max_new_tokens=12, do_sample=False
        )
    assert again.tolist() == whole.tolist()


def test_a_folder_without_its_adapter_is_broken(order: hark.Audio, tmp_path: Path) -> None:
    folder = tiny_granite_speech(tmp_path / "tiny")
    (folder / "adapter_config.json").unlink()
    with hark.load(str(folder)) as listener, pytest.raises(ModelBrokenError, match="speech adapter"):
        listener.transcribe(order)


def test_a_model_without_an_adapter_needs_none(order: hark.Audio, tmp_path: Path) -> None:
    folder = tiny_granite_speech(tmp_path / "tiny", adapter=False)
    assert not (folder / "adapter_config.json").exists()
    with hark.load(str(folder)) as listener:
        assert listener.ask(order, "What?", **GREEDY).text


def test_a_click_is_heard_and_all_of_a_long_clip(listener: hark.Listener) -> None:
    """The spectrum breaks on a clip shorter than half a frame."""
    assert listener.ask(hark.Audio.of(noise(0.01), RATE), "What?", **GREEDY).usage.output_tokens
    long, short = (listener.ask(hark.Audio.of(noise(s), RATE), "What?", **GREEDY) for s in (45, 6))
    assert (long.usage.input_tokens or 0) - (short.usage.input_tokens or 0) == pytest.approx(390, abs=3)


def test_its_limit_is_the_room_for_tokens(listener: hark.Listener) -> None:
    assert listener.can.max_seconds == (8192 - 2048) // 10
