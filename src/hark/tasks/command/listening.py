"""Commands as they are spoken: blocks of sound in, each order out as soon as its speaker pauses."""

from __future__ import annotations

import contextlib
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from hark.audio.audio import RATE, Audio
from hark.audio.speech import FRAME, Hysteresis, SpeechDetector, frames

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from hark.listener import Listener
    from hark.tasks.command.command import Command
    from hark.tasks.command.grammar import Grammar

PAUSE = 0.8  # seconds without speech that end an order; people also pause inside of one
LONGEST = 20.0  # seconds; an order that goes on for longer is cut there
PADDING = 0.3
_LOUD, _FAINT = 0.25, 0.0025  # peaks: what the speech detector is given at least, and what is too faint for that
PATIENCE = 6.0  # seconds after the wake word in which an order must begin


class Spotter(Protocol):
    """Finds a wake word in a stream."""

    def feed(self, samples: NDArray[np.float32]) -> bool:
        """Hear the next samples; was the word said by their end?"""


def listen(
    listener: Listener,
    blocks: Iterable[NDArray[np.float32]],
    grammar: Grammar,
    *,
    wake: Spotter | None = None,
    language: str | None = None,
    pause: float = PAUSE,
) -> Iterator[Command]:
    """Hear blocks of mono samples at 16 kHz, of any size, and give each order when it is over.

    Times are in seconds since the first block. With `wake` only what begins within six seconds after that word is
    heard; one order each time.

    Raises:
        OptionError, UnsupportedError, ModelError: see `Listener.command`.
    """
    from hark.tasks.command.command import command

    with contextlib.closing(orders(blocks, wake=wake, pause=pause)) as found:  # type: ignore[type-var]
        for start, samples in found:
            heard = command(listener, Audio.of(samples, RATE, name="order"), grammar, language)
            end = heard.end or len(samples) / RATE
            yield replace(heard, start=round(start + heard.start, 3), end=round(start + end, 3))


def orders(
    blocks: Iterable[NDArray[np.float32]], *, wake: Spotter | None = None, pause: float = PAUSE
) -> Iterator[tuple[float, NDArray[np.float32]]]:
    """The stretches of speech in a stream: when each begins, in seconds, and its samples with a little around them."""
    ear = _Ear(pause)
    woken: float | None = None  # when the wake word was heard
    for frame in _frames(blocks):
        if wake is not None and woken is None:
            woken = ear.now if wake.feed(frame) else None
            ear.skip(frame)
            continue
        found = ear.feed(frame)
        if found:
            yield found
            woken = None
        elif woken is not None and not ear.busy and ear.now - woken > PATIENCE:
            woken = None
    if (wake is None or woken is not None) and (found := ear.finish()):
        yield found


class _Ear:
    """Cuts speech out of frames as they come; holds no more than the longest order."""

    def __init__(self, pause: float) -> None:
        self._pause = pause
        self._before: deque[NDArray[np.float32]] = deque(maxlen=frames(PADDING))
        self._frames = 0
        self._fresh()

    def _fresh(self) -> None:
        self._peak = 0.0
        self._detector = SpeechDetector()
        self._machine = Hysteresis(silence=frames(self._pause), shortest=frames(0.1))
        self._held: list[NDArray[np.float32]] = []
        self._start = 0.0

    @property
    def now(self) -> float:
        return self._frames * FRAME / RATE

    @property
    def busy(self) -> bool:
        """Is somebody speaking?"""
        return self._machine.start is not None

    def skip(self, frame: NDArray[np.float32]) -> None:
        """Let a frame pass; nothing of it belongs to an order."""
        self._frames += 1
        del frame

    def feed(self, frame: NDArray[np.float32]) -> tuple[float, NDArray[np.float32]] | None:
        """Take the next frame; return the order that is over now."""
        was_busy = self.busy
        self._peak = max(0.998 * self._peak, float(np.abs(frame).max()), _FAINT)
        loud = frame * np.float32(max(1.0, _LOUD / self._peak))
        over = self._machine.feed(float(self._detector.feed(loud)[0]))
        if self.busy and not was_busy:
            self._held = list(self._before)
            self._start = self.now - len(self._held) * FRAME / RATE
        if self.busy or was_busy:
            self._held.append(frame)
        self._before.append(frame)
        self._frames += 1
        if over is None and self.busy and len(self._held) * FRAME < LONGEST * RATE:
            return None
        return self._take(certain=over is not None or self.busy)

    def finish(self) -> tuple[float, NDArray[np.float32]] | None:
        """The order that the end of the stream cut short."""
        return self._take(certain=self._machine.finish() is not None)

    def _take(self, *, certain: bool) -> tuple[float, NDArray[np.float32]] | None:
        if not self._held:
            return None
        found = (self._start, np.concatenate(self._held)) if certain else None
        self._fresh()
        self._before.clear()
        return found


def _frames(blocks: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    """Blocks of any size as frames of 32 ms; the last is filled up with silence."""
    rest = np.zeros(0, np.float32)
    for block in blocks:
        rest = np.concatenate((rest, np.asarray(block, np.float32)))
        whole = len(rest) // FRAME * FRAME
        yield from rest[:whole].reshape(-1, FRAME)
        rest = rest[whole:]
    if len(rest):
        yield np.pad(rest, (0, FRAME - len(rest)))
