"""Turns in live sound: each begins a little before its first word and ends with a pause, wherever blocks are cut."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hark.audio.speech import FAINT, FRAME, LOUD, RATE, Hysteresis, SpeechDetector, frames

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_FALL = 0.998  # by which the peak is forgotten with each frame


@dataclass(frozen=True, slots=True)
class Began:
    """Somebody has begun to speak; `start` is where the turn begins, in seconds since the first sample."""

    start: float


@dataclass(frozen=True, slots=True, eq=False)
class Ended:
    """A turn is over: samples (n,) float32 at 16 kHz from `start` to `end` (seconds), its pause included."""

    start: float
    end: float
    samples: NDArray[np.float32]


class Turns:
    """Cuts turns out of mono sound at 16 kHz that is fed in blocks of any size; memory holds one turn.

    Args:
        threshold: how likely speech must be for a turn to begin.
        prefix: seconds before that which belong to the turn.
        silence: seconds without speech that end it.
        shortest: seconds of speech that make a turn; what is shorter is a click.
        longest: seconds after which it is cut.
    """

    def __init__(
        self, *, threshold: float = 0.5, prefix: float = 0.3, silence: float = 0.5, shortest: float = 0.1,
        longest: float = math.inf,
    ) -> None:  # fmt: skip
        self._threshold, self._silence, self._shortest = threshold, frames(silence), frames(shortest)
        self._most = longest * RATE
        self._before: deque[NDArray[np.float32]] = deque(maxlen=max(0, round(prefix * RATE / FRAME)))
        self._rest = np.zeros(0, np.float32)
        self._frames = 0
        self._fresh()

    def _fresh(self) -> None:
        off = max(0.01, self._threshold - 0.15)
        self._machine = Hysteresis(on=self._threshold, off=off, silence=self._silence, shortest=self._shortest)
        self._detector, self._peak, self._told = SpeechDetector(), 0.0, False
        self._held: list[NDArray[np.float32]] = []
        self._start = 0.0

    @property
    def now(self) -> float:
        """Seconds that were heard, in whole frames."""
        return self._frames * FRAME / RATE

    @property
    def busy(self) -> bool:
        """Is somebody speaking?"""
        return self._machine.start is not None

    @property
    def open(self) -> NDArray[np.float32]:
        """The samples (n,) of the turn that goes on."""
        return np.concatenate([np.zeros(0, np.float32), *self._held])

    def feed(self, samples: NDArray[np.float32]) -> Iterator[Began | Ended]:
        """Hear the next samples (n,), and tell what is known by their end."""
        for frame in self._whole(samples):
            yield from self._hear(frame)

    def skip(self, samples: NDArray[np.float32]) -> None:
        """Let samples pass; nothing of them belongs to a turn."""
        self._frames += len(list(self._whole(samples)))

    def finish(self) -> Ended | None:
        """The turn that the end of the sound cut short; what comes then is a new sound on the same clock."""
        if len(self._rest):
            for found in self.feed(np.zeros(-len(self._rest) % FRAME, np.float32)):
                if isinstance(found, Ended):
                    return found
        return self._take(certain=self._machine.certain)

    def _whole(self, samples: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        joined = np.concatenate((self._rest, np.asarray(samples, np.float32)))
        whole = len(joined) // FRAME * FRAME
        self._rest = joined[whole:].copy()
        yield from joined[:whole].reshape(-1, FRAME)

    def _hear(self, frame: NDArray[np.float32]) -> Iterator[Began | Ended]:
        was_busy = self.busy
        self._peak = max(_FALL * self._peak, float(np.abs(frame).max()), FAINT)
        loud = frame * np.float32(max(1.0, LOUD / self._peak))
        over = self._machine.feed(float(self._detector.feed(loud)[0]))
        if self.busy and not was_busy:
            self._held = list(self._before)
            self._start = self.now - len(self._held) * FRAME / RATE
        if self.busy or was_busy:
            self._held.append(frame)
        self._before.append(frame)
        self._frames += 1
        if self._machine.certain and not self._told:
            self._told = True
            yield Began(self._start)
        full = self.busy and len(self._held) * FRAME >= self._most
        if (over or full or (was_busy and not self.busy)) and (found := self._take(certain=bool(over) or full)):
            yield found

    def _take(self, *, certain: bool) -> Ended | None:
        found = None
        if certain and self._held:
            samples = np.concatenate(self._held)
            found = Ended(self._start, self._start + len(samples) / RATE, samples)
        self._fresh()
        self._before.clear()
        return found
