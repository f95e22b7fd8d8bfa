"""Hugging Face's `audiofolder`: recordings in a folder, and `metadata.csv` or `metadata.jsonl` with `file_name`.

Without metadata the name of the folder a recording is in is its label. Source:
https://huggingface.co/docs/datasets/audio_dataset
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from hark.conversation.conversation import Conversation
from hark.data.formats.csv_table import typed
from hark.data.formats.plain import read_row, write_row
from hark.data.formats.splits import of_one_split
from hark.data.lines import objects, table
from hark.data.sample import Sample
from hark.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from hark.data.lines import Entry
    from hark.data.peek import Peek
    from hark.data.source import Source
    from hark.data.target import Target

ABOUT = "Hugging Face audiofolder: recordings and metadata.csv or metadata.jsonl"
_METADATA = ("metadata.jsonl", "metadata.csv")
_ENDINGS = frozenset({".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac", ".webm", ".aiff", ".wma", ".mp4"})


def fits(peek: Peek) -> bool:
    """Does it look so?"""
    if peek.path.name in _METADATA:
        return True
    return bool(peek.names) and next(_tables(peek.path), next(_recordings(peek.path), None)) is not None


def read(source: Source) -> Iterator[Sample]:
    """Read the samples of all metadata in the folder and those below."""
    path = source.path
    tables = [path] if path.is_file() else of_one_split(path, _tables(path))
    entries = _rows(path.parent if path.is_file() else path, tables) if tables else _labelled(path)
    if tables:
        return source.samples(entries, lambda number, row: read_row(source, number, row))
    return source.samples(entries, lambda _, name: _with_label(source, name))


def write(samples: Iterable[Sample], target: Target) -> int:
    """Write samples; returns how many. The recordings are copied into the folder, where `datasets` wants them."""
    if not target.copy:
        raise DataError("The recordings of an audiofolder lie in it.", hint="Give --copy-audio.")
    target.as_folder()
    return target.lines(samples, lambda sample: _row(target, sample), "metadata.jsonl")


def _tables(folder: Path) -> Iterator[Path]:
    return (path for name in _METADATA for path in folder.rglob(name))


def _recordings(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.suffix.lower() in _ENDINGS and path.is_file())


def _rows(folder: Path, tables: list[Path]) -> Iterator[Entry]:
    for path in tables:
        below = PurePosixPath(path.parent.relative_to(folder).as_posix())
        for where, row in table(path, ",", quoted=True) if path.suffix == ".csv" else objects(path):
            yield f"{below / path.name}, {where}", _inside(row, below, path.suffix == ".csv")


def _inside(row: Any, below: PurePosixPath, cells: bool) -> Any:
    """The row with the name of its recording as seen from the whole folder."""
    if not isinstance(row, dict):
        return row
    if not isinstance(row.get("file_name"), str):
        return DataError("It has no file_name.")
    named = {"file_name": str(below / row["file_name"])}
    if not cells:
        return row | named
    try:
        return typed(row) | named
    except DataError as error:
        return error


def _labelled(folder: Path) -> Iterator[Entry]:
    for path in of_one_split(folder, _recordings(folder)):
        name = path.relative_to(folder).as_posix()
        yield name, name


def _with_label(source: Source, name: str) -> Sample:
    label = PurePosixPath(name).parent.name
    return Sample(name, Conversation.ask((source.clip(name),)), about={"label": label} if label else {})


def _row(target: Target, sample: Sample) -> dict[str, Any]:
    row = write_row(target, sample, stretches=False)
    if isinstance(row["audio"], list):
        raise DataError("It has several recordings, which this format cannot hold.", hint="--to messages can.")
    named = {"file_name": row.pop("audio")}
    return named | {("transcription" if key == "text" else key): value for key, value in row.items()}
