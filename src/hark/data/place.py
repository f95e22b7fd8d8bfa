"""Where the recordings of a data set are: named in it, opened only when they are heard, in plain values for workers."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from hark.audio.audio import Audio
from hark.audio.sources import BytesSource, FileSource, UrlSource
from hark.errors import AudioUnreadableError, DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

_ADDRESS = re.compile(r"(https?|data|file):", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a recording is, as plain values that can be sent to another process.

    Attributes:
        path: a file or a URL; empty where `data` holds the bytes of the file.
        relative: whether the data set names the file relative to itself.
        offset, size: the bytes within the file that are the recording, as in a zip without compression.
        start, stop: the stretch that is meant, in seconds.
    """

    path: str
    data: bytes | None = None
    relative: bool = False
    offset: int | None = None
    size: int | None = None
    start: float = 0.0
    stop: float | None = None

    @property
    def whole_file(self) -> bool:
        """Is it named by its path alone?"""
        return bool(self.path) and self.offset is None and self.data is None and not self.cut

    @property
    def cut(self) -> bool:
        """Is it a stretch of a recording?"""
        return self.start > 0 or self.stop is not None

    @property
    def url(self) -> bool:
        """Is it to be fetched?"""
        return self.data is None and bool(_ADDRESS.match(self.path))

    @property
    def name(self) -> str:
        """What its file is called."""
        return os.path.basename(self.path)

    def audio(self) -> Audio:
        """The recording itself; whether it is there is found out when it is heard."""
        if self.data is not None:
            whole = Audio.of(self.data, name=self.name or "bytes")
        else:
            whole = Audio.of(self.path if self.url else _Located(self))
        return whole[self.start : self.stop] if self.cut else whole


def place_of(audio: Audio) -> Place:
    """Where a recording is.

    Raises:
        DataError: it is an array in memory, which no data set can name.
    """
    source = audio._recording.source  # noqa: SLF001 - the one place that has to know
    if isinstance(source, _Located):
        found = replace(source.place, start=0.0, stop=None)
    elif isinstance(source, UrlSource):
        found = Place(source.url)
    elif isinstance(source, BytesSource):
        with source.open() as file:
            found = Place(source.name, data=file.read())
    elif isinstance(source, FileSource):
        found = Place(str(source.path))
    else:
        raise DataError(f"{audio.name} is not in a file.", hint="Save it as a file, and name that.")
    return replace(found, start=audio.start, stop=audio.stop)


class _Located(FileSource):
    """A file that is looked for only when it is opened: a data set may name millions."""

    def __init__(self, place: Place) -> None:
        self.place, self.path, self.name = place, Path(place.path), place.name

    def open(self) -> BinaryIO:
        """Open the bytes for reading, from the start, apart from every other reader."""
        FileSource(self.path)  # says well what is wrong with it
        file = super().open()
        if self.place.offset is None:
            return file
        with file:
            file.seek(self.place.offset)
            data = file.read(self.place.size if self.place.size is not None else -1)
        if self.place.size is not None and len(data) < self.place.size:
            raise AudioUnreadableError(f"{self.path} ends before byte {self.place.offset + self.place.size}.")
        return BytesIO(data)


def located(given: Any, folder: Path, start: float | None = None, stop: float | None = None) -> Audio:
    """The recording that an entry names: a path (relative to `folder`), a URL, or `{"bytes", "path"}`.

    Raises:
        DataError: it names nothing, or the times make no stretch.
    """
    if isinstance(given, Audio):
        return given
    if isinstance(given, bytes):
        given = {"bytes": given}
    if isinstance(given, dict):
        return _stored(given, folder, start, stop)
    if not isinstance(given, str) or not given.strip():
        raise DataError(f"The audio is {given!r}.", hint="Name a file, relative to the data set or absolute.")
    if "\0" in given:
        raise DataError(f"The audio is {given[:80]!r}.", hint="No file is called so.")
    if start is not None and not (0 <= start < (float("inf") if stop is None else stop)):
        raise DataError(f"There is nothing between {start} s and {stop} s.", hint="Times are in seconds.")
    if _ADDRESS.match(given):
        whole = Audio.of(given)
        return whole[start:stop] if start or stop is not None else whole
    relative = not os.path.isabs(given)
    path = os.path.normpath(folder / given) if relative else given
    return Place(path, relative=relative, start=start or 0.0, stop=stop).audio()


def _stored(given: Mapping[str, Any], folder: Path, start: float | None, stop: float | None) -> Audio:
    """What Hugging Face's `datasets` stores of a recording, or what it gives of one."""
    if given.get("bytes") is not None:
        return Place(str(given.get("path") or ""), data=bytes(given["bytes"]), start=start or 0.0, stop=stop).audio()
    if given.get("array") is not None:
        return Audio.of(dict(given))
    return located(given.get("path") or given.get("url"), folder, start, stop)
