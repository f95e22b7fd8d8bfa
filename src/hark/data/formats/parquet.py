"""Parquet files, Arrow files, and folders that `datasets` saved, with recordings as paths or as the bytes of files.

A recording is the struct `{"bytes", "path"}` of Hugging Face's `Audio` feature; hark decodes it, without torchcodec.
Columns are those of the simple formats, or `messages`. Source: https://huggingface.co/docs/datasets/audio_dataset
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hark.data.formats import messages
from hark.data.formats.csv_table import COLUMNS, typed
from hark.data.formats.plain import read_row, write_row
from hark.data.formats.splits import of_one_split
from hark.data.place import place_of
from hark.data.target import copy_name, encoded
from hark.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hark.audio.audio import Audio
    from hark.data.lines import Entry
    from hark.data.peek import Peek
    from hark.data.sample import Sample
    from hark.data.source import Source
    from hark.data.target import Target

ABOUT = "Parquet, Arrow, and folders saved by datasets, with the bytes of recordings or their paths"
_BATCH = 64
_FLOATS = ("start", "end")


def fits(peek: Peek) -> bool:
    """Does it look so?"""
    if peek.head.startswith((b"PAR1", b"ARROW1", b"\xff\xff\xff\xff")):
        return True
    endings = {Path(name).suffix for name in peek.names}
    return bool(peek.names & {"state.json", "dataset_dict.json"} or endings & {".parquet", ".arrow"}) or (
        "data" in peek.names and any((peek.path / "data").glob("*.parquet"))
    )


def read(source: Source) -> Iterator[Sample]:
    """Read the samples.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    return source.samples(_rows(source.path), lambda number, row: _sample(source, number, row))


def write(samples: Iterable[Sample], target: Target) -> int:
    """Write samples to a Parquet file; returns how many. `--copy-audio` puts the bytes of recordings into it.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    arrow = _arrow()
    from pyarrow import parquet

    kinds = {name: arrow.float64() if name in _FLOATS else arrow.string() for name in COLUMNS}
    kinds["audio"] = arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])
    features = {name: {"_type": "Value", "dtype": str(kind)} for name, kind in kinds.items()}
    features["audio"] = {"_type": "Audio"}
    said = {"huggingface": json.dumps({"info": {"features": features}}).replace('"double"', '"float64"')}
    schema = arrow.schema(list(kinds.items()), metadata=said)
    count, batch = 0, []
    with parquet.ParquetWriter(target.work, schema) as file:
        for count, row in enumerate(target.rows(samples, lambda sample: _row(target, sample)), 1):  # noqa: B007
            batch.append(row)
            if len(batch) == _BATCH:
                file.write_batch(arrow.RecordBatch.from_pylist(batch, schema=schema))
                batch = []
        if batch:
            file.write_batch(arrow.RecordBatch.from_pylist(batch, schema=schema))
    return count


def _arrow() -> Any:
    try:
        import pyarrow as pa
    except ImportError as error:
        raise MissingExtraError.of("Reading and writing Parquet and Arrow", "train") from error
    return pa


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return of_one_split(path, [*path.rglob("*.parquet"), *path.rglob("*.arrow")])


def _rows(path: Path) -> Iterator[Entry]:
    arrow = _arrow()
    for file in _files(path):
        number = 0
        try:
            for batch in _batches(arrow, file):
                for row in batch.to_pylist():
                    number += 1
                    yield f"{file.name}, row {number}", {k: v for k, v in row.items() if v is not None}
        except (arrow.ArrowException, OSError) as error:
            yield f"{file.name}, row {number + 1}", DataError(f"It cannot be read on: {error}.")


def _batches(arrow: Any, file: Path) -> Iterator[Any]:
    with file.open("rb") as head:
        kind = head.read(6)
    if kind.startswith(b"PAR1"):
        from pyarrow import parquet

        with parquet.ParquetFile(file) as whole:
            yield from whole.iter_batches(_BATCH)
        return
    with arrow.memory_map(str(file)) as mapped:
        if kind == b"ARROW1":
            whole = arrow.ipc.open_file(mapped)
            yield from (whole.get_batch(number) for number in range(whole.num_record_batches))
        else:
            yield from arrow.ipc.open_stream(mapped)


def _sample(source: Source, number: int, row: dict[str, Any]) -> Sample:
    if "messages" in row:
        return messages.read_row(source, number, row)
    return read_row(source, number, typed(row))


def _row(target: Target, sample: Sample) -> dict[str, Any]:
    row = write_row(target, sample, stretches=not target.copy, named=_stored if target.copy else target.name)
    if isinstance(row["audio"], list):
        raise DataError("It has several recordings, which this format cannot hold.", hint="--to messages can.")
    if isinstance(row["audio"], str):
        row["audio"] = {"bytes": None, "path": row["audio"]}
    about = {key: row.pop(key) for key in [*row] if key not in COLUMNS} | row.pop("about", {})
    return row | ({"about": json.dumps(about, ensure_ascii=False)} if about else {})


def _stored(audio: Audio) -> dict[str, Any]:
    place = place_of(audio)
    return {"bytes": encoded(audio, place), "path": copy_name(audio, place)}
