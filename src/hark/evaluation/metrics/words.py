"""Word and character errors: what must be replaced, left out and put in to make one text of another (jiwer)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from hark.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Sequence

Operation = Literal["equal", "substitute", "delete", "insert"]


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of an alignment: `delete` is in the reference alone, `insert` in the prediction alone.

    Attributes:
        reference, prediction: numbers of the first word and of the one after the last, in each text.
    """

    operation: Operation
    reference: tuple[int, int]
    prediction: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Edits:
    """How one text differs from another, in words or characters; Levenshtein distance."""

    hits: int
    substitutions: int
    deletions: int
    insertions: int
    pieces: tuple[Piece, ...] = ()

    @property
    def errors(self) -> int:
        """All that is wrong."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def length(self) -> int:
        """Words or characters of the reference."""
        return self.hits + self.substitutions + self.deletions


def word_edits(reference: str, prediction: str) -> Edits:
    """How the words of a prediction differ from those of the reference; words are what is between spaces.

    Raises:
        MissingExtraError: jiwer is not installed.
    """
    return _edits(_jiwer().process_words(reference, prediction))


def character_edits(reference: str, prediction: str) -> Edits:
    """Like `word_edits`, with characters, spaces among them.

    Raises:
        MissingExtraError: jiwer is not installed.
    """
    return _edits(_jiwer().process_characters(reference, prediction))


def rows(edits: Edits, reference: Sequence[str], prediction: Sequence[str]) -> list[list[str]]:
    """An alignment for people: rows of operation, words of the reference, words of the prediction."""
    return [
        [piece.operation, " ".join(reference[slice(*piece.reference)]), " ".join(prediction[slice(*piece.prediction)])]
        for piece in edits.pieces
    ]


def _jiwer() -> Any:
    try:
        import jiwer
    except ImportError as error:
        raise MissingExtraError.of("Counting word errors", "evaluate") from error
    return jiwer


def _edits(found: Any) -> Edits:
    pieces = tuple(
        Piece(part.type, (part.ref_start_idx, part.ref_end_idx), (part.hyp_start_idx, part.hyp_end_idx))
        for part in found.alignments[0]
    )
    return Edits(found.hits, found.substitutions, found.deletions, found.insertions, pieces)
