"""What was heard in windows that overlap, joined so that no word is doubled or lost.

Speech that gives no pause is cut within a word; the windows on both sides share a second or two (see `windows.py`), and
the words in what they share are matched: by text and time where words have times, else the end of one text with the
beginning of the other, as transformers' `_find_longest_common_sequence` does it for Whisper.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hark.answers.transcript import Segment, Word
    from hark.audio.windows import Window

OVERLAP = 2.0  # seconds: a word, and some around it to know it by
_NEAR = 0.5  # seconds by which the times of one word may differ between two windows
_FASTEST = 8  # words, or Chinese characters, a second
# Scripts without spaces between words: Thai, Lao, Burmese, Khmer; Japanese, Chinese.
_WIDE = "\u0e01-\u0eff\u1000-\u109f\u1780-\u17ff\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_CLOSE = re.compile(f"[{_WIDE}\u3001\u3002\uff01\uff0c\uff1a\uff1b\uff1f]")  # no space beside it
_UNIT = re.compile(rf"\s*(?:[{_WIDE}][^\w\s]*|[^\s{_WIDE}]+)")


class Joiner:
    """Takes what was heard in one window after the other, and gives it back joined."""

    def __init__(self) -> None:
        self._held: Segment | None = None

    def add(self, window: Window, segment: Segment | None) -> Iterator[Segment]:
        """What is final now; None, or a segment without text, says that there were no words in the window."""
        if segment is not None and not segment.text.strip():
            segment = None
        held, self._held = self._held, None
        if held is not None and segment is not None and window.shared:
            held, segment = joined(held, segment, window.start, window.start + window.shared)
        if held is not None and held.text:
            yield held
        if window.continues:
            self._held = segment
        elif segment is not None and segment.text:
            yield segment

    def finish(self) -> Iterator[Segment]:
        """What is left."""
        if self._held is not None and self._held.text:
            yield self._held
        self._held = None


def joined(left: Segment, right: Segment, start: float, end: float) -> tuple[Segment, Segment]:
    """Two segments of windows that share the time from `start` to `end`, without what they both have.

    Text without word times keeps the time of its window, as nobody knows where in it the words are.
    """
    if _timed(left) and _timed(right):
        return _by_time(left, right, start, end)
    one, other = units(left.text), units(right.text)
    keep, drop = _match(one, other, int((end - start) * _FASTEST) + 2)
    return replace(left, text="".join(one[:keep]).strip()), replace(right, text="".join(other[drop:]).strip())


def units(text: str) -> list[str]:
    """Text in words, or in letters where there are no spaces between words; each with the white space before it."""
    return _UNIT.findall(text)


def gap(before: str, after: str) -> str:
    """The white space to put between two pieces of text, of which the second may begin with its own."""
    if not before or not after or after[0].isspace():
        return ""
    return "" if _CLOSE.match(before[-1]) and _CLOSE.match(after[0]) else " "


def _timed(segment: Segment) -> bool:
    return bool(segment.words) and " ".join(word.text for word in segment.words) == segment.text


def _by_time(left: Segment, right: Segment, start: float, end: float) -> tuple[Segment, Segment]:
    middle = (start + end) / 2
    pairs = [
        (abs((one.start + one.end) / 2 - middle), i, j)
        for i, one in enumerate(left.words)
        if one.end > start
        for j, other in enumerate(right.words)
        if other.start < end and _same(one.text, other.text) == 1 and abs(one.start - other.start) <= _NEAR
    ]
    if pairs:  # the word that both have nearest to the middle, where neither window is cut
        _, i, j = min(pairs)
        first, rest = left.words[: i + 1], right.words[j + 1 :]
    else:
        first = tuple(word for word in left.words if (word.start + word.end) / 2 < middle)
        rest = tuple(word for word in right.words if (word.start + word.end) / 2 >= middle)
    after = first[-1].end if first else left.start
    rest = tuple(replace(word, start=max(word.start, after), end=max(word.end, after)) for word in rest)
    before = rest[0].start if rest else right.end
    border = max(left.start, min(left.end, before))
    return (
        _of(replace(left, end=border), first),
        _of(replace(right, start=min(right.end, max(right.start, border))), rest),
    )


def _of(segment: Segment, words: tuple[Word, ...]) -> Segment:
    return replace(segment, words=words, text=" ".join(word.text for word in words))


def _match(left: Sequence[str], right: Sequence[str], most: int) -> tuple[int, int]:
    """How many words of the left one to keep, and how many of the right one to leave out.

    The end of one is laid over the beginning of the other so that most words agree. From there on the left half is
    taken from the left and the right half from the right: the last word of the left and the first of the right may be
    cut. Where nothing agrees, all is kept.
    """
    best, shared = 0.5, 0
    for count in range(1, min(most, len(left), len(right)) + 1):
        pairs = list(zip(left[-count:], right[:count], strict=True))
        alike = [_same(one, other, first=n == 0, last=n == count - 1) for n, (one, other) in enumerate(pairs)]
        value = 2 * sum(alike) - count
        if max(alike) == 1 and value > best:
            best, shared = value, count
    return len(left) - shared // 2, shared - shared // 2


def _same(one: str, other: str, *, first: bool = False, last: bool = False) -> float:
    """1 where two words are the same, 0 where not; between that where one of them is at the edge of its window."""
    one, other = bare(one), bare(other)
    if one == other:
        return 1.0
    if (first and one.endswith(other)) or (last and other.startswith(one)):
        return 0.75  # cut
    return 0.5 if first or last else 0.0  # cut, and misheard


def bare(word: str) -> str:
    """A word without case and punctuation; the marks of a script belong to its letters."""
    return "".join(each for each in word.casefold() if unicodedata.category(each)[0] in "LMN") or word.strip()
