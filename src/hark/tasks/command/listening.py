"""Commands as they are spoken: blocks of sound in, each order out as soon as its speaker pauses."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from hark.audio.audio import RATE, Audio
from hark.audio.resample import even
from hark.audio.speech import FRAME
from hark.audio.turns import Ended, Turns

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from hark.listener import Listener
    from hark.tasks.command.command import Command
    from hark.tasks.command.grammar import Grammar

PAUSE = 0.8  # seconds without speech that end an order; people also pause inside of one
LONGEST = 20.0  # seconds; an order that goes on for longer is cut there
PADDING = 0.3
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
    turns = Turns(prefix=PADDING, silence=pause, longest=LONGEST)
    woken: float | None = None  # when the wake word was heard
    for frame in even((np.asarray(block, np.float32)[:, np.newaxis] for block in blocks), FRAME):
        if wake is not None and woken is None:
            woken = turns.now if wake.feed(frame[:, 0]) else None
            turns.skip(frame[:, 0])
            continue
        over = [found for found in turns.feed(frame[:, 0]) if isinstance(found, Ended)]
        for found in over:
            yield found.start, found.samples
            woken = None
        if not over and woken is not None and not turns.busy and turns.now - woken > PATIENCE:
            woken = None
    if (wake is None or woken is not None) and (last := turns.finish()):
        yield last.start, last.samples
