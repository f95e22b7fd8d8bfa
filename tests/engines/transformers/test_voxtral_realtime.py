"""Voxtral Realtime, against the plain transformers code of its documentation and its known traps."""

from __future__ import annotations

import itertools
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import hark
from hark.audio.windows import windows
from hark.engines.live import Partial
from hark.engines.transformers.families.voxtral_realtime import VoxtralLive
from hark.errors import UnsupportedError
from hark.realtime.partial import Agreement, live
from tiny.families import make

if TYPE_CHECKING:
    from pathlib import Path

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


@pytest.mark.parametrize("seed", [0, 3, 5])
@pytest.mark.parametrize("block", [100, 3200, 10**6])
def test_live_text_is_that_of_the_whole_turn(
    tmp_path_factory: pytest.TempPathFactory, order: hark.Audio, seed: int, block: int
) -> None:
    """However the sound comes in, the tokens are those that `generate` gives for all of it; text never changes."""
    folder = make(FAMILY, tmp_path_factory.mktemp("live") / "tiny", seed)
    samples = order.samples(RATE)[: 3 * RATE - 77]
    expected, _ = plain(folder, samples)
    with hark.load(str(folder)) as listener:
        writer = live(listener)
        assert isinstance(writer, VoxtralLive)
        told = [writer.hear(samples[at : at + block]) for at in range(0, len(samples) - block, block)]
        last = writer.finish(samples[len(told) * block :])
    assert expected.endswith(last.text)
    assert len(last.text) > 5
    for one, other in itertools.pairwise([*told, last]):
        assert other.settled.startswith(one.settled)
        assert one.open == ""
    if block == 3200:
        assert len({one.settled for one in told}) > 3  # it comes while it is spoken
    (segment,) = last.segments
    assert (segment.start, segment.end) == (0.0, round(len(samples) / RATE, 3))


def test_turns_at_once_do_not_disturb_each_other(listener: hark.Listener, order: hark.Audio) -> None:
    samples = order.samples(RATE)
    turns = [samples, samples[8000:] * np.float32(0.3), samples[::-1].copy()]
    alone = [live(listener).finish(turn).text for turn in turns]
    assert len(set(alone)) > 1
    writers = [live(listener) for _ in turns]
    for at in range(0, 32000, 3200):
        for writer, turn in zip(writers, turns, strict=True):
            writer.hear(turn[at : at + 3200])
        listener.transcribe(order)  # and others use it meanwhile
    assert [w.finish(turn[32000:]).text for w, turn in zip(writers, turns, strict=True)] == alone


def test_live_text_of_almost_nothing(listener: hark.Listener) -> None:
    assert live(listener).finish(np.zeros(0, np.float32)) == Partial()
    assert live(listener).finish(np.zeros(10, np.float32)).segments[0].end == 0.001
    assert isinstance(live(listener, temperature=0.5), Agreement)  # it takes the most likely tokens
