"""Words as a CTC model writes them: in its letters or pieces, without what it has no sign for."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Chinese and Japanese are written without spaces: each character is a word of its own.
_WIDE = "\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_WIDE}][^\w\s]*|[^\s{_WIDE}]+")
_SPOKEN = "&%@#"  # punctuation that is read out


@dataclass(frozen=True, slots=True)
class Alphabet:
    """What a CTC model writes with.

    Attributes:
        blank: the column of CTC's blank.
        gap: the column that stands between words; None where words begin with a piece of their own.
        columns: gives the columns that spell a text exactly; None where it has none for a part of it.
    """

    blank: int
    gap: int | None
    columns: Callable[[str], list[int] | None]

    def spell(self, word: str) -> list[int] | None:
        """The columns of a word, in the way of writing nearest to it that the model has; None where it has none.

        Tried are, one after the other: other case, no punctuation, no accents.
        """
        return next((found for text in _variants(word) if (found := self.columns(text))), None)


def words(text: str) -> list[str]:
    """The words of a text as they are written, punctuation included; what is punctuation alone is no word."""
    return [word for word in _WORD.findall(text) if any(not _silent(character) for character in word)]


def _silent(character: str) -> bool:
    return unicodedata.category(character)[0] in "PZC" and character not in _SPOKEN


def _variants(word: str) -> Iterator[str]:
    word = unicodedata.normalize("NFC", word).replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    seen = set()
    cases: tuple[Callable[[str], str], ...] = (str, str.upper, str.lower)
    for plain, quiet, case in product((False, True), (False, True), cases):
        text = unicodedata.normalize("NFKD", word) if plain else word
        if plain:
            text = "".join(character for character in text if not unicodedata.combining(character))
        if quiet:
            text = "".join(character for character in text if not _silent(character))
        text = case(text)
        if text and text not in seen:
            seen.add(text)
            yield text
