"""One channel of a recording as a recording of its own, read when it is needed."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from hark.audio.readers import Reader


class ChannelSource:
    """The source of one channel, counted from 0, of another source."""

    def __init__(self, source: Any, number: int) -> None:
        self.source, self.number = source, number
        self.name: str = source.name

    def digest(self) -> str:
        """The sha256 of the whole recording's and the number."""
        return hashlib.sha256(f"{self.source.digest()} channel {self.number}".encode()).hexdigest()

    def reader(self) -> ChannelReader:
        """Read from the start."""
        return ChannelReader(self.source.reader(), self.number)


class ChannelReader:
    """Gives one channel of what another reader gives."""

    channels = 1

    def __init__(self, reader: Reader, number: int) -> None:
        self.reader, self.number = reader, number
        self.rate, self.frames, self.firm, self.exact = reader.rate, reader.frames, reader.firm, reader.exact
        self.counted = reader.counted

    @property
    def trouble(self) -> str:
        """What went wrong after some sound was decoded."""
        return self.reader.trouble

    def seek(self, frame: int) -> int:
        """Go to a frame, or as far as can be done exactly; returns where reading goes on."""
        return self.reader.seek(frame)

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """(n, 1) blocks up to the end."""
        for block in self.reader.blocks():
            yield block[:, self.number : self.number + 1]

    def close(self) -> None:
        """Let go of the file."""
        self.reader.close()
