"""What a format writes to: a file or folder that appears when it is whole, and the names of the recordings in it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from hark.data.place import place_of
from hark.data.source import Bad
from hark.errors import AudioError, ConversationError, DataError, HarkError, OutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from hark.audio.audio import Audio
    from hark.data.place import Place
    from hark.data.sample import Sample

_COPY = "Give --copy-audio: it is then written out as a file of its own."


class Target:
    """A data set being written.

    Attributes:
        path: the file or folder that there will be.
        copy: whether recordings are copied beside it.
        bad: called with each sample that the format cannot hold; None raises for the first one.
        lost: what the format could not hold, and of how many samples.
    """

    def __init__(self, path: Path, *, copy: bool = False, bad: Callable[[Bad], None] | None = None) -> None:
        self.path, self.copy, self.bad = path, copy, bad
        self.lost: Counter[str] = Counter()
        self.clips = f"{path.stem}_audio"
        self.work = path.with_name(f".{path.name}.part")
        self._copies = path.with_name(f".{path.name}.clips.part")
        self.folder = path.parent
        self._given: dict[str, str] = {}
        self._taken: set[str] = set()

    def as_folder(self, clips: str = "audio") -> Path:
        """It is a folder, with copies of recordings in its folder `clips`; returns where to write for now."""
        self.folder, self.clips = self.path, clips
        self.work.mkdir(parents=True)
        return self.work

    @contextlib.contextmanager
    def text(self, name: str | None = None) -> Iterator[TextIO]:
        """Open it, or a file in its folder, as text."""
        path = self.work / name if name else self.work
        with path.open("w", encoding="utf-8", newline="") as file:
            yield file

    def rows(self, samples: Iterable[Sample], made: Callable[[Sample], Any]) -> Iterator[Any]:
        """Make a row of each sample.

        Raises:
            DataError: the format cannot hold one, and nobody keeps a list of those.
        """
        for sample in samples:
            try:
                row = made(sample)
            except (DataError, ConversationError, AudioError) as error:
                if self.bad is None:
                    hint = error.hint or "Choose another format, or leave it out with --skip-bad."
                    raise DataError(f"The sample {sample.id}: {error.message}", hint=hint) from error
                self.bad(Bad(f"sample {sample.id}", f"{error.message} {error.hint}".strip()))
            else:
                yield row

    def lines(self, samples: Iterable[Sample], made: Callable[[Sample], Any], name: str | None = None) -> int:
        """Write one JSON value on each line; returns how many."""
        count = 0
        with self.text(name) as file:
            for count, row in enumerate(self.rows(samples, made), 1):  # noqa: B007 - counted
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
        return count

    def array(self, samples: Iterable[Sample], made: Callable[[Sample], Any]) -> int:
        """Write one JSON array, an entry on each line; returns how many."""
        count = 0
        with self.text() as file:
            file.write("[")
            for count, row in enumerate(self.rows(samples, made), 1):
                file.write(("\n" if count == 1 else ",\n") + json.dumps(row, ensure_ascii=False))
            file.write("\n]\n")
        return count

    def name(self, audio: Audio) -> str:
        """What the data set calls a recording; it is copied first, where that is wanted.

        Raises:
            DataError: it is a stretch or lies in another file, which a name cannot say, and is not copied.
        """
        place = place_of(audio)
        if self.copy:
            return self._copied(audio, place)
        if place.data is not None:
            raise DataError(f"{audio.name} is held by the data set itself, not by a file.", hint=_COPY)
        if place.offset is not None:
            raise DataError(f"{audio.name} is a part of another file, which this format cannot say.", hint=_COPY)
        if place.cut:
            raise DataError(f"{audio.name} is a stretch of a recording, which this format cannot say.", hint=_COPY)
        return self.written(place)

    def written(self, place: Place) -> str:
        """The path of a file as the data set writes it: relative where the one it came from was relative."""
        if place.url or not place.relative:
            return place.path if place.url else os.path.abspath(place.path)
        return Path(os.path.relpath(place.path, self.folder)).as_posix()

    def finish(self) -> None:
        """Put what was written in its place."""
        if self._copies.exists():
            (self.folder / self.clips).mkdir(exist_ok=True)
            for copy in self._copies.iterdir():
                os.replace(copy, self.folder / self.clips / copy.name)
            self._copies.rmdir()
        os.replace(self.work, self.path)

    def abandon(self) -> None:
        """Remove what was written."""
        for path in (self.work, self._copies):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def _copied(self, audio: Audio, place: Place) -> str:
        key = audio.id if place.data is not None else repr(place)
        if key not in self._given:
            inside = self.work / self.clips if self.folder == self.path else self._copies
            inside.mkdir(exist_ok=True)
            name = self._free(copy_name(audio, place))
            _copy(audio, place, inside / name)
            self._given[key] = f"{self.clips}/{name}"
        return self._given[key]

    def _free(self, name: str) -> str:
        """A file name that no other recording has here."""
        stem, ending = os.path.splitext(name)
        number = 1
        while name.casefold() in self._taken or (self.folder / self.clips / name).exists():
            number += 1
            name = f"{stem}-{number}{ending}"
        self._taken.add(name.casefold())
        return name


def copy_name(audio: Audio, place: Place) -> str:
    """What a copy of a recording is called: as its file is, or `.flac` where it is written anew."""
    stem, ending = os.path.splitext(place.name or audio.name)
    stem = "".join(c if c.isalnum() or c in "-_." else "_" for c in os.path.basename(stem))[:100] or "audio"
    return stem + (".flac" if _anew(place) else ending)


def encoded(audio: Audio, place: Place) -> bytes:
    """The bytes of its file, or FLAC where it is a stretch or a part of one: its samples, at their own rate."""
    if not _anew(place) and place.data is not None:
        return place.data
    if not _anew(place):
        with audio._recording.source.open() as file:  # noqa: SLF001 - bytes as they are
            data: bytes = file.read()
        return data
    return _flac(audio)


def _anew(place: Place) -> bool:
    return place.cut or place.offset is not None or not os.path.splitext(place.name)[1]


def _copy(audio: Audio, place: Place, to: Path) -> None:
    try:
        if _anew(place) or place.data is not None:
            to.write_bytes(encoded(audio, place))
            return
        with audio._recording.source.open() as file, to.open("wb") as out:  # noqa: SLF001 - bytes as they are
            shutil.copyfileobj(file, out)
    except OSError as error:
        if isinstance(error, HarkError):
            raise
        raise OutputError(f"{to} cannot be written: {error.strerror}.") from error


def _flac(audio: Audio) -> bytes:
    """The samples at their own rate; in 16 bits where that loses nothing."""
    import numpy as np
    import soundfile

    samples = audio.samples(audio.rate, mono=False)
    exact = bool(np.all(np.rint(samples * 32768) == samples * 32768)) and float(samples.max()) < 1
    out = io.BytesIO()
    soundfile.write(out, samples, audio.rate, format="FLAC", subtype="PCM_16" if exact else "PCM_24")
    return out.getvalue()
