"""Quotes: words that were said, with the time at which a transcript has them."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hark.answers.transcript import Segment, Transcript

_ENOUGH = 0.7  # share of a quote's words that must stand in the transcript, in order
_TRIED = 5  # places of the transcript that are compared with a quote word by word
# Words; signs of scripts that are written without spaces stand alone.
_TOKEN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\u0e00-\u0e7f]|[^\W_\u3040-\u30ff\u3400-\u9fff\u0e00-\u0e7f]+")


@dataclass(frozen=True, slots=True)
class Quote:
    """Words that were said.

    `start` and `end` are in seconds of the recording, None where no time is known. `found` says that the words stand
    in a transcript (then they are quoted as it has them); a quote that is not `found` is what a model says it heard,
    and its times, where it has some, are those of the stretch in which it was heard.
    """

    text: str
    start: float | None = None
    end: float | None = None
    speaker: str | None = None
    found: bool = False
    unsure: bool = False

    @classmethod
    def of(cls, segment: Segment) -> Quote:
        """A stretch of a transcript."""
        return cls(segment.text, segment.start, segment.end, segment.speaker, True, segment.unsure)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; times in seconds, empty fields left out."""
        values = {"text": self.text, "start": _rounded(self.start), "end": _rounded(self.end), "speaker": self.speaker}
        kept = {key: value for key, value in values.items() if value is not None}
        return kept | {"found": self.found} | ({"unsure": True} if self.unsure else {})


def clock(seconds: float) -> str:
    """A time as `0:12`, or `1:02:03` from an hour on."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"


@dataclass(frozen=True, slots=True)
class _Said:
    token: str
    start: float
    end: float
    segment: Segment


class Finder:
    """Finds quotes in a transcript, although a word may be missing, changed or heard otherwise."""

    def __init__(self, transcript: Transcript) -> None:
        self._said = [said for segment in transcript.segments for said in _tokens(segment)]
        self._places: dict[str, list[int]] = defaultdict(list)
        for place, said in enumerate(self._said):
            self._places[said.token].append(place)

    def find(self, text: str, within: tuple[float, float] | None = None) -> Quote | None:
        """The place that has most of the words in order, seven of ten at least; None where there is none.

        `within` are seconds in which the quote has to begin.
        """
        wanted = tokens(text)
        best: tuple[int, int, int] | None = None
        for first in self._likely(wanted, within):
            start = max(0, first - 2)
            there = [said.token for said in self._said[start : first + len(wanted) + 3]]
            blocks = SequenceMatcher(None, wanted, there, autojunk=False).get_matching_blocks()
            count = sum(block.size for block in blocks)
            if best is None or count > best[0]:
                hits = [block for block in blocks if block.size]
                best = (count, start + hits[0].b, start + hits[-1].b + hits[-1].size - 1)
        if best is None or best[0] < _ENOUGH * len(wanted) or (len(wanted) < 4 and best[0] < len(wanted)):
            return None
        return self._quote(text, best[1], best[2])

    def _likely(self, wanted: list[str], within: tuple[float, float] | None) -> list[int]:
        """Where the quote would begin, by the words that it shares with the transcript; the likeliest first."""
        votes: Counter[int] = Counter()
        for index, token in enumerate(wanted):
            places = self._places.get(token, [])
            for place in places:
                if within is None or within[0] <= self._said[place].start <= within[1]:
                    for near in (-1, 0, 1):  # a word more or less shifts the rest by one
                        votes[max(0, place - index + near)] += 2 if near == 0 else 1
        return [place for place, _ in votes.most_common(_TRIED)]

    def _quote(self, text: str, first: int, last: int) -> Quote:
        said = self._said[first : last + 1]
        # A speaker may say more than one sentence of a segment: the quote keeps its own words, the times are theirs.
        unsure = any(one.segment.unsure for one in said)
        speakers = {one.segment.speaker for one in said}
        speaker = said[0].segment.speaker if len(speakers) == 1 else None
        return Quote(" ".join(text.split()), said[0].start, said[-1].end, speaker, True, unsure)


def tokens(text: str) -> list[str]:
    """The words of a text in lower case, without punctuation."""
    return _TOKEN.findall(text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").replace("'", ""))


def _tokens(segment: Segment) -> Iterator[_Said]:
    """The words of a segment at their own times; where it gives none, at those of the segment: none is made up."""
    if segment.words:
        for word in segment.words:
            yield from (_Said(token, word.start, word.end, segment) for token in tokens(word.text))
    else:
        yield from (_Said(token, segment.start, segment.end, segment) for token in tokens(segment.text))


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)
