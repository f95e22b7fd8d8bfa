from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from hark.audio.speech import FRAME, RATE, speech
from hark.audio.windows import Window, windows
from hark.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Iterator

STANDUP = Path(__file__).resolve().parents[2] / "examples" / "standup.flac"
SAID = soundfile.read(STANDUP, dtype="float32")[0]

# A recording as a list of pieces: seconds of the meeting from somewhere, or seconds of silence.
pieces = st.lists(
    st.tuples(st.booleans(), st.integers(0, len(SAID) - 5 * RATE), st.integers(1, 4 * RATE)), min_size=1, max_size=6
)


def recording(parts: list[tuple[bool, int, int]]) -> np.ndarray:
    return np.concatenate([SAID[at : at + n] if heard else np.zeros(n, np.float32) for heard, at, n in parts])


def blocks(samples: np.ndarray, size: int) -> Iterator[np.ndarray]:
    return (samples[start : start + size] for start in range(0, len(samples), size))


def covered(found: list[Window], length: int) -> np.ndarray:
    inside = np.zeros(length, bool)
    for window in found:
        inside[round(window.start * RATE) : round(window.end * RATE)] = True
    return inside


@settings(deadline=None, max_examples=25)
@given(pieces, st.sampled_from([1.0, 2.5, 30.0]), st.integers(100, 70000))
def test_windows_hold_all_speech_at_its_true_place(
    parts: list[tuple[bool, int, int]], longest: float, size: int
) -> None:
    samples = recording(parts)
    found = list(windows(blocks(samples, size), max_seconds=longest))
    for window in found:
        start = window.start * RATE
        assert start == int(start)
        assert 0 <= window.start < window.end <= len(samples) / RATE
        assert window.end - window.start <= longest
        np.testing.assert_array_equal(window.samples, samples[int(start) : round(window.end * RATE)])
    assert all(left.end <= right.start for left, right in pairwise(found))
    taken = covered(found, len(samples))
    for start, end in speech([samples], padding=0.0):
        assert taken[start:end].all()
    if longest == 30.0:  # no cut was forced: the windows are the stretches
        assert [(round(w.start * RATE), round(w.end * RATE)) for w in found] == list(speech([samples]))


@settings(deadline=None, max_examples=10)
@given(pieces, st.integers(1, 5000), st.integers(5000, 500000))
def test_the_size_of_blocks_changes_nothing(parts: list[tuple[bool, int, int]], small: int, large: int) -> None:
    samples = recording(parts)
    one, other = (list(windows(blocks(samples, size), max_seconds=3)) for size in (small, large))
    assert [(w.start, w.end) for w in one] == [(w.start, w.end) for w in other]


def test_silence_gives_no_windows_and_nothing_gives_none() -> None:
    assert not list(windows([np.zeros(10 * RATE, np.float32)]))
    assert not list(windows([]))
    assert not list(windows([np.zeros(0, np.float32)]))


def test_cuts_lie_in_pauses() -> None:
    found = list(windows([SAID]))
    assert len(found) > 10
    for window in found:
        edge = max(np.abs(window.samples[:FRAME]).max(), np.abs(window.samples[-FRAME:]).max())
        assert edge < 0.1 * np.abs(window.samples).max()


def test_speech_without_pauses_is_cut_where_it_is_weakest() -> None:
    # Pauses do not count here (they would have to last 5 s), so every cut is forced; it must find a quiet place.
    found = list(windows([SAID[: 30 * RATE]], max_seconds=6, min_silence=5))
    forced = [right for left, right in pairwise(found) if left.end == right.start]
    assert len(forced) >= 4
    loud = np.sqrt(np.mean(np.square(SAID[: 30 * RATE])))
    for window in forced:
        at = round(window.start * RATE)
        assert np.sqrt(np.mean(np.square(SAID[at : at + FRAME]))) < 0.2 * loud


def test_windows_come_before_the_recording_is_over() -> None:
    given = 0

    def live() -> Iterator[np.ndarray]:
        nonlocal given
        for block in blocks(np.tile(SAID, 20), RATE):
            given += 1
            yield block

    next(windows(live()))
    assert given < 15


def test_memory_stays_flat() -> None:
    import tracemalloc

    tracemalloc.start()
    try:
        count = sum(1 for _ in windows((SAID[:RATE] if n % 3 else np.zeros(RATE, np.float32)) for n in range(600)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count >= 200
    assert peak < 8 * 2**20  # the recording itself has 37 MiB


def test_windows_too_short_to_cut_are_refused() -> None:
    with pytest.raises(OptionError, match="too short"):
        next(windows([SAID], max_seconds=0.1))
