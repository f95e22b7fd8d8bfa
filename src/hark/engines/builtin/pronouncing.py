"""How words are pronounced, by the dictionary that comes with pocketsphinx (CMUdict, phones in ARPAbet)."""

from __future__ import annotations

import itertools
import re
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from hark.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Iterable

_MOST = 12  # pronunciations of a phrase
_NUMBER = re.compile(r"\(\d+\)$")


def pronunciations(phrase: tuple[str, ...]) -> list[str]:
    """The ways to say a phrase as one word, the usual ones first: phones with spaces between them.

    Raises:
        OptionError: a word is not in the dictionary.
    """
    known = _dictionary()
    ways = [_of(word, known) for word in phrase]
    orders = sorted(itertools.islice(itertools.product(*(range(len(way)) for way in ways)), 4096), key=sum)
    said = (" ".join(way[number] for way, number in zip(ways, order, strict=True)) for order in orders)
    return list(itertools.islice(dict.fromkeys(said), _MOST))


def check(phrases: Iterable[tuple[str, ...]]) -> None:
    """Refuse words that cannot be pronounced.

    Raises:
        OptionError: a word is not in the dictionary; the hint has words that are written like it.
    """
    known = _dictionary()
    for word in dict.fromkeys(word for phrase in phrases for word in phrase):
        _of(word, known)


def _of(word: str, known: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    if word in known:
        return known[word]
    parts = [part for part in re.split(r"[-_.]", word) if part]
    if len(parts) > 1:
        return tuple(dict.fromkeys(pronunciations(tuple(parts))))
    stem = re.sub(r"'?s$", "", word)
    if stem != word and stem in known:
        return tuple(f"{phones} {_plural(phones)}" for phones in known[stem])
    near = get_close_matches(word, [other for other in known if other[:1] == word[:1]], n=3)
    like = f" Words like it: {', '.join(near)}." if near else ""
    raise OptionError(
        f"The offline default does not know how {word!r} is pronounced.",
        hint=f"Write it as words that sound the same.{like} Other models take any word: see `hark models`.",
    )


def _plural(phones: str) -> str:
    """The sound of an `s` at the end."""
    last = phones.split()[-1]
    if last in ("S", "Z", "SH", "ZH", "CH", "JH"):
        return "IH Z"
    return "S" if last in ("P", "T", "K", "F", "TH") else "Z"


@lru_cache(1)
def _dictionary() -> dict[str, tuple[str, ...]]:
    from pocketsphinx import get_model_path

    found: dict[str, tuple[str, ...]] = {}
    with Path(get_model_path("en-us/cmudict-en-us.dict")).open(encoding="utf-8") as lines:
        for line in lines:
            word, _, phones = line.strip().partition(" ")
            word = _NUMBER.sub("", word)
            found[word] = (*found.get(word, ()), phones)
    return found
