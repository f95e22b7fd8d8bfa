"""A table with a header, separated by commas, semicolons or tabs: `audio`, `text`, and what else there is to say."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

from hark.data.formats.plain import AUDIO, read_row, write_row
from hark.data.lines import opened, table
from hark.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hark.data.peek import Peek
    from hark.data.sample import Sample
    from hark.data.source import Source
    from hark.data.target import Target

ABOUT = "a table (CSV): audio, text, start, end, prompt, speaker, language, ..."
COLUMNS = ("id", "audio", "start", "end", "system", "prompt", "text", "speaker", "language", "to", "task", "about")
_AS_JSON = ("choices", "loss", "segments", "about")


def fits(peek: Peek) -> bool:
    """Does it look so?"""
    return bool(set(peek.columns) & set(AUDIO))


def read(source: Source) -> Iterator[Sample]:
    """Read the samples."""
    with opened(source.path) as file:
        head = file.readline(2**16)
    delimiter = max(",\t;", key=head.count)
    return source.samples(
        table(source.path, delimiter, quoted=True), lambda number, row: read_row(source, number, typed(row))
    )


def write(samples: Iterable[Sample], target: Target) -> int:
    """Write samples; returns how many. What has no column of its own is JSON in the column `about`."""
    count = 0
    with target.text() as file:
        rows = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        rows.writeheader()
        for count, row in enumerate(target.rows(samples, lambda sample: write_cells(target, sample)), 1):  # noqa: B007
            rows.writerow(row)
    return count


def write_cells(target: Target, sample: Sample) -> dict[str, Any]:
    """One row, whose further keys are JSON in `about`.

    Raises:
        DataError: it cannot be a row.
    """
    row = write_row(target, sample)
    if isinstance(row["audio"], list):
        raise DataError("It has several recordings, which a table cannot hold.", hint="--to jsonl can.")
    if row.get("text") == "":
        target.lost["that an answer is empty, not unknown"] += 1
    about = {key: row.pop(key) for key in [*row] if key not in COLUMNS} | row.pop("about", {})
    return row | ({"about": json.dumps(about, ensure_ascii=False)} if about else {})


def typed(row: Any) -> dict[str, Any]:
    """A row of a table with its cells of JSON read."""
    if not isinstance(row, dict):
        raise DataError(f"This is no row but {type(row).__name__}.")
    values = dict(row)
    for name in _AS_JSON:
        if str(values.get(name, "")).lstrip().startswith(("[", "{")):
            try:
                values[name] = json.loads(values[name])
            except ValueError as error:
                raise DataError(f"The column {name} holds JSON that breaks: {error}.") from error
        elif name == "about" and values.get(name):
            values["about"] = {"about": values["about"]}
    about = values.get("about")
    if isinstance(about, dict):
        values |= {name: about.pop(name) for name in ("choices", "loss", "segments") if name in about}
    return values
