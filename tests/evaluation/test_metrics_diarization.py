"""The diarisation error rate, against cases worked out by hand."""

from __future__ import annotations

import pytest

from hark.evaluation.metrics.diarization import errors
from hark.speakers.turns import Turn

pytest.importorskip("scipy")

SAID = (Turn(0, 10, "a"), Turn(10, 20, "b"))


def test_other_names_are_no_errors() -> None:
    found = errors(SAID, (Turn(0, 10, "x"), Turn(10, 20, "y")), collar=0)
    assert (found.speech, found.rate) == (20, 0)


@pytest.mark.parametrize(
    ("heard", "missed", "made_up", "confused"),
    [
        ((), 20, 0, 0),
        ((Turn(0, 20, "x"),), 0, 0, 10),  # one of the two is always wrong
        ((Turn(0, 12, "x"), Turn(12, 20, "y")), 0, 0, 2),
        ((Turn(0, 10, "x"), Turn(10, 23, "y")), 0, 3, 0),
        ((Turn(1, 10, "x"), Turn(10, 20, "y")), 1, 0, 0),
        ((Turn(0, 10, "x"), Turn(10, 20, "y"), Turn(4, 6, "z")), 0, 2, 0),  # two at once where one spoke
    ],
)
def test_each_kind_of_error(heard: tuple[Turn, ...], missed: float, made_up: float, confused: float) -> None:
    found = errors(SAID, heard, collar=0)
    assert (found.missed, found.false_alarm, found.confused) == pytest.approx((missed, made_up, confused))
    assert found.rate == pytest.approx((missed + made_up + confused) / 20)


def test_speech_of_two_at_once_counts_twice() -> None:
    both = (Turn(0, 10, "a"), Turn(5, 10, "b"))
    found = errors(both, (Turn(0, 10, "x"),), collar=0)
    assert (found.speech, found.missed, found.confused) == pytest.approx((15, 5, 0))


def test_nothing_is_scored_within_the_collar() -> None:
    heard = (Turn(0, 10.2, "x"), Turn(10.2, 20, "y"))
    assert errors(SAID, heard, collar=0).confused == pytest.approx(0.2)
    found = errors(SAID, heard, collar=0.25)
    assert found.speech == pytest.approx(20 - 4 * 0.25)
    assert found.rate == 0


def test_overlaps_can_be_left_out() -> None:
    both = (Turn(0, 10, "a"), Turn(5, 10, "b"))
    found = errors(both, (Turn(0, 10, "x"),), collar=0, overlaps=False)
    assert (found.speech, found.missed) == pytest.approx((5, 0))
    assert errors(both, (Turn(0, 5, "x"), Turn(5, 10, "y")), collar=0, overlaps=False).rate == 0


def test_nothing_said_and_nothing_found_is_no_error() -> None:
    assert errors((), ()).rate == 0
    assert errors((), (Turn(0, 1, "x"),)).rate == 1
