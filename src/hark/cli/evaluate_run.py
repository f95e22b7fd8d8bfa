"""What `hark evaluate` does when it knows what is wanted: run, show, write, compare."""

from __future__ import annotations

import contextlib
import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from hark.cli.evaluate_options import FOLDER
from hark.cli.show import console, loaded, out, out_json, printable
from hark.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from hark.cli.options import Load
    from hark.evaluation.chosen import DataSet
    from hark.evaluation.result import Result
    from hark.evaluation.runner import Progress
    from hark.evaluation.task import Task
    from hark.listener import Listener


@dataclass(frozen=True, slots=True)
class Wishes:
    """What was said of figures, pages and asking.

    Attributes:
        options: for the model.
        by, draw_by: groups to break figures down by, and what intervals draw as one.
        drawn: resamples, and the seed.
        room: mistakes on a page, and bytes of sound in it.
        asking: questions at a time, in a batch, and whether to ask again about those that failed.
        out: the folder for results.
    """

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
class Work:
    """One task on one data set; `name` is that of the part of a suite, `by` are groups it is published by."""

    task: Task
    data: DataSet
    name: str = ""
    by: tuple[str, ...] = ()


def run(load: Load, against: str | None, works: list[Work], wishes: Wishes, suite: str | None) -> None:
    """Evaluate a model on all there is to do, and compare it where that was asked for.

    Raises:
        HarkError: as `hark.evaluation.runner.evaluate`. typer.Exit: all samples failed.
    """
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


def _able(against: str, works: list[Work], suite: str | None) -> None:
    """See that there is something to compare with before a long run."""
    from hark.engines.catalog import resolve
    from hark.evaluation.compare import alike
    from hark.evaluation.result import Result
    from hark.evaluation.runner import task_told

    if suite is None and is_result(against):
        alike(task_told(works[0].task), Result.load(Path(against)).about["task"])
    elif not (Path(against) / "suite.json").is_file():
        resolve(against)


def _others(load: Load, works: list[Work], wishes: Wishes, suite: str | None) -> dict[str, Result]:
    """The results of the model that is compared with: those that there are, or made now."""
    from hark.evaluation.result import Result

    name = load.model or ""
    if suite is None and is_result(name):
        return {works[0].name: Result.load(Path(name))}
    if suite is not None and (Path(name) / "suite.json").is_file():
        return {part: Result.load(folder) for part, folder in _folders(name, Path(name), works, suite).items()}
    out_folder = wishes.out / f"against-{_slug(name)}" if wishes.out else None
    return _all(load, works, _folders(name, out_folder, works, suite), wishes)


def _all(load: Load, works: list[Work], folders: Mapping[str, Path], wishes: Wishes) -> dict[str, Result]:
    with loaded(load, quiet=wishes.quiet) as listener:
        return {work.name: _one(listener, work, folders[work.name], wishes) for work in works}


def _one(listener: Listener, work: Work, folder: Path, wishes: Wishes) -> Result:
    """Evaluate one task and write all there is to say of it."""
    from hark.evaluation.publish import publish
    from hark.evaluation.report import text
    from hark.evaluation.runner import evaluate

    with _bar(work, quiet=wishes.quiet) as step:
        result = evaluate(listener, work.task, work.data, folder, _setting(work, wishes), step=step)
    told = publish(result, folder, work.data, _room(wishes))
    if told["runs"] > 1 and not wishes.quiet:
        _warn(f"What earlier runs had answered was kept; remove {folder} to begin anew.")
    if not wishes.as_json:
        for line in text(told):
            out(printable(line))
        out(printable(f"  {folder / 'results.html'}"))
    return result


def _setting(work: Work, wishes: Wishes) -> Any:
    from hark.evaluation.runner import Setting
    from hark.evaluation.statistics import Drawing

    resamples, seed = wishes.drawn
    jobs, batch, retry = wishes.asking
    by = tuple(dict.fromkeys((*wishes.by, *work.by)))
    return Setting(wishes.options, by, wishes.draw_by, Drawing(resamples, seed=seed), jobs, batch, retry)


def _room(wishes: Wishes) -> Any:
    from hark.evaluation.publish import Room

    return Room(*wishes.room)


def _named(load: Load) -> str:
    adapter = Path(load.how["adapter"]).name if load.how.get("adapter") else None
    return "-".join(name for name in (load.model or "default", adapter, load.answer_with) if name)


def _folders(model: str, out_folder: Path | None, works: list[Work], suite: str | None) -> dict[str, Path]:
    """Where the results of each work go: a folder of its own, so that runs do not mix."""
    root = FOLDER / _slug(model)
    if suite is not None:
        slugs = [_slug(work.name) for work in works]
        names = [slug if slugs.count(slug) == 1 else f"{slug}-{n}" for n, slug in enumerate(slugs, 1)]
        return {work.name: (out_folder or root / suite) / name for work, name in zip(works, names, strict=True)}
    work = works[0]
    return {work.name: out_folder or root / _slug("-".join([work.task.name, *(p.stem for p in work.data.paths)]))}


def _suite(suite: str, found: Mapping[str, Result], folders: Mapping[str, Path], wishes: Wishes) -> Mapping[str, Any]:
    from hark.evaluation import publish

    told = publish.summary(suite, {name: result.to_dict() for name, result in found.items()})
    folder = next(iter(folders.values())).parent
    publish.publish_suite(told, folder, {name: path.name for name, path in folders.items()})
    if not wishes.as_json:
        for line in publish.suite_text(told):
            out(printable(line))
        out(printable(f"  {folder / 'index.html'}"))
    return told


def _compared(ours: Result, theirs: Result, folder: Path, data: Any, wishes: Wishes) -> Mapping[str, Any]:
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


def compare_results(ours: str, theirs: str | None, wishes: Wishes) -> None:
    """Compare two results; nothing is asked.

    Raises:
        OptionError: there is no other, or they are of different measures. DataError: they share nothing.
    """
    from hark.evaluation.result import Result

    if theirs is None:
        raise OptionError(f"{ours} is a result.", hint="Compare it with --against FOLDER, or name a model and data.")
    if not is_result(theirs):
        raise OptionError(f"{theirs} is no folder of a result.", hint="Name one, or a model and data in place of both.")
    folder = wishes.out or (Path(ours) if Path(ours).is_dir() else Path(ours).parent)
    told = _compared(Result.load(Path(ours)), Result.load(Path(theirs)), folder, [], wishes)
    if wishes.as_json:
        out_json(told)


def is_result(name: str) -> bool:
    """Is it the folder of a result, or the file in it?"""
    path = Path(name)
    return (path / "results.json").is_file() or (path.name == "results.json" and path.is_file())


def _slug(name: str) -> str:
    """A name as a folder can be called."""
    return re.sub(r"[^\w.-]+", "-", name.strip("/\\")).strip("-.") or "model"


@contextlib.contextmanager
def _bar(work: Work, *, quiet: bool) -> Iterator[Callable[[Progress], None]]:
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
