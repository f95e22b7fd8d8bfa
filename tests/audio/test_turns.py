"""Turns in live sound, as a microphone or a call gives it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from hark.audio.turns import Began, Ended, Turns

if TYPE_CHECKING:
    import hark

RATE = 16000


def quiet(seconds: float) -> np.ndarray:
    return np.random.default_rng(7).normal(0, 0.001, round(seconds * RATE)).astype(np.float32)


def told(turns: Turns, sound: np.ndarray, block: int = 320) -> list[tuple[float, Began | Ended]]:
    """What is told of a sound fed in blocks, and when."""
    found = []
    for start in range(0, len(sound), block):
        found += [((start + block) / RATE, event) for event in turns.feed(sound[start : start + block])]
    return found


@pytest.mark.parametrize("phase", range(20))
def test_no_turn_is_cut_wherever_blocks_are(order: hark.Audio, phase: int) -> None:
    """The same utterance at 20 offsets against the blocks: it begins before its first word, and ends with the pause."""
    spoken, before = order.samples(RATE), quiet(1.0 + phase * 0.013)
    sound = np.concatenate((before, spoken, quiet(1.5)))
    (begun, first), (ended, turn) = told(Turns(), sound, 640)
    assert isinstance(first, Began)
    assert isinstance(turn, Ended)
    begins, ends = len(before) / RATE, (len(before) + len(spoken)) / RATE
    loud = np.flatnonzero(np.abs(spoken) > 0.02)
    onset, last = begins + loud[0] / RATE, begins + loud[-1] / RATE
    assert first.start == turn.start <= onset - 0.1
    assert begun <= onset + 0.35
    assert last <= turn.end <= ended <= ends + 0.7
    at = round(turn.start * RATE)
    np.testing.assert_array_equal(turn.samples, sound[at : at + len(turn.samples)])


def test_how_it_is_cut_into_blocks_changes_nothing(order: hark.Audio) -> None:
    sound = np.concatenate((quiet(0.7), order.samples(RATE), quiet(1.0), order.samples(RATE), quiet(1.0)))
    found = [[event for _, event in told(Turns(), sound, block)] for block in (137, 512, 4800, len(sound))]
    assert len(found[0]) == 4
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            assert type(one) is type(two)
            assert one.start == two.start
            if isinstance(one, Ended):
                np.testing.assert_array_equal(one.samples, two.samples)


def test_a_click_is_no_turn_and_silence_tells_nothing() -> None:
    click = np.zeros(RATE * 3, np.float32)
    click[RATE : RATE + 40] = 0.9
    turns = Turns()
    assert told(turns, click) == []
    assert turns.finish() is None
    assert told(turns, np.zeros(RATE, np.float32)) == []


def test_what_is_open_at_the_end_is_given_and_a_long_turn_is_cut(order: hark.Audio) -> None:
    spoken = order.samples(RATE)
    turns = Turns()
    told(turns, np.concatenate((quiet(0.5), spoken[: 2 * RATE])))
    last = turns.finish()
    assert last is not None
    assert last.end == pytest.approx(2.5, abs=0.04)
    cut = [event for _, event in told(Turns(longest=1.0), spoken) if isinstance(event, Ended)]
    assert len(cut) >= 2
    assert all(len(event.samples) <= 1.1 * RATE for event in cut)
