"""Evaluate a model on a task: ask about each sample once, however often the run is stopped, and score what comes."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, is_dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hark.engines.asking import prepared
from hark.engines.engine import Options
from hark.errors import AudioError, DataError, FetchError, OptionError, UnsupportedError
from hark.evaluation import about, chosen
from hark.evaluation.answering import BATCH, Answering, Wanted
from hark.evaluation.journal import Journal
from hark.evaluation.result import Result, Row, units_by
from hark.evaluation.statistics import Drawing
from hark.evaluation.task import Reply, Request, Task

if TYPE_CHECKING:
    from hark.data.sample import Sample
    from hark.evaluation.task import Figure, Score
    from hark.listener import Listener


@dataclass(frozen=True, slots=True)
class Setting:
    """How a task is evaluated.

    Attributes:
        options: for the model, over those of the task: `language`, `temperature`, `max_new_tokens`, `long` ...
        by: groups to break figures down by: `speaker`, `language`, `about.category` ...
        unit: what samples are drawn by for intervals: a group, or `id`; None is by speaker where there are 10.
        drawing: how resamples are drawn.
        jobs, batch: see `hark.evaluation.answering.Answering`.
        retry: ask those again that got no answer.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    by: tuple[str, ...] = ()
    unit: str | None = None
    drawing: Drawing = field(default_factory=Drawing)
    jobs: int | None = None
    batch: int = BATCH
    retry: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is: samples scored, those that failed, and the most important figure so far."""

    done: int
    failed: int
    figure: Figure | None


Step = Callable[[Progress], None]


def evaluate(
    listener: Listener,
    task: Task,
    data: Iterable[Sample],
    folder: str | Path,
    setting: Setting | None = None,
    *,
    step: Step = lambda _: None,
) -> Result:
    """Evaluate, and write `results.json`, `samples.jsonl` and `journal.jsonl` into a folder.

    A run into a folder that has answers of the same model goes on with what is missing: samples and questions that are
    as they were are not asked again. A sample that fails is counted, and ends nothing.

    Args:
        listener: the model.
        task: what is measured.
        data: samples; they are gone through more than once, so no iterator.
        folder: where results go.
        setting: how it is done.
        step: called after each sample.

    Raises:
        UnsupportedError: the model cannot do it, of any sample.
        OptionError: there is no such option or group. DataError: nothing in the data can be scored.
        MissingExtraError: what scores it is not installed.
        OutputError: the folder cannot be written, holds answers of another model, or is being written.
    """
    setting, folder = setting or Setting(), Path(folder)
    data = list(data) if isinstance(data, Iterator) else data
    chosen.known(task.samples(data), [*setting.by, *([setting.unit] if setting.unit not in (None, "id") else [])])
    _check(listener, task, data, setting.options)
    began, model = datetime.now(UTC), about.model(listener.engine)
    with Journal(folder, model) as journal:
        run = _Run(listener, task, data, setting, journal, step)
        rows = run.rows()
        made = {
            "model": model,
            "began": began.isoformat(timespec="seconds"),
            "runs": journal.runs,
            "seconds": journal.seconds,
        }
    if not rows:
        raise DataError(f"No sample could be scored: they lack {', '.join(run.unscored)}.", hint="`hark data check`.")
    unit = units_by(rows, setting.unit)
    rows = [_drawn_by(row, unit, setting) for row in rows]
    result = Result(task, tuple(rows), run.told(rows, made, unit), setting.drawing)
    result.save(folder)
    return result


def task_told(task: Task) -> dict[str, Any]:
    """What a result says of its task."""
    values: dict[str, Any] = asdict(task) if is_dataclass(task) else {}
    return {"name": task.name, "about": task.about, "options": values, "timed": task.name == "speed"}


def _drawn_by(row: Row, unit: str, setting: Setting) -> Row:
    by = {name: row.by[name] for name in setting.by}
    return replace(row, by=by, unit=row.unit if unit == "id" else row.by[unit])


def _check(listener: Listener, task: Task, data: Iterable[Sample], options: Mapping[str, Any]) -> None:
    """Refuse what the model can do of no sample, before anything is loaded.

    Raises:
        UnsupportedError, OptionError: as the model says of the first. DataError: none can be scored.
    """
    first: UnsupportedError | OptionError | None = None
    lacking: dict[str, None] = {}
    for sample in task.samples(data):
        if lacks := task.lacks(sample):
            lacking[lacks] = None
            continue
        try:
            request = _request(task, sample, listener, options)
            if request.way == "answer":
                given = {name: value for name, value in request.options.items() if name != "long"}
                prepared(listener.engine.name, listener.can, request.conversation, Options.of(**given))
        except (UnsupportedError, OptionError) as error:
            first = first or error
        else:
            with contextlib.suppress(AudioError, FetchError):
                task.score(sample, Reply(None))  # what counts errors is missed now, and not after an answer
            return
    if first:
        raise first
    why = f": they lack {', '.join(lacking)}" if lacking else ""
    raise DataError(f"There is no sample to score{why}.", hint="Is it the right task for them?")


def _request(task: Task, sample: Sample, listener: Listener, options: Mapping[str, Any]) -> Request:
    request = task.request(sample, listener.can)
    return replace(request, options={**request.options, **options}) if options else request


@dataclass(frozen=True, slots=True)
class _Item:
    """A sample to be asked about, with its place in the data."""

    number: int
    key: str
    sample: Sample
    digest: str
    asked: str
    prompt: str


class _Run:
    """One evaluation while it runs."""

    def __init__(
        self, listener: Listener, task: Task, data: Iterable[Sample], setting: Setting, journal: Journal, step: Step
    ) -> None:
        self.listener, self.task, self.data, self.setting = listener, task, data, setting
        self.journal, self.step = journal, step
        self.unscored: Counter[str] = Counter()
        self._rows: dict[int, Row] = {}
        self._counts: dict[str, float] = {}
        self._failed, self._shown = 0, 0.0
        self._figure: Figure | None = None
        self._names = dict.fromkeys([*setting.by, *([setting.unit] if setting.unit else []), "speaker"])

    def rows(self) -> list[Row]:
        """A row for each sample that can be scored, in the order of the data."""
        how = self.setting
        answering = Answering(self.listener, how.jobs, how.batch, self.task.alone)
        for item, reply in answering.replies(self._wanted()):
            self._keep(item, self.journal.add(item.key, item.asked, reply))
        return [self._rows[number] for number in sorted(self._rows)]

    def told(self, rows: list[Row], made: Mapping[str, Any], unit: str) -> dict[str, Any]:
        """What the result says of how it was made."""
        described = self.data.to_dict() if isinstance(self.data, chosen.DataSet) else {}
        content = hashlib.sha256("".join(sorted(row.digest for row in rows)).encode()).hexdigest()
        options = {name: str(value) for name, value in self.setting.options.items()}
        return {
            "task": task_told(self.task),
            "data": {**described, "sha256": content, "unscored": dict(self.unscored)},
            "options": options,
            "drawn_by": "sample" if unit == "id" else unit,
            "machine": about.machine(),
            "versions": about.versions(),
            **made,
        }

    def _wanted(self) -> Iterator[Wanted[_Item]]:
        """What has to be asked; what was asked before is scored on the way."""
        for item, request in self._items():
            found = self.journal.find(item.key, item.asked)
            if found is not None and not (found.error and self.setting.retry):
                self._keep(item, found)
                continue
            self._loaded  # noqa: B018 - weights are loaded where something is to be asked
            yield Wanted(item, request)

    def _items(self) -> Iterator[tuple[_Item, Request]]:
        for number, (key, sample) in enumerate(chosen.keyed(self.task.samples(self.data))):
            if lacking := self.task.lacks(sample):
                self.unscored[lacking] += 1
                continue
            digest = chosen.digest(sample)
            try:
                request = _request(self.task, sample, self.listener, self.setting.options)
            except (UnsupportedError, OptionError) as error:
                asked = chosen.asked(Request(sample.asked))
                item = _Item(number, key, sample, digest, asked, sample.asked.prompt)
                self._keep(item, Reply(None, error.message))
                continue
            prompt = request.conversation.prompt
            yield _Item(number, key, sample, digest, chosen.asked(request), prompt), request

    @cached_property
    def _loaded(self) -> None:
        self.listener.engine.warm()

    def _keep(self, item: _Item, reply: Reply) -> None:
        try:
            score = self._score(item, reply)
        except (AudioError, FetchError):
            self.unscored["a recording that can be read"] += 1
            return
        clips = tuple(chosen.place(clip) for clip in item.sample.clips)
        by = {name: chosen.value_of(item.sample, name) for name in self._names}
        heard = reply.answer.usage.audio_seconds if reply.answer else 0.0
        unit = chosen.origin(item.key, item.sample)
        said = (item.prompt, reply.text, clips)
        self._rows[item.number] = Row(item.key, item.digest, score, *said, by, unit, heard, reply.seconds)
        self._count(score)

    def _score(self, item: _Item, reply: Reply) -> Score:
        """The score of a reply; a judge is asked once, and its verdict kept."""
        judge = getattr(getattr(self.task, "inner", self.task), "judge", None)
        if judge is None:
            return self.task.score(item.sample, reply)
        told = [self.task.name, str(self.task), item.digest, item.prompt, reply.text, reply.error]
        judged = hashlib.sha256(repr(told).encode()).hexdigest()
        found = self.journal.score(item.key, judged)
        if found is not None and not (self.setting.retry and found.counts.get("judged") == 0):
            return found
        return self.journal.add_score(item.key, judged, self.task.score(item.sample, reply))

    def _count(self, score: Score) -> None:
        for name, value in score.counts.items():
            self._counts[name] = self._counts.get(name, 0.0) + value
        self._failed += score.failed is not None
        if time.monotonic() - self._shown > 0.2:
            self._figure, self._shown = self._first_figure(), time.monotonic()
        self.step(Progress(len(self._rows), self._failed, self._figure))

    def _first_figure(self) -> Figure | None:
        """What the scores so far come to; nothing where only the whole can tell."""
        if type(self.task).settled is not Task.settled:
            return None
        return next(iter(self.task.figures(self._counts)), None)
