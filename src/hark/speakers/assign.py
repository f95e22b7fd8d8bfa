"""Gives what was transcribed to who spoke: segments are split where the speaker changes."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from hark.speakers.turns import name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hark.answers.transcript import Segment, Word
    from hark.speakers.turns import Turn

_SLIVER = 0.3  # seconds of another speaker in a segment without word times that are not worth a guess


def assigned(segments: Iterable[Segment], turns: Sequence[Turn]) -> tuple[tuple[Segment, ...], bool]:
    """Segments with their speakers, split where these change; and whether text was divided without times of words.

    A word belongs to the speaker whose turns cover most of it, else to who speaks next to it. Without times of words
    the text is divided in proportion to time, between words, and the parts are marked `unsure`.
    """
    made: list[Segment] = []
    guessed = False
    for segment in segments:
        parts = _by_words(segment, turns) if segment.words else _by_time(segment, turns)
        guessed |= len(parts) > 1 and not segment.words
        made += parts
    return tuple(made), guessed


def in_order(segments: Iterable[Segment]) -> tuple[Segment, ...]:
    """The same with the speakers named `Speaker 1`, `Speaker 2` ... in the order of first appearance."""
    names: dict[str, str] = {}
    made = []
    for segment in segments:
        who = segment.speaker
        made.append(segment if who is None else replace(segment, speaker=names.setdefault(who, name(len(names)))))
    return tuple(made)


def speaker_of(start: float, end: float, turns: Sequence[Turn]) -> str | None:
    """Who speaks most between two times, else who does so nearest to them; None where nobody ever does."""
    shares: dict[str, float] = {}
    for turn in turns:
        common = min(end, turn.end) - max(start, turn.start)
        if common > 0:
            shares[turn.speaker] = shares.get(turn.speaker, 0.0) + common
    if shares:
        return max(shares, key=lambda speaker: shares[speaker])
    near = min(turns, key=lambda turn: max(turn.start - end, start - turn.end), default=None)
    return near.speaker if near else None


def _by_words(segment: Segment, turns: Sequence[Turn]) -> list[Segment]:
    who = [speaker_of(word.start, word.end, turns) for word in segment.words]
    edges = [0, *(at for at in range(1, len(who)) if who[at] != who[at - 1]), len(who)]
    if len(edges) == 2:
        return [replace(segment, speaker=who[0])]
    parts = [segment.words[first:last] for first, last in pairwise(edges)]
    starts = [segment.start, *(part[0].start for part in parts[1:])]
    ends = [*(part[-1].end for part in parts[:-1]), segment.end]
    return [
        replace(segment, text=text, start=start, end=max(start, end), words=part, speaker=who[edge])
        for text, start, end, part, edge in zip(_texts(segment, parts), starts, ends, parts, edges, strict=False)
    ]


def _texts(segment: Segment, parts: list[tuple[Word, ...]]) -> list[str]:
    """The text of each part, with the punctuation of the segment's text where that holds all words in order."""
    text, at, starts = segment.text, 0, list[int]()
    for part in parts:
        for place, word in enumerate(part):
            said = word.text.strip()
            match = re.compile(re.escape(said), re.IGNORECASE).search(text, at)
            if match is None:
                return [" ".join(word.text.strip() for word in part) for part in parts]
            if not place:
                starts.append(max(text.rfind(" ", at, match.start()), at))
            at = match.end()
    return [text[first:last].strip() for first, last in pairwise([0, *starts[1:], len(text)])]


def _by_time(segment: Segment, turns: Sequence[Turn]) -> list[Segment]:
    spans: list[tuple[float, float, str]] = []
    for turn in turns:
        start, end = max(segment.start, turn.start), min(segment.end, turn.end)
        if end - start < _SLIVER:
            continue
        if spans and spans[-1][2] == turn.speaker:
            spans[-1] = (spans[-1][0], max(end, spans[-1][1]), turn.speaker)
        elif not spans or end > spans[-1][1]:
            spans.append((start, end, turn.speaker))
    words = segment.text.split()
    if len({who for *_, who in spans}) < 2 or len(words) < len(spans):
        return [replace(segment, speaker=speaker_of(segment.start, segment.end, turns))]
    total = sum(end - start for start, end, _ in spans)
    parts, first, spent = [], 0, 0.0
    for number, (start, end, who) in enumerate(spans):
        spent += end - start
        last = max(first + 1, min(round(len(words) * spent / total), len(words) - (len(spans) - 1 - number)))
        text = " ".join(words[first:last])
        parts.append(replace(segment, text=text, start=start, end=end, speaker=who, unsure=True))
        first = last
    return parts
