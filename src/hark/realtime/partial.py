"""Text of speech that still goes on, from any model that transcribes: what is settled never changes.

A model that hears speech as it comes settles text itself (`Engine.live`). Any other hears the turn again and again as
it grows, and what two hearings in a row agree on is settled: local agreement (LA-2), Liu, Spanakis, Niehues,
"Low-latency sequence-to-sequence speech recognition and translation by partial hypothesis selection", Interspeech 2020.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hark.answers.transcript import Segment, Word
from hark.audio.audio import RATE, Audio
from hark.audio.joining import bare, gap, units
from hark.conversation.conversation import Conversation
from hark.engines.asking import prepared
from hark.engines.engine import Options
from hark.engines.live import Live, Partial
from hark.errors import AudioError
from hark.training.online import agreement

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from hark.answers.transcript import Transcript
    from hark.listener import Listener

STEP = 1.0  # seconds of new sound after which it is heard again
_SHARE = 8  # or this part of what is heard again, if that is more: a long turn costs at most nine times its length
_ENOUGH = 8.0  # seconds; a longer window begins anew at a segment of which all before it is settled
_MUCH = 15.0  # or, where words have times, a few settled words before what is open
_CONTEXT = 3


def live(listener: Listener, *, shows: bool = False, **options: Any) -> Live:
    """What writes down one turn with a model; nothing is loaded before it hears.

    Args:
        listener: the model.
        shows: whether text that may still change is wanted as well.
        options: fields of `hark.Options`, such as `language`.

    Raises:
        UnsupportedError: the model gives no transcript, or not in this language.
        OptionError: there is no such option.
    """
    asked = Conversation.ask((Audio.of(b"\0", name="turn"),))
    told = Options.of(**{"task": "transcribe", **options})
    prepared(listener.engine.name, listener.can, asked, told)
    return listener.engine.live(told, shows=shows) or Agreement(listener, **options)


@dataclass(frozen=True, slots=True)
class _Unit:
    """A word, or a letter where there are no spaces between words, with seconds of the turn.

    `fresh` says that a segment begins with it; `word` that the times are its own, else they are those of its segment.
    """

    text: str
    key: str
    start: float
    end: float
    fresh: bool
    word: bool


class Agreement(Live):
    """Hears a turn again and again as it grows, with any model that transcribes; options as of `live`."""

    def __init__(self, listener: Listener, **options: Any) -> None:
        self._listener, self._options = listener, options
        self._held: list[NDArray[np.float32]] = []  # the window: what is heard again
        self._begin = 0  # where it begins, in samples of the turn
        self._settled: list[_Unit] = []
        self._inside = 0  # how many of them lie in the window
        self._open: list[_Unit] = []

    def due(self, waiting: float) -> bool:
        """After a second; more rarely where much is to be heard again."""
        return waiting >= max(STEP, self._seconds / _SHARE)

    def hear(self, samples: NDArray[np.float32]) -> Partial:
        """Hear all of the window again."""
        found, at = self._heard(samples)
        rest = found[at:]
        agreed = _agreed(self._open, rest)
        self._settle(rest[:agreed])
        self._open = rest[agreed:]
        self._trim(found, at + agreed)
        return Partial(_text(self._settled), self._opened())

    def finish(self, samples: NDArray[np.float32]) -> Partial:
        """Hear the window a last time, and settle what is found."""
        found, at = self._heard(samples)
        self._settle(found[at:])
        self._open = []
        return Partial(_text(self._settled), "", tuple(_segments(self._settled)))

    @property
    def _seconds(self) -> float:
        return sum(map(len, self._held)) / RATE

    def _heard(self, samples: NDArray[np.float32]) -> tuple[list[_Unit], int]:
        """What is in the window, and how many words of it are settled."""
        self._held.append(samples)
        found, inside = self._found(), self._settled[len(self._settled) - self._inside :]
        return found, aligned(*([unit.key for unit in some] for some in (inside, found, self._open)))

    def _found(self) -> list[_Unit]:
        """What is in the window."""
        self._held = [np.concatenate(self._held)]
        fine = {"timestamps": "word"} if self._seconds > _MUCH and self._listener.can.timestamps == "word" else {}
        try:
            turn = Audio.of(self._held[0], RATE, name="turn")
            transcript = self._listener.transcribe(turn, **{**fine, **self._options})
        except AudioError:  # nothing in it yet
            return []
        return list(_units(transcript, self._begin / RATE))

    def _settle(self, some: list[_Unit]) -> None:
        after = self._settled[-1].end if self._settled else 0.0
        for unit in some:  # a hearing in another window may see a word earlier than the one before it ended
            after = max(after, unit.start) if unit.word else after
            self._settled.append(replace(unit, start=max(unit.start, after), end=max(unit.end, after)))
        self._inside += len(some)

    def _opened(self) -> str:
        said = _text(self._open)
        return gap(self._settled[-1].text if self._settled else "", said) + said

    def _trim(self, found: list[_Unit], settled: int) -> None:
        """Let go of sound whose text is settled; of what was found, so many are."""
        if self._seconds <= _ENOUGH:
            return
        place = next((n for n in range(min(settled, len(found) - 1), 0, -1) if found[n].fresh), 0)
        if not place and self._seconds > _MUCH and settled > _CONTEXT and found[settled - _CONTEXT].word:
            place = settled - _CONTEXT
        if not place:
            return
        border = (found[place - 1].end + found[place].start) / 2
        cut = min(max(0, round(border * RATE) - self._begin), len(self._held[0]))
        self._held = [self._held[0][cut:].copy()]
        self._begin += cut
        self._inside = settled - place


_AHEAD = 8  # awaited words that are looked at


def aligned(settled: Sequence[str], found: Sequence[str], awaited: Sequence[str] = ()) -> int:
    """How many of the words found are those that are settled: as few edits as can be lead from one to the other.

    Where several numbers do, it is the one after which the words `awaited` follow best, then the one nearest to the
    number that was settled.
    """
    same = next((n for n, (one, other) in enumerate(zip(settled, found, strict=False)) if one != other), None)
    if same is None:
        return min(len(settled), len(found))
    left, right = settled[same:], found[same:]
    row = _edits(left, right)
    best = min(row)

    def worth(count: int) -> tuple[int, int]:
        return min(_edits(awaited[:_AHEAD], right[count : count + _AHEAD])), abs(count - len(left))

    return same + min((n for n, edits in enumerate(row) if edits == best), key=worth)


def _edits(left: Sequence[str], right: Sequence[str]) -> list[int]:
    """Edits from `left` to each beginning of `right` (Levenshtein)."""
    row = list(range(len(right) + 1))
    for number, one in enumerate(left, 1):
        new = [number]
        for place, other in enumerate(right):
            new.append(min(new[-1] + 1, row[place + 1] + 1, row[place] + (one != other)))
        row = new
    return row


def _agreed(before: Sequence[_Unit], now: Sequence[_Unit]) -> int:
    """How many words two hearings have in common; what stands after the last word of one is not known yet."""

    def same(one: _Unit, other: _Unit, last: bool) -> bool:
        return one.key == other.key and (not last or one.text.strip() == other.text.strip())

    return agreement(before, now, same)


def _units(transcript: Transcript, begin: float) -> Iterator[_Unit]:
    """The words of a transcript, of sound that begins so many seconds after the turn did."""
    for segment in transcript.segments:
        fresh = True
        for text, start, end, word in _timed(segment):
            yield _Unit(text, bare(text), begin + start, begin + end, fresh, word)
            fresh = False


def _timed(segment: Segment) -> Iterator[tuple[str, float, float, bool]]:
    """The text of a segment in pieces with times: its words where they make it up, else units with all of its time."""
    at, pieces = 0, []
    for word in segment.words:
        place = segment.text.find(word.text.strip(), at)
        if place < 0 or segment.text[at:place].strip():
            break
        after = place + len(word.text.strip())
        pieces.append((segment.text[at:after], word.start, word.end, True))
        at = after
    else:
        if pieces and not segment.text[at:].strip():
            yield from pieces
            return
    for text in units(segment.text):
        yield text, segment.start, segment.end, False


def _text(some: Sequence[_Unit]) -> str:
    text = ""
    for unit in some:
        said = unit.text.strip() if unit.fresh or not text else unit.text
        text += (gap(text, said) if unit.fresh else "") + said
    return text


def _segments(some: Sequence[_Unit]) -> Iterator[Segment]:
    """Settled words as segments."""
    groups: list[list[_Unit]] = []
    for unit in some:
        if unit.fresh or not groups:
            groups.append([])
        groups[-1].append(unit)
    for group in groups:
        words = tuple(Word(unit.text.strip(), unit.start, unit.end) for unit in group if unit.word)
        start, end = group[0].start, max(unit.end for unit in group)
        yield Segment(_text(group), round(start, 3), round(end, 3), words if len(words) == len(group) else ())
