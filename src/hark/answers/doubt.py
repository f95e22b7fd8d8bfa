"""Text that a model made up or got stuck in, told from the text and its times alone, and marked, never hidden.

Models that write token by token fall into loops, and invent text where nobody speaks. The compression ratio and its
limit are those of openai/whisper (`whisper/transcribe.py`, `compression_ratio_threshold`); the other limits lie beyond
what people say: see each.
"""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

from hark.answers.answer import Notice

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hark.answers.transcript import Segment

COMPRESSION = 2.4  # ordinary English of that length has 1.5 to 1.9
_PIECE = 500  # characters compressed at once, about 30 s of speech: a whole talk compresses well though it is none
_REPEATS, _REPEATED = 5, 10  # a phrase that often in a row, and that many words in all: "no no no no" is ordinary
_PHRASE = 12  # words of the longest phrase that is looked for; longer loops compress
# Fast speakers reach 7 words, 10 syllables of Chinese, or 25 letters a second for a while (auctioneers do).
_WORDS_A_SECOND, _LETTERS_A_SECOND = 12.0, 45.0
_FEW = 4  # words, up to which the times of a stretch are too rough to tell its pace


def judged(segments: Sequence[Segment]) -> tuple[tuple[Segment, ...], tuple[Notice, ...]]:
    """Mark as unsure the segments that no person can have said so, and tell how many there are.

    Those the model marked itself stay marked, and are not told again.
    """
    looped = _loops(segments)
    doubted = [segment.unsure or number in looped or doubtful(segment) for number, segment in enumerate(segments)]
    new = sum(doubt and not segment.unsure for segment, doubt in zip(segments, doubted, strict=True))
    if not new:
        return tuple(segments), ()
    marked = tuple(replace(segment, unsure=doubt) for segment, doubt in zip(segments, doubted, strict=True))
    what = "segments repeat themselves" if new > 1 else "segment repeats itself"
    text = f"{new} of {len(segments)} {what} or have more words than can be said in their time; marked unsure."
    return marked, (Notice("unsure", text),)


def unspoken(
    segments: Sequence[Segment], spoken: Sequence[tuple[float, float]]
) -> tuple[tuple[Segment, ...], tuple[Notice, ...]]:
    """Mark as unsure the segments in whose time nobody speaks; `spoken` are stretches of speech in seconds.

    For models that hear a recording with its silences; those that are given only speech need it not.
    """
    found, notices = [], []
    for segment in segments:
        silent = not any(start < segment.end and segment.start < end for start, end in spoken)
        if silent and segment.text.strip() and not segment.unsure:
            notices.append(Notice("unsure", f"Text at {segment.start:.1f} s lies where nobody speaks; marked unsure."))
        found.append(replace(segment, unsure=segment.unsure or silent))
    return tuple(found), tuple(notices)


def doubtful(segment: Segment) -> bool:
    """Is its text a loop, or more than can be said in its time?"""
    from hark.alignment.spelling import words

    said = [_bare(word) for word in words(segment.text)]
    seconds = segment.end - segment.start
    if len(said) > _FEW and (
        len(said) > _WORDS_A_SECOND * seconds or sum(map(len, said)) > _LETTERS_A_SECOND * seconds
    ):
        return True
    return compression(segment.text) > COMPRESSION or bool(_runs(said))


def compression(text: str) -> float:
    """How many times smaller a text gets by zlib; of a long text, its most repetitive piece."""
    starts = range(0, max(1, len(text) - _PIECE // 2), _PIECE // 2)
    pieces = [text[start : start + _PIECE].encode("utf-8", "replace") for start in starts]
    return max(len(piece) / len(zlib.compress(piece)) for piece in pieces)


def _loops(segments: Sequence[Segment]) -> set[int]:
    """The numbers of the segments that are part of a loop over several."""
    from hark.alignment.spelling import words

    said: list[str] = []
    owners: list[int] = []
    for number, segment in enumerate(segments):
        found = [_bare(word) for word in words(segment.text)]
        said += found
        owners += [number] * len(found)
    return {owners[place] for first, after in _runs(said) for place in range(first, after)}


def _runs(said: Sequence[str]) -> list[tuple[int, int]]:
    """Where any phrase is said over and over."""
    return [run for length in range(1, _PHRASE + 1) for run in _runs_of(said, length)]


def _runs_of(said: Sequence[str], length: int) -> Iterator[tuple[int, int]]:
    """Where a phrase of so many words is said over and over: first word, and the word after the last."""
    start = 0
    for place in range(length, len(said) + 1):
        if place < len(said) and said[place] == said[place - length]:
            continue
        count = place - start
        if count >= _REPEATS * length and count >= _REPEATED:
            yield start, place
        start = place - length + 1


def _bare(word: str) -> str:
    return "".join(character for character in word.casefold() if character.isalnum()) or word
