"""Speech written down offline while it goes on: guesses as it comes, and each phrase for good when it is over.

What pocketsphinx says of a phrase that goes on is a guess: of words that its guesses had kept for two seconds so many
were wrong that settling them cost one word in eight. So a phrase is settled when it ends, by the same recognition
as that of a recording.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from hark.audio.joining import Joiner
from hark.audio.speech import RATE
from hark.audio.windows import LiveWindows
from hark.engines.builtin.recognise import WINDOWS, gain, pcm, written
from hark.engines.live import Live, Partial
from hark.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from hark.answers.transcript import Segment
    from hark.audio.windows import Window
    from hark.engines.builtin.pool import Lease, Pool
    from hark.engines.builtin.recognise import Recogniser

_OFTEN = 0.3  # seconds between guesses
_SELDOM = 1.0  # between looks for a pause, where nobody sees guesses
_ANEW = (1.0, 2.5)  # seconds of a phrase by which more is known of its means, and it is guessed anew
_SHARE = 0.75  # of the time that somebody speaks is the most that guesses at it may take
SETTINGS = {"live": True, "fwdflat": False, "bestpath": False}


class BuiltinLive(Live):
    """Writes down one turn.

    Args:
        recogniser: settles phrases.
        guessers: processes that guess; None where nobody wants guesses. Where all are busy, there are none either.
        remember: takes the whole turn and its transcript, so that it need not be heard again.
    """

    def __init__(
        self, recogniser: Recogniser, guessers: Pool | None,
        remember: Callable[[NDArray[np.float32], tuple[Segment, ...]], None],
    ) -> None:  # fmt: skip
        self._recogniser, self._remember = recogniser, remember
        self._guesser = Guesser(guessers) if guessers else None
        self._windows, self._joiner = LiveWindows(**WINDOWS), Joiner()
        self._over: list[Window] = []  # and not written down yet
        self._heard: list[NDArray[np.float32]] = []
        self._segments: list[Segment] = []

    def due(self, waiting: float) -> bool:
        """Often, where guesses are shown."""
        return waiting >= (_OFTEN if self._guesser else _SELDOM)

    def hear(self, samples: NDArray[np.float32]) -> Partial:
        """Settle the phrases that are over, and guess at the one that goes on."""
        self._heard.append(samples)
        self._over += self._windows.feed(samples)
        self._settle()
        guess = self._guesser.guess(*self._windows.open) if self._guesser else ""
        text = self._text()
        return Partial(text, f" {guess}" if text and guess else guess)

    def finish(self, samples: NDArray[np.float32]) -> Partial:
        """Settle all."""
        self._heard.append(samples)
        self._over += [*self._windows.feed(samples), *self._windows.finish()]
        self._settle()
        self._segments += self._joiner.finish()
        found = tuple(self._segments)
        self._remember(np.concatenate(self._heard), found)
        return Partial(self._text(), "", found)

    def close(self) -> None:
        """Give the guessing process back."""
        if self._guesser:
            self._guesser.close()

    def _settle(self) -> None:
        while self._over:
            segment = self._recogniser.words(self._over[0])
            self._segments += self._joiner.add(self._over.pop(0), segment)

    def _text(self) -> str:
        return " ".join(segment.text for segment in self._segments)


class Guesser:
    """Guesses what is said in a phrase while it is said."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._lease: Lease | None = None
        self._begin, self._given, self._gain, self._anew = -1.0, 0, 0.0, list(_ANEW)
        self._text, self._spent = "", 0.0

    def guess(self, begin: float, samples: NDArray[np.float32]) -> str:
        """What is said in the samples (n,) of a phrase so far that began at a second of the turn; more each time."""
        if begin != self._begin:
            self._begin, self._given, self._anew, self._text, self._spent = begin, 0, list(_ANEW), "", 0.0
        seconds = len(samples) / RATE
        fresh = bool(self._anew) and seconds >= self._anew[0]
        if not (fresh or self._given) or self._spent > _SHARE * seconds:
            return self._text
        if fresh:
            self._anew = [limit for limit in self._anew if limit > seconds]
            self._given, self._gain = 0, gain(samples)
        if len(samples) > self._given:
            before = time.monotonic()
            self._text = self._asked(b"b" if fresh else b"c", samples[self._given :])
            self._given = len(samples)
            self._spent += time.monotonic() - before
        return self._text

    def close(self) -> None:
        """Give the process back."""
        if self._lease:
            self._lease.close()

    def _asked(self, how: bytes, samples: NDArray[np.float32]) -> str:
        self._lease = self._lease or (self._pool.lease() if how == b"b" else None)
        if self._lease is None:
            return ""
        try:
            return written(self._lease.ask(how + pcm(samples, self._gain)))
        except ModelError:  # there are no guesses until the phrase is guessed anew
            self._lease = None
            return ""
