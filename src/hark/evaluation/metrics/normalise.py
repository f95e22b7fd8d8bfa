"""Normalisers: what two texts are made alike in before their words are compared; a figure names the one it used."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING

from hark.errors import MissingExtraError, OptionError

if TYPE_CHECKING:
    from collections.abc import Callable

# Written without spaces between words: a share of wrong words says nothing of them.
UNSPACED = frozenset({"zh", "yue", "ja", "th", "lo", "my", "km", "bo"})
_GAPS = re.compile(r"[/_\u2212]")  # U+2212 is a minus; other dashes are of the category Pd
_PACKAGE = "whisper-normalizer"


def none(text: str) -> str:
    """The text as it is, with single spaces."""
    return " ".join(text.split())


def plain(text: str) -> str:
    """Unicode NFKC, lower case, hyphens and slashes as spaces; of the rest only letters, marks and digits are kept.

    So "It's 3.5" is "its 35": digits stay digits and words stay words, which holds for any language.
    """
    text = _GAPS.sub(" ", unicodedata.normalize("NFKC", text).lower())
    return none("".join(_kept(letter) for letter in text))


def _kept(letter: str) -> str:
    kind = unicodedata.category(letter)
    return letter if kind[0] in "LMN" else " " if kind == "Pd" or letter.isspace() else ""


def _whisper_english(text: str) -> str:
    return none(_whisper("english", "EnglishTextNormalizer")(text))


def _whisper_basic(text: str) -> str:
    return none(_whisper("basic", "BasicTextNormalizer")(text))


@cache
def _whisper(module: str, name: str) -> Callable[[str], str]:
    import importlib

    try:
        kind = getattr(importlib.import_module(f"whisper_normalizer.{module}"), name)
    except ImportError as error:
        raise MissingExtraError.of("Whisper's normaliser", "evaluate") from error
    made: Callable[[str], str] = kind()
    return made


# "whisper-english" makes figures of spoken numbers, "nine oh two" is 902: it makes one word of strings of digits, in
# which one error is then an error of all of them. Source: Radford et al. 2022, arXiv:2212.04356, appendix C.
NORMALISERS: dict[str, tuple[Callable[[str], str], str]] = {
    "none": (none, "as written"),
    "plain": (plain, "lower case, letters and digits only, hyphens as spaces"),
    "whisper-english": (_whisper_english, "Whisper's for English"),
    "whisper-basic": (_whisper_basic, "Whisper's for other languages"),
}


def normaliser(name: str) -> Callable[[str], str]:
    """The normaliser of a name.

    Raises:
        OptionError: there is none of that name.
        MissingExtraError: it is one of a package that is not installed; told when it is first used.
    """
    if name not in NORMALISERS:
        raise OptionError(f"There is no normaliser {name!r}.", hint=f"There are {', '.join(NORMALISERS)}.")
    return NORMALISERS[name][0]


@cache
def signature(name: str) -> str:
    """How a normaliser is named in a result."""
    about = NORMALISERS[name][1]
    version = f", {_PACKAGE} {metadata.version(_PACKAGE)}" if name.startswith("whisper") else ""
    return f"normaliser {name} ({about}{version})"
