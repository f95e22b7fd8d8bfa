from __future__ import annotations

import random
from collections import deque
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from hark.answers.transcript import Segment, Word
from hark.audio.joining import OVERLAP, Joiner
from hark.audio.speech import FRAME, RATE, SpeechDetector, speech
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


@settings(deadline=None, max_examples=20)
@given(pieces, st.sampled_from([1.0, 2.5, 6.0]), st.sampled_from([0.5, 1.0, 2.0]), st.integers(100, 70000))
def test_windows_that_overlap_hold_all_speech_at_its_true_place(
    parts: list[tuple[bool, int, int]], longest: float, overlap: float, size: int
) -> None:
    samples = recording(parts)
    found = list(windows(blocks(samples, size), max_seconds=longest, overlap=overlap))
    for window in found:
        start = round(window.start * RATE)
        assert window.end - window.start <= longest
        np.testing.assert_array_equal(window.samples, samples[start : round(window.end * RATE)])
    for left, right in pairwise(found):
        assert right.shared == pytest.approx(max(0.0, left.end - right.start))
        assert right.shared <= min(overlap, longest / 4)
        assert left.continues == (right.shared > 0)
        assert left.start < right.start
        assert left.end <= right.end
    taken = covered(found, len(samples))
    for start, end in speech([samples], padding=0.0):
        assert taken[start:end].all()


def test_speech_that_never_pauses_is_cut_with_an_overlap() -> None:
    said = np.concatenate([w.samples for w in windows([SAID], min_silence=0.1, padding=0.0)])  # all pauses are gone
    found = list(windows([said], max_seconds=8, overlap=2.0, min_silence=5))
    shared = [window for window in found if window.shared]
    assert len(shared) >= 2
    for left, right in pairwise(found):
        if right.shared:
            assert right.shared == pytest.approx(2.0, abs=FRAME / RATE)
            assert left.continues
            assert left.end - right.start == pytest.approx(right.shared)


def test_a_pause_before_the_last_third_is_better_than_a_cut_word() -> None:
    tone = np.sin(np.arange(30 * RATE) * 0.2).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SpeechDetector, "_run", _by_level)
        tone[int(4.2 * RATE) : int(4.4 * RATE)] = 0.0  # 0.2 s: too short to part windows, and no word is there
        first, second, *_ = windows([tone], max_seconds=10, min_silence=1.0, overlap=2.0)
    assert 4.2 < first.end < 4.4
    assert second.start == first.end
    assert not first.continues
    assert second.continues  # after that nobody pauses


def _by_level(_self: SpeechDetector, samples: np.ndarray) -> np.ndarray:
    """A detector that holds all that is loud for speech: many times faster, and exact."""
    return (np.abs(samples.reshape(-1, FRAME)).max(axis=1, initial=0.0) > 0.001).astype(np.float32)


class Hours:
    """Three hours of words at known times, made as they are heard: a word is a level of its own, all of them differ."""

    RATE, LENGTH = RATE, 3 * 3600 * RATE

    def __init__(self) -> None:
        chance = random.Random(11)
        self.words: list[tuple[int, int, int]] = []  # number, first sample, sample after
        at = 0
        while at < self.LENGTH - 400 * RATE:
            at += chance.randrange(int(0.1 * RATE), chance.choice([2, 30, 300]) * RATE)
            seconds = chance.choice([1, 5, 20, 150])  # 150 s without any pause
            end = at + seconds * RATE
            while at < end:
                length = chance.randrange(int(0.15 * RATE), int(0.5 * RATE))
                self.words.append((len(self.words), at, at + length))
                at += length

    def __iter__(self) -> Iterator[np.ndarray]:
        waiting = deque(self.words)
        for start in range(0, self.LENGTH, 10 * RATE):
            block = np.zeros(10 * RATE, np.float32)
            while waiting and waiting[0][1] < start + len(block):
                number, first, after = waiting[0]
                block[max(0, first - start) : after - start] = 0.1 + number * 1e-5
                if after > start + len(block):
                    break
                waiting.popleft()
            yield block

    def heard(self, window: Window) -> Segment | None:
        """What a perfect recogniser makes of a window: a word that is cut is not understood."""
        numbers = np.rint((window.samples - 0.1) * 1e5).astype(int)
        edges = [0, *(np.flatnonzero(np.diff(numbers)) + 1), len(numbers)]
        words = []
        for first, after in pairwise(edges):
            if numbers[first] >= 0:
                number, begin, end = self.words[numbers[first]]
                text = str(number) if after - first == end - begin else "uh"
                words.append(Word(text, window.start + first / RATE, window.start + after / RATE))
        text = " ".join(word.text for word in words)
        return Segment(text, words[0].start, words[-1].end, tuple(words)) if words else None


def test_three_hours_drift_by_nothing_and_lose_no_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SpeechDetector, "_run", _by_level)
    hours, shared, last = Hours(), 0, 0.0
    joiners, found = {True: Joiner(), False: Joiner()}, {True: list[Segment](), False: list[Segment]()}
    for window in windows(hours, overlap=OVERLAP):
        assert last - OVERLAP <= window.start < window.end <= 3 * 3600
        last, shared = window.end, shared + bool(window.shared)
        segment = hours.heard(window)
        plain = segment and replace(segment, words=())
        for timed, part in ((True, segment), (False, plain)):
            found[timed] += joiners[timed].add(window, part)
    assert shared > 20
    for timed, segments in found.items():
        segments += joiners[timed].finish()
        assert " ".join(segment.text for segment in segments).split() == [str(number) for number, *_ in hours.words]
        assert all(one.start <= other.start and one.end <= other.end for one, other in pairwise(segments))
    times = [(round(w.start * RATE), round(w.end * RATE)) for segment in found[True] for w in segment.words]
    assert times == [(first, after) for _, first, after in hours.words]
    assert all(one.end <= other.start for one, other in pairwise(found[True]))
