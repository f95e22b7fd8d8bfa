from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from hark.audio.speech import FRAME, RATE, SpeechDetector, speech, stretches

if TYPE_CHECKING:
    from pathlib import Path

SENTENCE = "hesitant.flac"


@pytest.fixture(scope="module")
def said(examples: Path) -> np.ndarray:
    samples, rate = soundfile.read(examples / SENTENCE, dtype="float32")
    assert rate == RATE
    return samples


def test_speech_is_found_where_it_was_put(said: np.ndarray) -> None:
    whole = list(speech([said]))
    shifted = list(speech([np.zeros(5 * RATE, np.float32), said, np.zeros(RATE, np.float32)]))
    assert whole
    assert abs(shifted[0].start - 5 * RATE - whole[0].start) <= 2 * FRAME
    assert abs(shifted[-1].end - 5 * RATE - whole[-1].end) <= 8 * FRAME


@pytest.mark.parametrize("level", [-20, -40, -60])
def test_quiet_speech_is_found_too(said: np.ndarray, level: int) -> None:
    loud, quiet = list(speech([said])), list(speech([said * np.float32(10 ** (level / 20))]))
    total = sum(end - start for start, end in loud)
    assert abs(sum(end - start for start, end in quiet) - total) < 0.1 * total


def test_what_is_not_speech_is_not_taken_for_it(examples: Path) -> None:
    rng, time = np.random.default_rng(0), np.arange(5 * RATE) / RATE
    sounds = {
        "silence": np.zeros(5 * RATE),
        "faint noise": 1e-4 * rng.standard_normal(5 * RATE),
        "noise": 0.1 * rng.standard_normal(5 * RATE),
        "tone": 0.3 * np.sin(2 * np.pi * 440 * time),
        "clicks": (np.arange(5 * RATE) % 8000 == 0) * 0.9,
        "song": soundfile.read(examples / "song.flac", always_2d=True)[0][:, 0],
    }
    for name, sound in sounds.items():
        found = sum(end - start for start, end in speech([sound.astype(np.float32)]))
        assert found <= 0.05 * len(sound), name


def test_live_audio_gives_the_same_probabilities_in_any_pieces(said: np.ndarray) -> None:
    whole = SpeechDetector()
    expected = np.concatenate((whole.feed(said), whole.finish()))
    assert len(expected) == -(-len(said) // FRAME)
    pieces = SpeechDetector()
    found = [pieces.feed(said[start : start + 1000]) for start in range(0, len(said), 1000)]
    np.testing.assert_allclose(np.concatenate([*found, pieces.finish()]), expected, atol=1e-4)
    assert expected.max() > 0.9 > 0.1 > expected.min()


@given(
    st.lists(st.sampled_from([0.0, 0.3, 0.4, 0.6, 1.0]), max_size=200),
    st.sampled_from([0.0, 0.05, 0.2]), st.sampled_from([0.032, 0.1, 0.3]), st.sampled_from([0.0, 0.12, 1.0]),
)  # fmt: skip
def test_stretches_hold_all_speech_and_end_in_pauses(
    likely: list[float], min_speech: float, min_silence: float, padding: float
) -> None:
    found = list(stretches(likely, min_speech=min_speech, min_silence=min_silence, padding=padding))
    inside = np.zeros(len(likely) * FRAME, bool)
    for start, end in found:
        assert 0 <= start < end <= len(inside)
        inside[start:end] = True
    assert all(left.end <= right.start for left, right in pairwise(found))
    if min_speech <= FRAME / RATE:
        certain = np.repeat(np.array(likely) >= 0.5, FRAME)
        assert inside[certain].all()
    if max(likely, default=0) < 0.5:
        assert not found


def test_a_click_is_no_speech_and_a_short_dip_is_no_pause() -> None:
    assert not list(stretches([0, 0, 1, 0] + [0] * 20, min_speech=0.1))
    (one,) = stretches([1] * 10 + [0] * 5 + [1] * 10 + [0] * 20, min_silence=0.3, padding=0)
    assert one == (0, 25 * FRAME)
    assert len(list(stretches([1] * 10 + [0] * 12 + [1] * 10, min_silence=0.3))) == 2


def test_the_detector_is_loaded_without_ctranslate2() -> None:
    code = (
        "import sys, numpy; from hark.audio.speech import SpeechDetector; "
        "SpeechDetector().feed(numpy.zeros(512, 'f4')); print('ctranslate2' in sys.modules, 'torch' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.split() == ["False", "False"]
