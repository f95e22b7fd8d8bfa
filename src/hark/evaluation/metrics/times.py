"""How far the times of words are from the true ones, of those words that both texts have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hark.evaluation.metrics.words import word_edits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hark.answers.transcript import Segment


@dataclass(frozen=True, slots=True)
class Mark:
    """A word of a transcript with the times that are known of it, in seconds."""

    word: str
    start: float | None
    end: float | None


def marks(segments: Sequence[Segment], normalise: Callable[[str], str]) -> list[Mark]:
    """The words of segments; where they have no times of their own, the first and the last have the segment's."""
    found: list[Mark] = []
    for segment in segments:
        if segment.words:
            for word in segment.words:
                found += _spread(normalise(word.text).split(), word.start, word.end)
        else:
            found += _spread(normalise(segment.text).split(), segment.start, segment.end)
    return found


def distances(reference: Sequence[Mark], predicted: Sequence[Mark]) -> list[float]:
    """Seconds from each known start and end of a reference word to that of the same word in the prediction.

    Words are matched by the alignment of both texts; those that are wrong or missing there have no distance.
    """
    edits = word_edits(" ".join(mark.word for mark in reference), " ".join(mark.word for mark in predicted))
    found = []
    for piece in edits.pieces:
        if piece.operation == "equal":
            for one, other in zip(reference[slice(*piece.reference)], predicted[slice(*piece.prediction)], strict=True):
                both = ((one.start, other.start), (one.end, other.end))
                found += [abs(a - b) for a, b in both if a is not None and b is not None]
    return found


def known(reference: Sequence[Mark]) -> int:
    """How many times a reference knows."""
    return sum((mark.start is not None) + (mark.end is not None) for mark in reference)


def _spread(words: Sequence[str], start: float, end: float) -> list[Mark]:
    last = len(words) - 1
    return [Mark(word, None if at else start, None if at < last else end) for at, word in enumerate(words)]
