"""The sound of a session on its way to turns: what was heard, when, and which of it waits for an end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hark.audio.audio import RATE
from hark.audio.turns import Began, Ended, Turns
from hark.errors import TooLargeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from hark.realtime.events import Settings

LONGEST = 300.0  # seconds of one turn; then it is cut, so that memory stays bounded


@dataclass(frozen=True, slots=True, eq=False)
class Quiet:
    """Nobody spoke since the last answer, for as long as was allowed: samples from `start` to `end` (seconds)."""

    start: float
    end: float
    samples: NDArray[np.float32]


class Buffer:
    """Cuts turns out of sound, or keeps it until somebody commits it; times are those of all that was fed.

    Args:
        settings: of the session.
        longest: the most seconds of a turn.
    """

    def __init__(self, settings: Settings, longest: float = LONGEST) -> None:
        self.longest = longest
        self._heard = 0  # samples, since the session began
        self._origin = 0.0  # where the clock of `_turns` began
        self._held: list[NDArray[np.float32]] = []  # of a turn that is committed by hand
        self._length = 0
        self._began: float | None = None  # the start of the turn that goes on
        self._quiet: list[NDArray[np.float32]] | None = None  # since the last answer
        self._turning = settings.audio.input.turn_detection
        self._anew()

    def _anew(self) -> None:
        self._turns: Turns | None = None
        self._origin, self._began = self.now, None
        if way := self._turning:
            before = way.prefix_padding_ms / 1000
            self._turns = Turns(threshold=way.threshold, prefix=before, silence=way.silence, longest=self.longest)

    @property
    def now(self) -> float:
        """Seconds that were heard in all."""
        return self._heard / RATE

    @property
    def seconds(self) -> float:
        """How long the turn that goes on is by now; 0 where there is none."""
        if self._turns is None:
            return self._length / RATE
        return 0.0 if self._began is None else self.now - self._began

    @property
    def open(self) -> NDArray[np.float32]:
        """The samples (n,) of the turn that goes on."""
        return _joined(self._held) if self._turns is None else self._turns.open

    def feed(self, samples: NDArray[np.float32]) -> Iterator[Began | Ended | Quiet]:
        """Hear the next samples (n,) at 16 kHz, and tell what is known by their end.

        Raises:
            TooLargeError: it is not cut by pauses, and longer than a turn may be; the samples are not taken.
        """
        if self._turns is None:
            self._hold(samples)
            return
        self._heard += len(samples)
        for found in self._turns.feed(samples):
            yield self._placed(found)
        if self._quiet is not None and self._began is None:
            yield from self._silent(self._quiet, samples)

    def _hold(self, samples: NDArray[np.float32]) -> None:
        if self._length + len(samples) > LONGEST * RATE:
            raise TooLargeError(f"The buffer would hold over {LONGEST:g} s; it was not added to.", hint="Commit it.")
        self._heard += len(samples)
        self._held.append(samples)
        self._length += len(samples)

    def _placed(self, found: Began | Ended) -> Began | Ended:
        """An event of `_turns` in the clock of the session."""
        start = self._origin + found.start
        self._quiet = None
        if isinstance(found, Began):
            self._began = start
            return Began(start)
        self._began = None
        return Ended(start, self._origin + found.end, found.samples)

    def _silent(self, quiet: list[NDArray[np.float32]], samples: NDArray[np.float32]) -> Iterator[Quiet]:
        quiet.append(samples)
        limit = self._turning.idle_timeout_ms if self._turning else None
        if limit is None or sum(map(len, quiet)) < limit * RATE / 1000:
            return
        found = _joined(quiet)
        self._quiet = None
        yield Quiet(self.now - len(found) / RATE, self.now, found)

    def answered(self) -> None:
        """An answer is over: from now on it counts how long nobody speaks."""
        if self._turning and self._turning.idle_timeout_ms is not None and self._began is None:
            self._quiet = []

    def commit(self) -> Ended | None:
        """End the turn here; None where nobody speaks."""
        if self._turns is None:
            samples, end = _joined(self._held), self.now
            self._drop()
            return Ended(end - len(samples) / RATE, end, samples) if len(samples) else None
        found, origin = self._turns.finish(), self._origin
        self._anew()
        if found is None:
            return None
        start = origin + found.start
        samples = found.samples[: round((self.now - start) * RATE)]  # its last frame was filled up
        return Ended(start, start + len(samples) / RATE, samples)

    def clear(self) -> None:
        """Forget what was heard of the turn that goes on."""
        self._drop()
        self._anew()

    def change(self, settings: Settings) -> Iterator[Began | Ended | Quiet]:
        """Take new settings: a turn that pauses cut is over; what waits for a commit is kept, or cut by pauses now."""
        over = self.commit() if self._turns is not None else None
        self._turning = settings.audio.input.turn_detection
        if over:
            yield over
        if self._turning is None or not self._held:
            self._anew()
            return
        held = _joined(self._held)
        self._drop()
        self._heard -= len(held)
        self._anew()
        yield from self.feed(held)

    def _drop(self) -> None:
        self._held, self._length, self._quiet = [], 0, None


def _joined(pieces: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    return np.concatenate([np.zeros(0, np.float32), *pieces])
