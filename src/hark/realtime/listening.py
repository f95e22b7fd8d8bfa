"""What is said, written down while it is said: blocks of sound in, each turn's text out as it becomes known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hark.audio.audio import RATE
from hark.audio.turns import Began, Ended, Turns
from hark.realtime.buffer import LONGEST
from hark.realtime.partial import live

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from hark.answers.transcript import Segment
    from hark.engines.live import Live, Partial
    from hark.listener import Listener


@dataclass(frozen=True, slots=True)
class Heard:
    """What is known of a turn; times in seconds since the first sample.

    Attributes:
        text: what is settled, and never changes; `open` follows it for now.
        over: whether the turn is over; then `segments` are its text with times.
    """

    start: float
    end: float
    text: str
    open: str = ""
    over: bool = False
    segments: tuple[Segment, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        about = {"type": "final" if self.over else "partial", "start": round(self.start, 3), "end": round(self.end, 3)}
        if self.over:
            return about | {"text": self.text, "segments": [segment.to_dict() for segment in self.segments]}
        return about | {"settled": self.text, "open": self.open}


def listen(
    listener: Listener, blocks: Iterable[NDArray[np.float32]], *, silence: float = 0.5, shows: bool = True,
    **options: Any,
) -> Iterator[Heard]:  # fmt: skip
    """Hear blocks of mono samples at 16 kHz, of any size, and tell of each turn what is known, whenever that changes.

    Args:
        listener: the model.
        blocks: the sound.
        silence: seconds without speech that end a turn.
        shows: whether text that may still change is wanted.
        options: fields of `hark.Options`, such as `language`.

    Raises:
        HarkError: the model gives no such transcript, or failed.
    """
    live(listener, shows=shows, **options).close()  # what is beyond the model is refused before anybody speaks
    turns, turn = Turns(silence=silence, longest=LONGEST), None
    try:
        for block in blocks:
            for found in turns.feed(block):
                if isinstance(found, Began):
                    turn = _Turn(found.start, live(listener, shows=shows, **options))
                elif turn is not None:
                    told = turn.finish(found)
                    turn.close()
                    turn = None
                    yield told
            if turn is not None and (heard := turn.hear(turns.open)):
                yield heard
        if last := turns.finish():
            turn = turn or _Turn(last.start, live(listener, shows=shows, **options))
            yield turn.finish(last)
    finally:
        if turn is not None:
            turn.close()


class _Turn:
    """A turn that goes on."""

    def __init__(self, start: float, writer: Live) -> None:
        self.start, self._writer = start, writer
        self._count = 0  # samples heard
        self._told: Partial | None = None

    def hear(self, samples: NDArray[np.float32]) -> Heard | None:
        """What is known by now, of all samples (n,) of the turn; None where that is nothing new."""
        if not self._writer.due((len(samples) - self._count) / RATE):
            return None
        new, self._count = samples[self._count :], len(samples)
        found = self._writer.hear(new)
        if found == self._told or not found.text:
            return None
        self._told = found
        return Heard(self.start, self.start + self._count / RATE, found.settled, found.open)

    def finish(self, turn: Ended) -> Heard:
        """All of it."""
        found = self._writer.finish(turn.samples[self._count :])
        segments = tuple(_placed(segment, turn.start) for segment in found.segments)
        return Heard(turn.start, turn.end, found.settled, over=True, segments=segments)

    def close(self) -> None:
        """Let go of what writes it down."""
        self._writer.close()


def _placed(segment: Segment, start: float) -> Segment:
    """A segment of a turn in the clock of the stream."""

    def clock(seconds: float) -> float:
        return round(start + seconds, 3)

    words = tuple(replace(word, start=clock(word.start), end=clock(word.end)) for word in segment.words)
    return replace(segment, start=clock(segment.start), end=clock(segment.end), words=words)
