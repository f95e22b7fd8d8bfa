"""Who stands before a word of duty: a name, a group, the speaker, everybody or nobody in particular."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from hark.engines.builtin.names import EVERYBODY, GROUPS, MAYBE_NAMES, NAMES, NOBODY
from hark.engines.builtin.words import STOP

if TYPE_CHECKING:
    from hark.engines.builtin.sentences import Sentence

LEAD = frozenset("and so then okay ok but also well now that think said says because yes yeah right".split())
_DETERMINERS = frozenset(
    "the a an this that these those my your our their his her its some every each no all any".split()
)
_CONDITION = frozenset("if when unless whether what how why where which who until before as wish hope".split())
_NO_NAMES = frozenset(
    "monday tuesday wednesday thursday friday saturday sunday january february march april may june july august "
    "september october november december english french german".split()
)

Kind = Literal["name", "group", "speaker", "all", "listener", "third", "nobody", "unknown"]


@dataclass(frozen=True)
class Owner:
    """Who is to do it: words `start` to the duty in the plain text; `named` where it is a name or a group."""

    text: str
    start: int
    kind: Kind

    @property
    def named(self) -> bool:
        """Whether the words tell who it is."""
        return self.kind in ("name", "group", "unknown")


def owner_before(sentence: Sentence, at: int) -> Owner | None:
    """Who stands right before a place in the plain text; None where it is a thing, or only a condition."""
    said = sentence.plain
    words = said[:at].split()
    if not words:
        return None
    words[-1] = words[-1].removesuffix("'s")
    first = _owner_words(sentence, words)
    start = len(" ".join(words[:first])) + (1 if first else 0)
    if first == len(words) or (first and words[first - 1] in _CONDITION):
        return None
    last = words[-1]
    if first == len(words) - 1 and last in ("i", "we", "he", "she", "they", "us", "you"):
        kinds: dict[str, Any] = {"i": "speaker", "we": "all", "us": "all", "you": "listener"}
        kind = kinds.get(last, "third")
        return Owner(speaker(sentence) if kind == "speaker" else last, start, kind)
    if last in NOBODY | EVERYBODY:
        return Owner(last, start, "nobody" if last in NOBODY else "all")
    text = re.sub(r"['\u2019]s$", "", sentence.original(start, at - 1))
    if last in GROUPS:
        return Owner(text, start, "group")
    if words[first] in ("our", "my"):
        return Owner(text, start, "unknown")
    named = last in NAMES or last in MAYBE_NAMES or last == "you" or _capital(sentence, start)
    name = re.sub(r",? you$", "", text)
    shown = name.title().replace(" And ", " and ") if name.islower() else name
    return Owner(shown, start, "name" if named else "unknown")


def _owner_words(sentence: Sentence, words: list[str]) -> int:
    """Where the words that name the owner begin; `len(words)` where the last word names nobody."""
    last, first = words[-1], len(words) - 1
    if last == "you" and first and words[first - 1] in NAMES:
        return _owner_words(sentence, words[:-1])
    if last in ("i", "we", "he", "she", "they", "you") or last in NOBODY | EVERYBODY:
        return first
    if last in GROUPS:
        while first and len(words) - first < 3 and words[first - 1] not in STOP | LEAD:
            first -= 1
        return first - 1 if first and words[first - 1] in ("the", "our", "your") else first
    if not last.isalpha() or last in STOP or last in _NO_NAMES:
        return len(words)
    if not _is_name(sentence, words, first):
        if first and words[first - 1] in ("our", "my"):
            return first - 1
        alone = not first or words[first - 1] in LEAD
        return first if alone else len(words)
    while first and (
        _is_name(sentence, words, first - 1)
        or (first > 1 and words[first - 1] == "and" and _is_name(sentence, words, first - 2))
    ):
        first -= 1
    return first


def _is_name(sentence: Sentence, words: list[str], i: int) -> bool:
    if words[i] in NAMES:
        return True
    if i and words[i - 1] in _DETERMINERS:
        return False
    if words[i] in MAYBE_NAMES:
        return True
    return i > 0 and _capital(sentence, len(" ".join(words[:i])) + 1) and words[i] not in STOP | _NO_NAMES


def _capital(sentence: Sentence, start: int) -> bool:
    if not start or sentence.text.isupper():
        return False
    word = sentence.original(start, start + 1)
    return word[:1].isupper() and word[1:].islower()


def speaker(sentence: Sentence) -> str:
    """The name of who speaks, as far as it is known."""
    return sentence.speaker or "I (the speaker)"
