"""Speech2Text, against the plain code of its documentation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import hark
from hark.audio.windows import windows
from hark.errors import UnsupportedError
from tiny.speech_to_text import tiny_translator

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

transformers = pytest.importorskip("transformers")
RATE = 16000
FAMILY = "speech_to_text"


@pytest.fixture(scope="module")
def translator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_translator(tmp_path_factory.mktemp("s2t") / "translator")


@pytest.fixture(scope="module")
def speech(order: hark.Audio) -> NDArray[np.float32]:
    (window,) = windows(order.stream(RATE))
    return window.samples


def plain(folder: Path, speech: NDArray[np.float32], **keywords: Any) -> str:
    """The code of the documentation of Speech2Text."""
    model = transformers.Speech2TextForConditionalGeneration.from_pretrained(folder)
    processor = transformers.Speech2TextProcessor.from_pretrained(folder)
    if "to" in keywords:
        keywords["forced_bos_token_id"] = processor.tokenizer.lang_code_to_id[keywords.pop("to")]
    inputs = processor(speech, sampling_rate=RATE, return_tensors="pt")
    ids = model.generate(
        inputs["input_features"], attention_mask=inputs["attention_mask"], max_new_tokens=40, **keywords
    )
    text: list[str] = processor.batch_decode(ids, skip_special_tokens=True)
    return text[0].strip()


def test_the_text_is_that_of_the_documented_code(folder: Path, order: hark.Audio, speech: NDArray[np.float32]) -> None:
    with hark.load(str(folder)) as listener:
        said = listener.transcribe(order, temperature=0.0, max_new_tokens=40).text
    assert len(said) > 5
    assert said == plain(folder, speech)


def test_beams_give_the_text_of_the_documented_code(
    folder: Path, order: hark.Audio, speech: NDArray[np.float32]
) -> None:
    with hark.load(str(folder)) as listener:
        said = listener.transcribe(order, temperature=0.0, max_new_tokens=40, beams=3).text
    assert said == plain(folder, speech, num_beams=3)


def test_a_model_of_several_languages_translates_into_the_one_wanted(
    translator: Path, order: hark.Audio, speech: NDArray[np.float32]
) -> None:
    with hark.load(str(translator)) as listener:
        said = {to: listener.translate(order, to=to, temperature=0.0, max_new_tokens=40) for to in ("fr", "de")}
    assert said["fr"].language == said["fr"].segments[0].language == "fr"
    for to, transcript in said.items():
        assert transcript.text == plain(translator, speech, to=to)
    assert said["fr"].text != said["de"].text


def test_a_model_that_translates_refuses_to_transcribe_and_other_languages(translator: Path, order: hark.Audio) -> None:
    with hark.load(str(translator)) as listener:
        with pytest.raises(UnsupportedError, match="only translate"):
            listener.transcribe(order)
        with pytest.raises(UnsupportedError, match="cannot translate to 'zh'"):
            listener.translate(order, to="zh")


def test_a_model_of_one_language_refuses_to_translate(folder: Path, order: hark.Audio) -> None:
    with hark.load(str(folder)) as listener, pytest.raises(UnsupportedError, match="translate"):
        listener.translate(order)


def test_no_more_is_heard_at_once_than_there_are_positions(folder: Path, order: hark.Audio) -> None:
    """60 s of 6000 frames are the most; hark's windows are shorter, and each is heard in full."""
    samples = np.concatenate([order.samples(RATE)[: 3 * RATE]] * 12)
    with hark.load(str(folder)) as listener:
        transcript = listener.transcribe(hark.Audio.of(samples, RATE), temperature=0.0, max_new_tokens=4)
    assert transcript.segments[-1].end > 34
    assert all(segment.end - segment.start <= 30 for segment in transcript.segments)


def test_the_models_own_limit_is_kept_and_told(folder: Path, order: hark.Audio) -> None:
    """A wish for more tokens than the decoder has positions is no error, and what broke off there is told."""
    with hark.load(str(folder)) as listener:
        answer = listener.ask(order, task="transcribe", temperature=0.0, max_new_tokens=4000)
    assert answer.usage.output_tokens is not None
    assert 50 < answer.usage.output_tokens <= 64
    assert "limit" in {notice.kind for notice in answer.notices}
