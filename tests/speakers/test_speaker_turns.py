"""Turns of speakers: their names, and what is one turn."""

from __future__ import annotations

from hark.speakers.turns import Turn, joined, named


def test_turns_are_named_in_the_order_of_first_appearance() -> None:
    assert named([(4, 5, 7), (0, 1, "b"), (1, 2, "b"), (3, 3, "c")]) == (
        Turn(0, 2, "Speaker 1"),
        Turn(4, 5, "Speaker 2"),
    )
    assert joined((Turn(0, 1, "a"), Turn(1.2, 2, "a"), Turn(2.1, 3, "b")), 0.5) == (Turn(0, 2, "a"), Turn(2.1, 3, "b"))
