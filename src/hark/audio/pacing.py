"""Sound at its own pace: a recording as if it were spoken now, and sound that comes while nobody has time for it."""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING

import numpy as np

from hark.audio.audio import RATE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

_ENDING = 1.0  # seconds in which a source that gives sound has noticed that nobody wants more


def paced(blocks: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    """Blocks of mono samples at 16 kHz, each when its last sample would have been heard."""
    begin, count = time.monotonic(), 0
    for block in blocks:
        count += len(block)
        time.sleep(max(0.0, begin + count / RATE - time.monotonic()))
        yield block


class Stoppable:
    """Blocks that end where somebody says so, such as the hand at Ctrl-C."""

    def __init__(self, blocks: Iterable[NDArray[np.float32]]) -> None:
        self._blocks, self.stopped = blocks, False

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        for block in self._blocks:
            if self.stopped:
                return
            yield block

    def stop(self) -> None:
        """End it here."""
        self.stopped = True


class Feed:
    """Takes blocks of mono samples from a source in a thread of its own, so that none is missed by who is busy.

    Iterating gives all that has come since the last time as one block; what the source raises is raised there.
    """

    def __init__(self, source: Iterable[NDArray[np.float32]]) -> None:
        self._source = source
        self._waiting: queue.SimpleQueue[NDArray[np.float32] | BaseException | None] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._take, daemon=True, name="hark-feed")
        self._thread.start()

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        over = False
        while not over:
            found = [self._waiting.get()]
            while not self._waiting.empty():
                found.append(self._waiting.get())
            ends = [one for one in found if not isinstance(one, np.ndarray)]
            blocks = [one for one in found if isinstance(one, np.ndarray)]
            if blocks:
                yield np.concatenate(blocks)
            over = bool(ends)
            if over and isinstance(ends[0], BaseException):
                raise ends[0]

    @property
    def stopped(self) -> bool:
        """Was it ended by `stop`?"""
        return self._stopped.is_set()

    def stop(self) -> None:
        """End it here: what has come by now is the last."""
        self._stopped.set()
        self._waiting.put(None)

    def close(self) -> None:
        """Let the source go."""
        self.stop()
        self._thread.join(_ENDING)

    def _take(self) -> None:
        try:
            for block in self._source:
                if self._stopped.is_set():
                    break
                self._waiting.put(np.asarray(block, np.float32))
            self._waiting.put(None)
        except BaseException as error:  # noqa: BLE001 - raised where the blocks are taken
            self._waiting.put(error)
        finally:
            close = getattr(self._source, "close", None)
            if close:
                close()
