"""Text of speech that still goes on: what two hearings in a row agree on is settled, and never changes.

Local agreement (LA-2): Liu, Spanakis, Niehues, "Low-latency sequence-to-sequence speech recognition and translation by
partial hypothesis selection", Interspeech 2020.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hark.audio.audio import RATE, Audio
from hark.errors import AudioError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hark.listener import Listener

STEP = 1.0  # seconds of new sound after which it is heard again


@dataclass(frozen=True, slots=True)
class Partial:
    """What is known of a turn: `settled` only grows; `open` may still change."""

    settled: str = ""
    open: str = ""

    @property
    def text(self) -> str:
        """All of it."""
        return " ".join(filter(None, (self.settled, self.open)))


class Agreement:
    """Hears a turn again and again as it grows, with any model that transcribes."""

    def __init__(self, **options: Any) -> None:
        self.options = options
        self._before: list[str] = []
        self._settled: list[str] = []

    def hear(self, listener: Listener, samples: NDArray[np.float32], *, last: bool = False) -> Partial:
        """Hear the samples (n,) at 16 kHz of a turn so far; with `last`, all of its text is settled."""
        words = self._words(listener, samples)
        if last:
            self._settled += words[len(self._settled) :]
            return Partial(" ".join(self._settled))
        agreed = len(self._settled)
        while agreed < min(len(words), len(self._before)) and _same(words[agreed], self._before[agreed]):
            agreed += 1
        self._settled += words[len(self._settled) : agreed]
        self._before = words
        return Partial(" ".join(self._settled), " ".join(words[agreed:]))

    def _words(self, listener: Listener, samples: NDArray[np.float32]) -> list[str]:
        try:
            return str(listener.transcribe(Audio.of(samples, RATE, name="turn"), **self.options).text).split()
        except AudioError:  # nothing yet
            return []


def _same(one: str, other: str) -> bool:
    return one.strip(".,;:!?\"'").lower() == other.strip(".,;:!?\"'").lower()
