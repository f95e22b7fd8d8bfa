"""Turns: who spoke from when to when, and the names speakers are given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable


@dataclass(frozen=True, slots=True, order=True)
class Turn:
    """A stretch in which one person speaks; times in seconds of the recording."""

    start: float
    end: float
    speaker: str


def name(number: int) -> str:
    """How the speaker who was heard as number 0, 1, ... is called."""
    return f"Speaker {number + 1}"


def named(stretches: Iterable[tuple[float, float, Hashable]]) -> tuple[Turn, ...]:
    """Turns from (start, end, anything that tells speakers apart), named in the order of first appearance.

    What one speaker says without a gap is one turn; stretches without a length are left out.
    """
    names: dict[Hashable, str] = {}
    turns: list[Turn] = []
    last: dict[str, int] = {}  # the last turn of each speaker
    for start, end, who in sorted(stretches, key=lambda stretch: stretch[:2]):
        if end <= start:
            continue
        speaker = names.setdefault(who, name(len(names)))
        at = last.get(speaker)
        if at is not None and start <= turns[at].end + 1e-6:
            turns[at] = Turn(turns[at].start, max(end, turns[at].end), speaker)
        else:
            last[speaker] = len(turns)
            turns.append(Turn(start, end, speaker))
    return tuple(turns)


def joined(turns: Iterable[Turn], gap: float) -> tuple[Turn, ...]:
    """Turns that follow each other, by one speaker and with less than `gap` seconds between them, as one."""
    made: list[Turn] = []
    for turn in turns:
        if made and made[-1].speaker == turn.speaker and turn.start - made[-1].end < gap:
            made[-1] = Turn(made[-1].start, max(made[-1].end, turn.end), turn.speaker)
        else:
            made.append(turn)
    return tuple(made)
