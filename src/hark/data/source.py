"""What a format reads from: a file or folder, where its recordings lie, and what happens to entries that are broken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hark.data.place import located
from hark.errors import AudioError, ConversationError, DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from hark.audio.audio import Audio
    from hark.data.lines import Entry
    from hark.data.sample import Sample


@dataclass(frozen=True, slots=True)
class Bad:
    """An entry that cannot be read, or not be written: where it is, and why."""

    where: str
    why: str


@dataclass(frozen=True, slots=True)
class Source:
    """A data set to be read.

    Attributes:
        path: the file or folder.
        folder: where relative names of recordings begin.
        bad: called with each entry that cannot be read; None raises for the first one.
        moved: whether `folder` was named by a person, and not told from where the data set lies.
    """

    path: Path
    folder: Path
    bad: Callable[[Bad], None] | None = None
    moved: bool = False

    def clip(self, given: Any, start: float | None = None, stop: float | None = None) -> Audio:
        """The recording that an entry names, or the stretch of it; see `hark.data.place.located`."""
        return located(given, self.folder, start, stop)

    def samples(self, entries: Iterable[Entry], made: Callable[[int, Any], Sample]) -> Iterator[Sample]:
        """Make a sample of each entry; `made` gets its number, from 1, and what it says.

        Raises:
            DataError: an entry cannot be read, and nobody keeps a list of those.
        """
        for number, (where, said) in enumerate(entries, 1):
            try:
                if isinstance(said, DataError):
                    raise said
                sample = made(number, said)
            except (DataError, ConversationError, AudioError) as error:
                self.refuse(where, error)
            else:
                yield sample

    def refuse(self, where: str, error: DataError | ConversationError | AudioError) -> None:
        """Say that an entry cannot be read.

        Raises:
            DataError: nobody keeps a list of those.
        """
        if self.bad is None:
            message = f"{self.path.name}, {where}: {error.message}"
            raise DataError(message, hint=error.hint or "Correct it, or leave it out with --skip-bad.") from error
        self.bad(Bad(where, f"{error.message} {error.hint}".strip()))
