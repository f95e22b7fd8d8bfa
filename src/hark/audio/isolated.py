"""A recording that nobody trusts: decoded once, in a process that can be killed, and read like any other."""

from __future__ import annotations

import os
import threading
import weakref
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from hark.audio.arrays import to_float
from hark.audio.readers import BLOCK
from hark.audio.sources import FileSource
from hark.errors import AudioUnreadableError, HarkError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from hark.audio.isolated_pool import Decoded, Decoders


class IsolatedSource(FileSource):
    """Another source (of bytes, of a file, of an address) whose bytes only a process of `decoders` looks into.

    `Audio.of` takes it. What comes out is as if it had been decoded here: samples, times, notices, `id`.
    """

    def __init__(self, source: FileSource, decoders: Decoders) -> None:
        self.name = source.name
        self._source, self._decoders = source, decoders
        self._lock = threading.Lock()
        self._done: Decoded | HarkError | None = None

    def open(self) -> BinaryIO:
        """Open the bytes for reading."""
        return self._source.open()

    def digest(self) -> str:
        """The sha256 of the bytes."""
        return self._source.digest()

    def reader(self) -> IsolatedReader:
        """Read from the start; the first call decodes all.

        Raises:
            AudioError: it cannot be used. OutputError: there is no room for what was decoded.
        """
        return IsolatedReader(self._decoded(), self.name)

    def _decoded(self) -> Decoded:
        with self._lock:
            if self._done is None:
                try:
                    self._done = self._decoders.decode(self._source.open(), self.name)
                except HarkError as error:
                    self._done = error.with_traceback(None)
            if isinstance(self._done, HarkError):  # a new one: tracebacks of several threads would grow on it
                raise type(self._done)(self._done.message, hint=self._done.hint)
            return self._done


class OpenSource(FileSource):
    """A file that is open and may have no name any more, such as an upload that was put on disk."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        file.flush()
        number = os.dup(file.fileno())  # whoever opened it may close it
        weakref.finalize(self, os.close, number)
        super().__init__(f"/dev/fd/{number}", name)


class IsolatedReader:
    """Gives what was decoded elsewhere, in flat memory.

    It reads and does not map the file: a process that was taken over could shorten it, which would end this one.
    """

    def __init__(self, decoded: Decoded, name: str) -> None:
        self._decoded, self._name, self._at = decoded, name, 0
        self.rate, self.channels = decoded.rate, decoded.channels
        self.counted: int | None = decoded.counted
        # A guess is worth less than what was counted; a promise that was not kept is told of in a notice.
        self.frames: int | None = decoded.frames if decoded.firm else decoded.counted
        self.firm, self.exact, self.trouble = decoded.firm, decoded.exact, decoded.trouble

    def seek(self, frame: int) -> int:
        """Go to a frame; returns where reading goes on."""
        self._at = min(frame, self._decoded.counted)
        return self._at

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """(n, channels) blocks up to the end."""
        kind = np.dtype(self._decoded.kind)
        step, width = max(256, BLOCK // self.channels), kind.itemsize * self.channels
        for first in range(self._at, self._decoded.counted, step):
            block = np.empty((min(step, self._decoded.counted - first), self.channels), kind)
            self._fill(memoryview(block.data).cast("B"), self._decoded.offset + first * width)
            yield to_float(block)

    def _fill(self, rest: memoryview, at: int) -> None:
        while rest:
            count = os.preadv(self._decoded.file, [rest], at)
            if not count:
                raise AudioUnreadableError(f"{self._name} was lost after it was decoded.")
            rest, at = rest[count:], at + count

    def close(self) -> None:
        """Nothing is open; the frames go with the source."""
