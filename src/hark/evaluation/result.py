"""What an evaluation found: figures with intervals, by group, and the score of each sample; written and read."""

from __future__ import annotations

import contextlib
import json
import os
from collections import Counter
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hark.errors import DataError, OptionError, OutputError
from hark.evaluation.chosen import UNKNOWN
from hark.evaluation.statistics import Drawing, intervals
from hark.evaluation.task import Score, added

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from hark.evaluation.statistics import Interval
    from hark.evaluation.task import Figure, Task

RESULTS, SAMPLES = "results.json", "samples.jsonl"
_ENOUGH_UNITS = 10  # with fewer speakers an interval by speaker says little; then it is by sample


@dataclass(frozen=True, slots=True)
class Row:
    """One sample: what was asked and said, and how good that is.

    Attributes:
        key: its id, with a number where another sample has the same.
        digest: of all that the sample says; see `hark.evaluation.chosen.digest`.
        asked, said: the prompt, and the answer as the model wrote it.
        audio: where its recordings are.
        by: the groups it is in.
        unit: what it is drawn with for intervals.
        heard: seconds of audio.
        seconds: what the answer took; None where it was one of a batch.
    """

    key: str
    digest: str
    score: Score
    asked: str = ""
    said: str = ""
    audio: tuple[str, ...] = ()
    by: Mapping[str, str] = field(default_factory=dict)
    unit: str = ""
    heard: float = 0.0
    seconds: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; `Row.of` reads them back."""
        return asdict(self)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Row:
        """A row as `to_dict` wrote it."""
        known = {each.name: values[each.name] for each in fields(cls)}
        return cls(**known | {"score": Score(**values["score"]), "audio": tuple(values["audio"])})


@dataclass(frozen=True, slots=True)
class Figured:
    """A figure, and its interval where there is one."""

    figure: Figure
    interval: Interval | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        low, high = (self.interval.low, self.interval.high) if self.interval else (None, None)
        return {**self.figure.to_dict(), "low": low, "high": high}


@dataclass(frozen=True)
class Result:
    """All of it; what is made of the rows is made once.

    Attributes:
        task: what was measured.
        rows: of all samples, in the order of the data.
        about: what was evaluated, and how: model, data, options, machine, versions, time.
        drawing: how intervals are made.
    """

    task: Task
    rows: tuple[Row, ...]
    about: Mapping[str, Any]
    drawing: Drawing = field(default_factory=Drawing)

    @cached_property
    def scores(self) -> Sequence[Score]:
        """Of all samples, settled."""
        return self.task.settled([row.score for row in self.rows])

    @property
    def failed(self) -> tuple[Row, ...]:
        """Samples that got no answer."""
        return tuple(row for row in self.rows if row.score.failed)

    @cached_property
    def wrong(self) -> tuple[Row, ...]:
        """Samples whose answer is not right, the worst first."""
        settled = {row.key: score for row, score in zip(self.rows, self.scores, strict=True)}
        found = [row for row in self.rows if settled[row.key].error > 0 or row.score.failed]
        return tuple(sorted(found, key=lambda row: -settled[row.key].error))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: everything but the rows."""
        return self._told

    @cached_property
    def _told(self) -> dict[str, Any]:
        scores, units = self.scores, [row.unit for row in self.rows]
        counts = added(scores)
        failures = Counter(row.score.failed for row in self.failed)
        return {
            **self.about,
            "samples": len(self.rows),
            "wrong": sum(score.error > 0 for score in scores),
            "failed": len(self.failed),
            "failures": dict(failures.most_common(20)),
            "seconds_heard": round(sum(row.heard for row in self.rows), 3),
            "figures": [each.to_dict() for each in figured(self.task, scores, units, self.drawing)],
            "intervals": {**asdict(self.drawing), "units": len(set(units))},
            "tables": [table.to_dict() for table in self.task.tables(counts)],
            "groups": self._groups(scores),
        }

    def _groups(self, scores: Sequence[Score]) -> dict[str, dict[str, Any]]:
        names = dict.fromkeys(name for row in self.rows for name in row.by)
        return {name: dict(self._group(name, scores)) for name in names}

    def _group(self, name: str, scores: Sequence[Score]) -> Iterator[tuple[str, Any]]:
        parts: dict[str, list[int]] = {}
        for number, row in enumerate(self.rows):
            parts.setdefault(row.by.get(name, UNKNOWN), []).append(number)
        for value, numbers in sorted(parts.items()):
            some, units = [scores[n] for n in numbers], [self.rows[n].unit for n in numbers]
            yield (
                value,
                {
                    "samples": len(some),
                    "figures": [each.to_dict() for each in figured(self.task, some, units, self.drawing)],
                },
            )

    def save(self, folder: Path) -> None:
        """Write `results.json`, and `samples.jsonl` with a line for each sample.

        Raises:
            OutputError: it cannot be written.
        """
        lines = "".join(json.dumps(row.to_dict(), ensure_ascii=False) + "\n" for row in self.rows)
        write(folder / SAMPLES, lines)
        write(folder / RESULTS, json.dumps(self.to_dict(), ensure_ascii=False, indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> Result:
        """Read what `save` wrote into a folder; `path` is the folder, or a file in it.

        Raises:
            DataError: there is no such result, or it is broken.
        """
        from hark.evaluation.tasks import made

        folder = path if path.is_dir() else path.parent
        try:
            about = json.loads((folder / RESULTS).read_text(encoding="utf-8"))
            with (folder / SAMPLES).open(encoding="utf-8") as file:
                rows = tuple(Row.of(json.loads(line)) for line in file)
            task = made(about["task"]["name"], **about["task"]["options"])
            drawing = Drawing(**{each.name: about["intervals"][each.name] for each in fields(Drawing)})
        except (OSError, ValueError, KeyError, TypeError) as error:
            if isinstance(error, OptionError):
                raise
            raise DataError(
                f"{folder} holds no result of `hark evaluate`: {error}.", hint="Name the folder of one."
            ) from error
        return cls(task, rows, {name: about[name] for name in about if name not in _MADE}, drawing)


_MADE = frozenset(
    "samples wrong failed failures seconds_heard figures intervals tables groups".split()
)  # anew, from rows


def figured(task: Task, scores: Sequence[Score], units: Sequence[str], drawing: Drawing) -> list[Figured]:
    """The figures of settled scores, with their intervals."""
    found = intervals(scores, units, task.figures, drawing)
    return [Figured(figure, found.get(figure.name)) for figure in task.total(scores).values()]


def units_by(rows: Sequence[Row], named: str | None) -> str:
    """What samples are drawn by for intervals: `named`, else speakers where there are enough of them, else samples."""
    if named is not None:
        return named
    speakers = {row.by.get("speaker", UNKNOWN) for row in rows}
    return "speaker" if UNKNOWN not in speakers and len(speakers) >= _ENOUGH_UNITS else "id"


def write(path: Path, text: str) -> None:
    """Write a file whole.

    Raises:
        OutputError: it cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8", errors="backslashreplace")
        os.replace(part, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise OutputError(f"{path} cannot be written: {error.strerror or error}.") from error
