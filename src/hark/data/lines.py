"""Entries of text files one by one, in flat memory: JSON lines, long JSON arrays, tables."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

from hark.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import TextIO

_CHUNK = 2**16
_LONGEST = 2**26  # characters of one entry; what is longer is no entry, but JSON that is broken
_DECODER = json.JSONDecoder()

Entry = tuple[str, Any]  # where it is, and what it says; a DataError where it cannot be read


def opened(path: Path) -> TextIO:
    """Open a text file; bytes that are no UTF-8 stay apart from all text, so that the entry can be refused.

    Raises:
        DataError: there is no such file, or it may not be read.
    """
    try:
        return path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.", hint="Check the name.") from error


def objects(path: Path) -> Iterator[Entry]:
    """The entries of a JSON array, or of a file with one JSON value on each line."""
    with opened(path) as file:
        head = file.read(_CHUNK)
        file.seek(0)
        yield from _array(file) if head.lstrip("\ufeff \t\r\n").startswith("[") else _lines(file)


def _lines(file: TextIO) -> Iterator[Entry]:
    for number, line in enumerate(file, 1):
        if line.strip("\ufeff \t\r\n\0"):
            try:
                yield f"line {number}", json.loads(line)
            except (ValueError, RecursionError) as error:
                yield f"line {number}", DataError(f"This is no JSON: {error}.", hint="One JSON value on each line.")


def _array(file: TextIO) -> Iterator[Entry]:
    """Entries of an array, each decoded as soon as it is whole."""
    kept, number, ended = "", 0, False
    kept = file.read(_CHUNK).lstrip("\ufeff \t\r\n")[1:]
    while True:
        kept = kept.lstrip(" \t\r\n,")
        if kept.startswith("]"):
            return
        try:
            value, end = _DECODER.raw_decode(kept)
            whole = end < len(kept) or ended  # a number at the end of what was read may go on
        except (ValueError, RecursionError) as error:
            if ended or len(kept) > _LONGEST:
                yield f"entry {number + 1}", DataError(f"The JSON breaks here: {error}.", hint="Was it cut off?")
                return
            whole = False
        if whole:
            number += 1
            yield f"entry {number}", value
            kept = kept[end:]
        elif not (more := file.read(max(_CHUNK, len(kept)))):
            ended = True
        else:
            kept += more


def document(path: Path) -> Any:
    """All of a JSON file.

    Raises:
        DataError: it cannot be read.
    """
    with opened(path) as file:
        try:
            return json.load(file)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path} is no JSON: {error}.", hint="Was it cut off?") from error


def table(path: Path, delimiter: str, *, quoted: bool) -> Iterator[Entry]:
    """The rows of a table as dicts by the names in its first line.

    `quoted` is CSV as spreadsheets write it; otherwise quotation marks are marks, as in the TSV of speech corpora.
    """
    csv.field_size_limit(2**27)
    with opened(path) as file:
        rows = csv.reader(file, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE)
        names = next(rows, [])
        while True:
            try:
                row = next(rows, None)
            except csv.Error as error:
                yield f"line {rows.line_num}", DataError(f"This row cannot be read: {error}.")
                continue
            if row is None:
                return
            if row:
                yield f"line {rows.line_num}", _row(names, row)


def _row(names: list[str], row: list[str]) -> dict[str, str] | DataError:
    if len(row) > len(names):
        return DataError(f"There are {len(row)} columns, but {len(names)} names.", hint="Is a text with commas quoted?")
    return {name: value for name, value in zip(names, row, strict=False) if value}
