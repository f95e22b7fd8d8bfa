"""Voxtral Realtime, against the plain transformers code of its documentation and its known traps."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

import hark
from hark.audio.windows import windows
from hark.errors import UnsupportedError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("mistral_common")
pytestmark = pytest.mark.filterwarnings("ignore:Using the model-agnostic default")  # the documented code's
RATE = 16000
FAMILY = "voxtral_realtime"


@pytest.fixture(scope="module")
def speech(order: hark.Audio) -> NDArray[np.float32]:
    (window,) = windows(order.stream(RATE))
    return window.samples


def plain(folder: Path, speech: NDArray[np.float32], dtype: Any = torch.float32, **keywords: Any) -> tuple[str, int]:
    """The text (prompt and answer: the prompt is of control tokens), and how many tokens the answer has."""
    processor = transformers.AutoProcessor.from_pretrained(folder)
    model = transformers.VoxtralRealtimeForConditionalGeneration.from_pretrained(folder, dtype=dtype)
    inputs = processor(speech, return_tensors="pt").to(model.device, dtype=model.dtype)
    outputs = model.generate(**inputs, do_sample=False, **keywords)
    (text,) = processor.batch_decode(outputs, skip_special_tokens=True)
    return str(text).strip(), int(outputs.shape[1] - inputs["input_ids"].shape[1])


def test_a_transcript_is_as_by_the_documented_code(
    folder: Path, listener: hark.Listener, order: hark.Audio, speech: NDArray[np.float32]
) -> None:
    """The audio ends the text, and that is no limit that broke it off, whatever limit was set beyond."""
    expected, count = plain(folder, speech)
    assert expected
    for options in ({}, {"max_new_tokens": count}, {"max_new_tokens": 5000}):
        answer = listener.ask(order, task="transcribe", temperature=0.0, **options)
        assert answer.text == expected
        assert answer.usage.output_tokens == count
    assert "limit" not in {notice.kind for notice in answer.notices}


def test_a_limit_below_the_length_of_the_audio_is_kept_and_told(
    folder: Path, listener: hark.Listener, order: hark.Audio, speech: NDArray[np.float32]
) -> None:
    answer = listener.ask(order, task="transcribe", temperature=0.0, max_new_tokens=5)
    assert answer.text == plain(folder, speech, max_new_tokens=5)[0]
    assert answer.usage.output_tokens == 5
    assert "limit" in {notice.kind for notice in answer.notices}


def test_half_precision_is_given_features_of_half_precision(
    folder: Path, order: hark.Audio, speech: NDArray[np.float32], tmp_path: Path
) -> None:
    """The library's extractor makes float32, which a bfloat16 model refuses."""
    half = tmp_path / "half"
    shutil.copytree(folder, half)
    model = transformers.VoxtralRealtimeForConditionalGeneration.from_pretrained(folder, dtype=torch.bfloat16)
    model.save_pretrained(half)
    with hark.load(str(half)) as listener:
        assert listener.transcribe(order, temperature=0.0).text == plain(half, speech, torch.bfloat16)[0]


def test_a_question_is_refused_as_its_processor_would_ignore_it(listener: hark.Listener, order: hark.Audio) -> None:
    for options in ({"prompt": "What?"}, {"system": "Be brief."}, {"language": "en"}, {"beams": 2}):
        with pytest.raises(UnsupportedError, match=r"only transcribe|it takes max_new_tokens"):
            listener.ask(order, **options)
