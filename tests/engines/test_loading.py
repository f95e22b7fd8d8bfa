"""How a model is loaded: device, precision and quantization, honoured or refused."""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

import hark
from hark.cli import app
from hark.engines.transformers.engine import Transformers
from hark.errors import MissingExtraError, OptionError
from tiny.families import make
from tiny.whisper import tiny_whisper

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("transformers")
GREEDY: dict[str, Any] = {"temperature": 0.0, "max_new_tokens": 8}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make("qwen2_audio", tmp_path_factory.mktemp("loading") / "qwen2_audio")


def model_of(listener: hark.Listener) -> Any:
    assert isinstance(listener.engine, Transformers)
    return listener.engine.loaded().model


def test_the_precision_is_chosen(folder: Path, order: hark.Audio) -> None:
    import torch

    with hark.load(str(folder), dtype="bfloat16") as listener:
        assert listener.ask(order, "What?", **GREEDY).text
        assert {weight.dtype for weight in model_of(listener).parameters()} == {torch.bfloat16}


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"dtype": "float64"}, "dtype cannot be"),
        ({"device": "tpu"}, "no device 'tpu'"),
        ({"device": "cuda:99"}, "no device cuda:99 here"),
        ({"quantize": "int2"}, "quantize cannot be"),
        ({"device_map": "balanced"}, "device_map cannot be"),
        ({"device_map": "auto", "device": "cpu"}, "contradict"),
        ({"devise": "cpu"}, "cannot be loaded with 'devise'"),
    ],
)
def test_what_cannot_be_is_refused(folder: Path, order: hark.Audio, how: dict[str, str], message: str) -> None:
    with pytest.raises(OptionError, match=message) as refused, hark.load(str(folder), **how) as listener:
        listener.ask(order, "What?")
    assert refused.value.hint


def test_a_model_without_weights_here_refuses_it() -> None:
    for model in ("builtin", "echo", "openai:m@http://localhost:1/v1"):
        with pytest.raises(OptionError, match="dtype"):
            hark.load(model, dtype="float16")


def test_faster_whisper_takes_what_ctranslate2_has(order: hark.Audio, tmp_path: Path) -> None:
    weights = str(tiny_whisper(tmp_path / "tiny"))
    with hark.load(weights, device="cpu", quantize="int8") as listener:
        assert listener.transcribe(order, temperature=0.0).text
    for how in ({"quantize": "int4"}, {"device": "mps"}, {"device_map": "auto"}, {"trust_remote_code": True}):
        with pytest.raises(OptionError):
            hark.load(weights, **how)


def test_quantized_weights_take_less_and_still_hear(folder: Path, order: hark.Audio, hesitant: hark.Audio) -> None:
    pytest.importorskip("bitsandbytes")
    with hark.load(str(folder)) as plain, hark.load(str(folder), quantize="int8") as small:
        answers = [small.ask(clip, "What?", **GREEDY).text for clip in (order, hesitant)]
        assert answers[0] != answers[1]
        kept = {str(weight.dtype) for name, weight in model_of(small).named_parameters() if "audio_tower" in name}
        assert kept == {"torch.float32"}
        assert model_of(small).get_memory_footprint() < 0.9 * model_of(plain).get_memory_footprint()


def test_an_adapter_cannot_be_added_to_quantized_weights(order: hark.Audio, tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    folder = make("phi4_multimodal", tmp_path / "phi4")
    with hark.load(str(folder), quantize="int8") as listener, pytest.raises(OptionError, match="adapter"):
        listener.ask(order, "What?")


def test_without_a_library_that_quantizes_the_pip_line_is_given(
    folder: Path, order: hark.Audio, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = importlib.metadata.version

    def version(name: str) -> str:
        if name in ("bitsandbytes", "torchao"):
            raise importlib.metadata.PackageNotFoundError(name)
        return known(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    with hark.load(str(folder), quantize="int4") as listener, pytest.raises(MissingExtraError) as error:
        listener.ask(order, "What?")
    assert "pip install bitsandbytes" in error.value.hint


def test_the_command_line_passes_it_on(folder: Path, examples: Path) -> None:
    clip = str(examples / "order.flac")
    run = CliRunner().invoke(
        app,
        ["ask", clip, "What?", "-m", str(folder), "--dtype", "bfloat16", "--max-new-tokens", "4", "--device", "cpu"],
    )
    assert run.exit_code == 0, run.output
    refused = CliRunner().invoke(app, ["ask", clip, "What?", "--dtype", "float16", "--model", "builtin"])
    assert refused.exit_code == 1
    assert "dtype" in refused.stderr
