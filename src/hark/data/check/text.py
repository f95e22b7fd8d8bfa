"""What is odd about a text: characters, script, and how much of it there is for its time."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from hark.answers.doubt import doubtful
from hark.answers.transcript import Segment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hark.data.sample import Sample

# The scripts that languages are written in, as the names of their letters begin in Unicode.
_SCRIPTS: dict[str, tuple[str, ...]] = {
    "LATIN": tuple(
        "af az bs ca cs cy da de en es et eu fi fil fr ga gl ha hr hu id ig is it ku la lb lt lv mi ms mt nb nl nn no "
        "oc pl pt ro rw sk sl so sq sv sw tl tr uz vi xh yo zu".split()
    ),
    "CYRILLIC": tuple("ba be bg kk ky mk mn ru tg tt uk".split()),
    "ARABIC": tuple("ar fa ps sd ug ur".split()),
    "DEVANAGARI": tuple("hi mr ne sa".split()),
    "CJK": ("zh", "yue"),
    "HEBREW": ("he", "yi"),
    "GREEK": ("el",),
    "THAI": ("th",),
    "GEORGIAN": ("ka",),
    "ARMENIAN": ("hy",),
    "BENGALI": ("bn", "as"),
    "TAMIL": ("ta",),
    "TELUGU": ("te",),
    "KANNADA": ("kn",),
    "MALAYALAM": ("ml",),
    "GUJARATI": ("gu",),
    "GURMUKHI": ("pa",),
    "KHMER": ("km",),
    "LAO": ("lo",),
    "MYANMAR": ("my",),
    "SINHALA": ("si",),
    "ETHIOPIC": ("am", "ti"),
    "TIBETAN": ("bo", "dz"),
}
_SEVERAL = {"ja": ("HIRAGANA", "KATAKANA", "CJK"), "ko": ("HANGUL", "CJK"), "sr": ("CYRILLIC", "LATIN")}
_OF = {code: (script,) for script, codes in _SCRIPTS.items() for code in codes} | _SEVERAL
_STEERING = re.compile(r"<\|[^<>|\s]{1,40}\|>|<(?:audio|sound(?:-\d+)?|s|/s|pad|unk)>|\[(?:INST|/INST|AUDIO)\]")
_LONG_SECONDS, _FEW_LETTERS = 10.0, 0.5


def oddities(sample: Sample, seconds: float) -> Iterator[tuple[str, str]]:
    """Kinds of problems and what to say of them; `seconds` is how long its recordings are, 0 where that is unknown."""
    target = sample.target
    for message in sample.conversation.messages:
        yield from _characters(message.text)
    if target is None:
        return
    if not target.strip():
        yield "empty-text", "Its answer is empty."
        return
    language = sample.to if sample.task == "translate" else sample.language
    if sample.task in ("transcribe", "translate") and language:
        yield from _script(target, language)
    if sample.task == "transcribe" and seconds:
        yield from _pace(target, seconds)


def _characters(text: str) -> Iterator[tuple[str, str]]:
    for char in text:
        # Controls, halves of surrogates, private use, unassigned, and the mark of what could not be decoded.
        if (unicodedata.category(char) in ("Cc", "Cs", "Co", "Cn") and char not in "\n\t\r") or char == "\ufffd":
            yield "odd-character", f"Its text holds U+{ord(char):04X}, which is no character to be read."
            break
    if found := _STEERING.search(text):
        yield "control-token", f"Its text holds {found[0]}, which steers some models."


def _script(text: str, language: str) -> Iterator[tuple[str, str]]:
    expected = _OF.get(re.split(r"[-_]", language.lower())[0])
    letters = [char for char in text if char.isalpha()]
    if not expected or not letters:
        return
    fitting = sum(unicodedata.name(char, "").startswith(expected) for char in letters)
    if fitting * 2 < len(letters):
        other = unicodedata.name(next(c for c in letters if not unicodedata.name(c, "").startswith(expected)), "?")
        yield "wrong-script", f"Its language is {language}, but it is written in {other.split()[0].capitalize()}."


def _pace(text: str, seconds: float) -> Iterator[tuple[str, str]]:
    letters = sum(char.isalnum() for char in text)
    if doubtful(Segment(text, 0.0, seconds)):
        yield (
            "impossible-text",
            f"Its {len(text)} characters repeat themselves or are more than is said in {seconds:.1f} s.",
        )
    elif seconds > _LONG_SECONDS and letters < _FEW_LETTERS * seconds:
        yield "little-text", f"It has {letters} letters for {seconds:.0f} s."
