"""`hark evaluate`: judge a model on data, compare two, and write pages on which each mistake can be heard."""

from __future__ import annotations

import contextlib
import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from hark.cli import evaluate_options as e
from hark.cli import options as o
from hark.cli.show import console, loaded, out, out_json, printable, reporting
from hark.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from hark.evaluation.chosen import DataSet
    from hark.evaluation.result import Result
    from hark.evaluation.runner import Progress
    from hark.evaluation.task import Task
    from hark.listener import Listener


@dataclass(frozen=True, slots=True)
class _Wishes:
    """What was said of figures, pages and asking."""

    options: Mapping[str, Any]
    by: tuple[str, ...]
    draw_by: str | None
    drawn: tuple[int, int]
    room: tuple[int, int]
    asking: tuple[int | None, int, bool]
    out: Path | None
    as_json: bool
    quiet: bool


@dataclass(frozen=True, slots=True)
class _Work:
    """One task on one data set; `name` is that of the part of a suite, `by` are groups it is published by."""

    task: Task
    data: DataSet
    name: str = ""
    by: tuple[str, ...] = ()


def evaluate(
    model: e.Model = None,
    data: e.Data = None,
    task: e.Task = None,
    suite: e.Suite = None,
    streaming: e.StreamingToo = False,
    against: e.Against = None,
    values: e.Set = None,
    folder: e.Out = None,
    listed: e.Listed = False,
    form: e.Form = None,
    audio: e.AudioRoot = None,
    limit: e.Limit = None,
    seed: e.Seed = 0,
    retry: e.Retry = False,
    by: e.By = None,
    draw_by: e.DrawBy = None,
    resamples: e.Resamples = 1000,
    mistakes: e.Mistakes = 500,
    page_mb: e.PageMb = 20,
    language: e.Language = None,
    temperature: e.Temperature = None,
    max_new_tokens: e.MaxNewTokens = None,
    beams: e.Beams = None,
    long: e.Long = None,
    jobs: e.Jobs = None,
    batch: e.Batch = 8,
    as_json: o.Json = False,
    quiet: o.Quiet = False,
    *,
    load: o.Load,
) -> None:
    """Judge a model on data; a run that was stopped goes on, and no sample is asked twice.

    Figures come with intervals, groups and all mistakes: as JSON, as Markdown, and as a page to hear them on.
    """
    with reporting(as_json=as_json):
        if listed:
            _list(as_json=as_json)
            return
        options = o.given(language=language, temperature=temperature, max_new_tokens=max_new_tokens, beams=beams)
        options |= o.given(long=o.long(long), seed=seed if temperature else None)
        groups = tuple(name.strip() for name in (by or "").split(",") if name.strip())
        how = ((resamples, seed), (mistakes, page_mb * 2**20), (jobs, batch, retry))
        wishes = _Wishes(options, groups, draw_by, *how, folder, as_json, quiet)
        if model is not None and data is None and task is None and _is_result(model):
            _compare_results(model, against, wishes)
            return
        works = _works(data, (task, suite, streaming), _pairs(values), (form, audio, limit, seed))
        _evaluate(replace(load, model=model), against, works, wishes, suite)


def _evaluate(load: o.Load, against: str | None, works: list[_Work], wishes: _Wishes, suite: str | None) -> None:
    folders = _folders(_named(load), wishes.out, works, suite)
    if against is not None:
        _able(against, works, suite)
    found = _all(load, works, folders, wishes)
    told: Mapping[str, Any] = {}
    if suite is not None:
        told = _suite(suite, found, folders, wishes)
    elif wishes.as_json and against is None:
        told = found[""].to_dict()
    if against is not None:
        # An adapter and a text model are those of the model they were named with.
        how = {name: value for name, value in load.how.items() if name != "adapter"}
        others = _others(replace(load, model=against, answer_with=None, how=how), works, wishes, suite)
        compared = {
            work.name: _compared(found[work.name], others[work.name], folders[work.name], work.data, wishes)
            for work in works
        }
        told = compared[""] if suite is None else {**told, "against": compared}
    if wishes.as_json:
        out_json(told)
    rows = [row for result in found.values() for row in result.rows]
    if all(row.score.failed for row in rows):
        _warn(f"All samples failed: {rows[0].score.failed}")
        raise typer.Exit(1)


def _able(against: str, works: list[_Work], suite: str | None) -> None:
    """See that there is something to compare with before a long run."""
    from hark.engines.catalog import resolve
    from hark.evaluation.compare import alike
    from hark.evaluation.result import Result
    from hark.evaluation.runner import task_told

    if suite is None and _is_result(against):
        alike(task_told(works[0].task), Result.load(Path(against)).about["task"])
    elif not (Path(against) / "suite.json").is_file():
        resolve(against)


def _others(load: o.Load, works: list[_Work], wishes: _Wishes, suite: str | None) -> dict[str, Result]:
    """The results of the model that is compared with: those that there are, or made now."""
    from hark.evaluation.result import Result

    name = load.model or ""
    if suite is None and _is_result(name):
        return {works[0].name: Result.load(Path(name))}
    if suite is not None and (Path(name) / "suite.json").is_file():
        return {part: Result.load(folder) for part, folder in _folders(name, Path(name), works, suite).items()}
    out_folder = wishes.out / f"against-{_slug(name)}" if wishes.out else None
    return _all(load, works, _folders(name, out_folder, works, suite), wishes)


def _all(load: o.Load, works: list[_Work], folders: Mapping[str, Path], wishes: _Wishes) -> dict[str, Result]:
    with loaded(load, quiet=wishes.quiet) as listener:
        return {work.name: _one(listener, work, folders[work.name], wishes) for work in works}


def _one(listener: Listener, work: _Work, folder: Path, wishes: _Wishes) -> Result:
    """Evaluate one task and write all there is to say of it."""
    from hark.evaluation.publish import publish
    from hark.evaluation.report import text
    from hark.evaluation.runner import evaluate as run

    with _bar(work, quiet=wishes.quiet) as step:
        result = run(listener, work.task, work.data, folder, _setting(work, wishes), step=step)
    told = publish(result, folder, work.data, _room(wishes))
    if told["runs"] > 1 and not wishes.quiet:
        _warn(f"What earlier runs had answered was kept; remove {folder} to begin anew.")
    if not wishes.as_json:
        for line in text(told):
            out(printable(line))
        out(printable(f"  {folder / 'results.html'}"))
    return result


def _setting(work: _Work, wishes: _Wishes) -> Any:
    from hark.evaluation.runner import Setting
    from hark.evaluation.statistics import Drawing

    resamples, seed = wishes.drawn
    jobs, batch, retry = wishes.asking
    by = tuple(dict.fromkeys((*wishes.by, *work.by)))
    return Setting(wishes.options, by, wishes.draw_by, Drawing(resamples, seed=seed), jobs, batch, retry)


def _room(wishes: _Wishes) -> Any:
    from hark.evaluation.publish import Room

    return Room(*wishes.room)


def _named(load: o.Load) -> str:
    adapter = Path(load.how["adapter"]).name if load.how.get("adapter") else None
    return "-".join(name for name in (load.model or "default", adapter, load.answer_with) if name)


def _folders(model: str, out_folder: Path | None, works: list[_Work], suite: str | None) -> dict[str, Path]:
    """Where the results of each work go: a folder of its own, so that runs do not mix."""
    root = e.FOLDER / _slug(model)
    if suite is not None:
        slugs = [_slug(work.name) for work in works]
        names = [slug if slugs.count(slug) == 1 else f"{slug}-{n}" for n, slug in enumerate(slugs, 1)]
        return {work.name: (out_folder or root / suite) / name for work, name in zip(works, names, strict=True)}
    work = works[0]
    return {work.name: out_folder or root / _slug("-".join([work.task.name, *(p.stem for p in work.data.paths)]))}


def _suite(suite: str, found: Mapping[str, Result], folders: Mapping[str, Path], wishes: _Wishes) -> Mapping[str, Any]:
    from hark.evaluation import publish

    told = publish.summary(suite, {name: result.to_dict() for name, result in found.items()})
    folder = next(iter(folders.values())).parent
    publish.publish_suite(told, folder, {name: path.name for name, path in folders.items()})
    if not wishes.as_json:
        for line in publish.suite_text(told):
            out(printable(line))
        out(printable(f"  {folder / 'index.html'}"))
    return told


def _compared(ours: Result, theirs: Result, folder: Path, data: Any, wishes: _Wishes) -> Mapping[str, Any]:
    from hark.evaluation.compare import compare, text
    from hark.evaluation.publish import publish_comparison
    from hark.evaluation.statistics import Drawing

    comparison = compare(ours, theirs, Drawing(wishes.drawn[0], seed=wishes.drawn[1]))
    name = f"against-{_slug(theirs.about['model']['name'])}"
    told = publish_comparison(comparison, folder, data, _room(wishes), name)
    if not wishes.as_json:
        for line in text(comparison):
            out(printable(line))
        out(printable(f"  {folder / name}.html"))
    return told


def _compare_results(ours: str, theirs: str | None, wishes: _Wishes) -> None:
    from hark.evaluation.result import Result

    if theirs is None:
        raise OptionError(f"{ours} is a result.", hint="Compare it with --against FOLDER, or name a model and data.")
    if not _is_result(theirs):
        raise OptionError(f"{theirs} is no folder of a result.", hint="Name one, or a model and data in place of both.")
    folder = wishes.out or (Path(ours) if Path(ours).is_dir() else Path(ours).parent)
    told = _compared(Result.load(Path(ours)), Result.load(Path(theirs)), folder, [], wishes)
    if wishes.as_json:
        out_json(told)


def _is_result(name: str) -> bool:
    path = Path(name)
    return (path / "results.json").is_file() or (path.name == "results.json" and path.is_file())


def _works(
    data: Path | None, wanted: tuple[str | None, str | None, bool], values: Mapping[str, Any], how: tuple[Any, ...]
) -> list[_Work]:
    from hark.evaluation.chosen import DataSet
    from hark.evaluation.suites import said, suite_of

    (task, name, streaming), (form, audio, limit, seed) = wanted, how
    if name is None:
        chosen = DataSet((data,) if data else (), form, audio, limit, seed)
        return [_Work(_made(task or _told(chosen), values, streaming=streaming), chosen)]
    if task is not None or form is not None:
        raise OptionError("A suite brings its tasks and formats.", hint="Leave out --task and --from.")
    if data is None:
        raise OptionError(f"The suite {name} is read from a folder.", hint=f"hark evaluate MODEL FOLDER --suite {name}")
    suite = suite_of(name)
    works = []
    for part in suite.parts(data):
        chosen = DataSet(part.paths, part.form, audio, limit, seed)
        measured = _made(suite.task, {**suite.options, **values}, streaming=streaming)
        works.append(_Work(measured, chosen, part.name, said(suite.by, chosen)))
    return works


def _made(name: str, values: Mapping[str, Any], *, streaming: bool) -> Task:
    """The task of a name; streamed, its options are those of the task within."""
    from hark.evaluation.tasks import made

    if not streaming:
        return made(name, **values)
    own = {key: values[key] for key in ("policy", "chunk") if key in values}
    return made("streaming", task=name, options={key: values[key] for key in values if key not in own}, **own)


def _told(data: DataSet) -> str:
    """The task that data are for."""
    from hark.evaluation.tasks import TASKS, fitting

    names = f"Name it with --task: {', '.join(TASKS)}."
    if not data.paths:
        raise OptionError("There are neither data nor a task.", hint=f"hark evaluate MODEL DATA --task TASK. {names}")
    first = next(iter(replace(data, limit=None)), None)
    found = fitting(first) if first else None
    if found is None:
        raise OptionError("The data do not say what they are for.", hint=names)
    return found


def _pairs(given: Sequence[str] | None) -> dict[str, Any]:
    """Options of the task, as text: the task reads it."""
    found: dict[str, Any] = {}
    for pair in given or ():
        name, sign, value = pair.partition("=")
        if not sign or not name:
            raise OptionError(f"--set {pair} sets nothing.", hint="Write it as NAME=VALUE.")
        found[name] = value
    return found


def _list(*, as_json: bool) -> None:
    from hark.evaluation.suites import SUITES
    from hark.evaluation.tasks import TASKS

    tasks = {name: kind.about for name, kind in TASKS.items()}
    suites = {name: suite.about for name, suite in SUITES.items()}
    if as_json:
        out_json({"tasks": tasks, "suites": suites})
        return
    for heading, found in (("tasks", tasks), ("suites", suites)):
        out(f"{heading}:")
        for name, about in found.items():
            out(f"  {name:14} {about}")


def _slug(name: str) -> str:
    """A name as a folder can be called."""
    return re.sub(r"[^\w.-]+", "-", name.strip("/\\")).strip("-.") or "model"


@contextlib.contextmanager
def _bar(work: _Work, *, quiet: bool) -> Iterator[Callable[[Progress], None]]:
    """Show how many samples are scored, how many failed and the figure so far; nothing where stderr is no terminal."""
    if quiet or sys.stderr is None or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    from hark.evaluation.report import shown

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bars(
        *columns, TimeRemainingColumn(), console=console(stderr=True), transient=True, redirect_stdout=False
    ) as bars:
        total = sum(1 for _ in work.task.samples(work.data))
        task = bars.add_task(work.name or work.task.name, total=total or None)

        def step(progress: Progress) -> None:
            figure = progress.figure
            so_far = f" {figure.name} {shown(figure.value, figure.unit)}" if figure else ""
            failed = f", {progress.failed} failed" if progress.failed else ""
            bars.update(task, completed=progress.done, description=f"{work.name or work.task.name}{so_far}{failed}")

        yield step


def _warn(text: str) -> None:
    with contextlib.suppress(OSError):
        console(stderr=True).print(f"note: {printable(text)}", style="dim")
