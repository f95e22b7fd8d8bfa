"""Multiple choice: the string match of MMAU, and beside it one that takes the letter of a choice, too.

Source: `evaluation.py` of Sakshi113/MMAU (arXiv:2410.19168). Letters do not go with that match: "(A) Man" holds the
word "a", which is wrong where another choice is "A woman".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_LETTER = re.compile(r"\s*\(?([A-Za-z])[).:]\s*")
_ALONE = re.compile(
    r"\W*(?:(?:the )?(?:correct )?(?:answer|option|choice)(?: is)?:?\s*)?\(?([A-Za-z])\)?[.:]?\s*", re.IGNORECASE
)
_THINKING, _THOUGHT = "<think>", "</think>"


def string_match(answer: str, prediction: str, choices: Sequence[str]) -> bool:
    """Are all words of the answer in the prediction, and none that only wrong choices have? Nothing is wrong."""
    said, right = _words(prediction), _words(answer)
    if not said:
        return False
    wrong: set[str] = set()
    for choice in choices:
        words = _words(choice)
        if words != right:
            wrong |= words - right
    return right <= said and said.isdisjoint(wrong)


def letter_match(answer: str, prediction: str, choices: Sequence[str]) -> bool:
    """Like `string_match`, but an answer that begins with the letter of a choice, or is nothing else, is that one."""
    texts = [bare(choice) for choice in choices]
    alone = _ALONE.fullmatch(prediction)
    begun = alone or _LETTER.match(prediction)
    number = ord(begun[1].upper()) - ord("A") if begun else -1
    named = texts[number] if 0 <= number < len(texts) else None
    # "A dog: barking" begins with no letter of a choice: what follows a letter must be that choice.
    if named is not None and begun and (alone or _words(named) <= _words(prediction[begun.end() :])):
        return _words(named) == _words(bare(answer))
    return string_match(bare(answer), prediction, texts)


def bare(choice: str) -> str:
    """A choice without its letter: `(B) restaurant` is `restaurant`."""
    begun = re.match(r"\s*(?:\([A-Z]\)|[A-Z][).:])\s+(?=\S)", choice)
    return choice[begun.end() :].strip() if begun else choice.strip()


def final(text: str) -> str:
    """An answer without the thinking before it; where that never ends (`<think>` alone), there is no answer."""
    _, mark, after = text.rpartition(_THOUGHT)
    return (after if mark else text.partition(_THINKING)[0]).strip()


def _words(text: str) -> set[str]:
    return set(re.findall(r"\b\w+\b", text.lower()))
