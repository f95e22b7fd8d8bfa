"""The beginning of a data set, from which its format is told."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hark.data.lines import objects, opened
from hark.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Peek:
    """The beginning of a data set.

    Attributes:
        path: the file or folder.
        names: of a folder, what is in it.
        head: of a file, its first 64 KiB.
        keys: the keys of the first object of a JSON file.
        columns: of a table, the names in its first line.
        tabs: whether those are separated by tabs.
    """

    path: Path
    names: frozenset[str] = frozenset()
    head: bytes = b""
    keys: frozenset[str] = frozenset()
    columns: tuple[str, ...] = ()
    tabs: bool = False


def peeked(path: Path) -> Peek:
    """Look at the beginning of a data set.

    Raises:
        DataError: there is none, or it may not be read.
    """
    try:
        if path.is_dir():
            return Peek(path, frozenset(entry.name for entry in path.iterdir()))
        with path.open("rb") as file:
            head = file.read(2**16)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.", hint="Check the name.") from error
    if not head:
        raise DataError(f"{path} is empty.", hint="There is no sample in it.")
    if head.startswith((b"PAR1", b"ARROW1", b"\xff\xff\xff\xff")) or b"\0" in head[:512]:
        return Peek(path, head=head)
    start = head.decode("utf-8-sig", "replace").lstrip()
    if start.startswith(("{", "[")):
        return Peek(path, head=head, keys=_keys(path))
    with opened(path) as file:
        line = file.readline(2**16).strip("\r\n")
    delimiter = max(",\t;", key=line.count)
    return Peek(path, head=head, columns=tuple(next(csv.reader([line], delimiter=delimiter), [])), tabs="\t" in line)


def _keys(path: Path) -> frozenset[str]:
    for _, first in objects(path):
        if isinstance(first, dict):
            return frozenset(map(str, first))
        if not isinstance(first, DataError):
            return frozenset()
        break
    return frozenset()
