"""Whisper through transformers, against the plain code of its documentation and its known traps."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

import hark
from hark.audio.windows import windows
from hark.errors import OptionError, UnsupportedError
from tiny.whisper_transformers import tiny_whisper

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

transformers = pytest.importorskip("transformers")
RATE = 16000
GREEDY: dict[str, Any] = {"temperature": 0.0, "max_new_tokens": 40}


@pytest.fixture(scope="module", params=["plain", "timestamps"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With timestamps it hears parts again, and takes back some of what it streamed."""
    made = tmp_path_factory.mktemp("whisper") / "tiny"
    return tiny_whisper(made, timestamps=request.param == "timestamps")


@pytest.fixture(scope="module")
def speech(order: hark.Audio) -> NDArray[np.float32]:
    (window,) = windows(order.stream(RATE))
    return window.samples


def plain(folder: Path, speech: NDArray[np.float32], **keywords: Any) -> str:
    """The code of the documentation of Whisper."""
    model = transformers.WhisperForConditionalGeneration.from_pretrained(folder)
    processor = transformers.WhisperProcessor.from_pretrained(folder)
    inputs = processor(speech, sampling_rate=RATE, return_tensors="pt")
    ids = model.generate(inputs.input_features, max_new_tokens=40, **keywords)
    text: list[str] = processor.batch_decode(ids, skip_special_tokens=True)
    return text[0].strip()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("language", [None, "en", "fr"])
@pytest.mark.parametrize("task", ["transcribe", "translate"])
def test_the_text_is_that_of_the_documented_code(
    folder: Path, listener: hark.Listener, order: hark.Audio, speech: NDArray[np.float32], task: str,
    language: str | None,
) -> None:  # fmt: skip
    said = listener.ask(order, task=task, language=language, **GREEDY).text
    assert len(said) > 1
    assert said == plain(folder, speech, task=task, language=language)


def decoder_prompt(listener: hark.Listener, order: hark.Audio, **options: Any) -> list[str]:
    """The tokens that the decoder is first given."""
    seen: list[Any] = []
    loaded = listener.engine.loaded()  # type: ignore[attr-defined]
    hook = loaded.model.model.decoder.register_forward_pre_hook(
        lambda _module, _args, given: seen.append(given["input_ids"]), with_kwargs=True
    )
    try:
        listener.ask(order, **GREEDY, **options)
    finally:
        hook.remove()
    found: list[str] = loaded.processor.tokenizer.convert_ids_to_tokens(next(ids[0] for ids in seen if ids.numel() > 1))
    return found


def test_language_and_task_are_told_to_the_decoder(listener: hark.Listener, order: hark.Audio) -> None:
    def asked(**options: Any) -> list[str]:
        return decoder_prompt(listener, order, **options)

    start, end = "<|startoftranscript|>", "<|notimestamps|>"
    assert asked(task="transcribe", language="fr") == [start, "<|fr|>", "<|transcribe|>", end]
    assert asked(task="transcribe", language="de") == [start, "<|de|>", "<|transcribe|>", end]
    assert asked(task="translate", language="de", to="en") == [start, "<|de|>", "<|translate|>", end]


def test_it_translates_to_english_alone(listener: hark.Listener, order: hark.Audio) -> None:
    transcript = listener.translate(order, language="de", **GREEDY)
    assert transcript.language == transcript.segments[0].language == "en"
    with pytest.raises(UnsupportedError, match="cannot translate to 'fr'"):
        listener.translate(order, to="fr")
    with pytest.raises(UnsupportedError, match="language spoken"):
        listener.transcribe(order, to="en")
    with pytest.raises(UnsupportedError, match="language 'xx'"):
        listener.transcribe(order, language="xx")


def test_a_model_that_knows_english_alone_takes_no_other_language(
    folder: Path, order: hark.Audio, tmp_path: Path
) -> None:
    english = tmp_path / "english"
    shutil.copytree(folder, english)
    settings = json.loads((english / "generation_config.json").read_text())
    for name in ("is_multilingual", "lang_to_id", "task_to_id"):
        del settings[name]
    (english / "generation_config.json").write_text(json.dumps(settings))
    with hark.load(str(english)) as listener:
        assert listener.transcribe(order, language="en", **GREEDY).text
        with pytest.raises(UnsupportedError, match="language 'fr'"):
            listener.transcribe(order, language="fr")
        with pytest.raises(UnsupportedError, match="translate"):
            listener.translate(order)


def test_a_task_that_does_not_exist_is_told_as_that(listener: hark.Listener, order: hark.Audio) -> None:
    with pytest.raises(OptionError, match="no task 'nope'"):
        listener.ask(order, task="nope")
