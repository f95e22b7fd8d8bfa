"""`hark data`: convert data sets between formats, check them, make features of them for training."""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hark.cli import options as o
from hark.cli.show import console, out, out_json, printable, reporting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hark.data.check.check import Check, Problem, Split
    from hark.data.source import Bad

app = typer.Typer(help="Data to train and judge models with: convert, check and prepare it.", no_args_is_help=True)
_SHOWN = 10  # problems of a kind, and groups of a file

AudioRoot = Annotated[
    Path | None, typer.Option("--audio", help="The folder in which relative names of recordings begin.")
]
Jobs = Annotated[int | None, typer.Option("--jobs", "-j", min=1, help="Processes; by default one for each core.")]


def _formats(incomplete: str) -> list[str]:
    from hark.data.formats import FORMATS

    return [name for name in FORMATS if name.startswith(incomplete)]


From = Annotated[
    str | None, typer.Option("--from", help="Its format, if it cannot be told from it.", autocompletion=_formats)
]


@app.command()
def formats(as_json: o.Json = False) -> None:
    """List the formats that are read and written."""
    from hark.data.formats import FORMATS

    with reporting(as_json=as_json):
        if as_json:
            out_json({name: form.ABOUT for name, form in FORMATS.items()})
            return
        for name, form in sorted(FORMATS.items()):
            out(f"{name:20} {form.ABOUT}")


@app.command()
def convert(
    given: Annotated[Path, typer.Argument(metavar="IN", help="A data set: a file or a folder.")],
    to_path: Annotated[Path, typer.Argument(metavar="OUT", help="What to write; it must not be there yet.")],
    form: From = None,
    to: Annotated[
        str | None,
        typer.Option("--to", help="The format to write: see hark data formats.", autocompletion=_formats),
    ] = None,
    audio: AudioRoot = None,
    copy_audio: Annotated[
        bool, typer.Option("--copy-audio", help="Copy the recordings, too; stretches are cut out.")
    ] = False,
    prompt: Annotated[
        str | None, typer.Option("--prompt", help="What to ask where a sample asks nothing, as transcripts do.")
    ] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out what cannot be read or held.")] = False,
    quiet: o.Quiet = False,
) -> None:
    """Write a data set in another format. What that cannot hold is named; recordings stay where they are."""
    from hark.data.asking import asking
    from hark.data.reading import read, write

    bad: list[Bad] = []
    with reporting():
        with _bar("samples", quiet=quiet) as step:
            samples = read(given, form, audio=audio, bad=bad.append if skip_bad else None)
            counted = _counted(asking(samples, prompt), step)
            count, lost = write(counted, to_path, to, copy_audio=copy_audio, bad=bad.append if skip_bad else None)
        for what, number in lost.most_common():
            _warn(f"{number} of {count} samples: the format cannot hold {what}.")
        _say_bad(bad)
        out(f"{to_path}: {count} samples")
        if bad:
            raise typer.Exit(1)


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(help="A data set; or its splits, which are compared with each other.")],
    form: From = None,
    audio: AudioRoot = None,
    shortest: Annotated[float, typer.Option("--min-seconds", help="Shorter recordings are errors.")] = 0.1,
    longest: Annotated[float, typer.Option("--max-seconds", help="Longer recordings are warned of.")] = 30.0,
    strict: Annotated[bool, typer.Option("--strict", help="Count warnings as errors.")] = False,
    jobs: Jobs = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON: all problems, and what there is.")] = False,
    quiet: o.Quiet = False,
) -> None:
    """Hear every recording and look at every text; say what is wrong, and how many hours of what there are.

    Exit status 1 says that there are errors.
    """
    from hark.data.check.check import Check, Limits

    with reporting(as_json=as_json):
        checking = Check(Limits(shortest, longest), jobs)
        problems: list[Problem] = []
        for file in files:
            with _bar(f"{file.name}", quiet=quiet) as step:
                problems += checking.problems(file, form, audio=audio, step=lambda step=step: step(1))  # type: ignore[misc]
        if as_json:
            out_json(_check_values(checking, problems))
        else:
            _show_check(checking, problems)
        if any(problem.grave or strict for problem in problems) or not any(s.samples for s in checking.splits):
            raise typer.Exit(1)


@app.command()
def prepare(
    given: Annotated[Path, typer.Argument(metavar="IN", help="A data set of recordings with their text.")],
    folder: Annotated[Path, typer.Argument(metavar="OUT", help="The folder to write; a stopped run into it goes on.")],
    form: From = None,
    audio: AudioRoot = None,
    vocab: Annotated[
        str, typer.Option("--vocab", help="Pieces, such as 1000; characters; words; or a folder that has some.")
    ] = "characters",
    bins: Annotated[int, typer.Option("--bins", help="Mel bands.")] = 80,
    shard: Annotated[int, typer.Option("--shard", help="Samples in each shard.")] = 500,
    longest: Annotated[float, typer.Option("--max-seconds", help="Longer recordings are left out, and named.")] = 60.0,
    lowercase: Annotated[bool, typer.Option("--lowercase", help="Make text lower case.")] = False,
    jobs: Jobs = None,
    as_json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Make features, labels, a vocabulary and statistics for training from scratch."""
    from hark.data.prepare.prepare import Wishes, prepare

    with reporting(as_json=as_json):
        wishes = Wishes(vocab, bins, shard, longest, lowercase)
        with _bar("samples", quiet=quiet) as step:
            done = prepare(given, folder, wishes, form=form, audio=audio, jobs=jobs, step=step)
        if as_json:
            out_json(done)
            return
        if done["skipped"]:
            _warn(f"{done['skipped']} samples were left out; why is in {folder / 'skipped.jsonl'}.")
        if done["unknown"]:
            _warn(f"{done['unknown']} pieces of the texts are not in the vocabulary.")
        hours = done["seconds"] / 3600
        out(f"{folder}: {done['samples']} samples, {hours:.2f} hours, {done['pieces']} pieces, {done['shards']} shards")


def _check_values(checking: Check, problems: Sequence[Problem]) -> dict[str, Any]:
    return {
        "files": [split.to_dict() for split in checking.splits],
        "counts": dict(Counter(problem.kind for problem in problems).most_common()),
        "problems": [
            {
                "file": each.file,
                "sample": each.sample,
                "kind": each.kind,
                "level": "error" if each.grave else "warning",
                "text": each.text,
            }
            for each in problems
        ],
    }


def _show_check(checking: Check, problems: Sequence[Problem]) -> None:
    counts = Counter(problem.kind for problem in problems)
    for kind, count in sorted(counts.items(), key=lambda pair: -pair[1]):
        some = [problem for problem in problems if problem.kind == kind]
        out(printable(f"{'error' if some[0].grave else 'warning'}: {kind}, {count} times"))
        for each in some[:_SHOWN]:
            where = f"{each.file}: " if len(checking.splits) > 1 else ""
            out(printable(f"    {where}{each.sample}: {each.text}"))
        if count > _SHOWN:
            out(f"    ... and {count - _SHOWN} more: --json lists them")
    for split in checking.splits:
        _show_split(split)
    if not problems:
        out("Nothing is wrong with it.")


def _show_split(split: Split) -> None:
    out(f"{split.file}: {split.samples} samples, {split.answered} with an answer, {_hours(split.seconds)}")
    for name, group in split.to_dict()["seconds_by"].items():
        some = [f"{value} {_hours(seconds)}" for value, seconds in [*group.items()][:_SHOWN]]
        more = f", and {len(group) - _SHOWN} more" if len(group) > _SHOWN else ""
        out(printable(f"    by {name}: {', '.join(some)}{more}"))


def _hours(seconds: float) -> str:
    return (
        f"{seconds / 3600:.2f} h"
        if seconds >= 360
        else f"{seconds / 60:.1f} min"
        if seconds >= 60
        else f"{seconds:.1f} s"
    )


def _counted(samples: Iterator[Any], step: Callable[[int], None]) -> Iterator[Any]:
    for sample in samples:
        yield sample
        step(1)


def _say_bad(bad: Sequence[Bad]) -> None:
    for each in bad[:_SHOWN]:
        _warn(f"left out: {each.where}: {each.why}")
    if len(bad) > _SHOWN:
        _warn(f"left out: {len(bad)} in all.")


def _warn(text: str) -> None:
    with contextlib.suppress(OSError):
        console(stderr=True).print(f"note: {printable(text)}", style="dim")


@contextlib.contextmanager
def _bar(what: str, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Show how many samples are done; nothing where stderr is no terminal or `quiet`."""
    if quiet or sys.stderr is None or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console(stderr=True), transient=True, redirect_stdout=False) as bars:
        task = bars.add_task(what, total=None)
        yield lambda done: bars.advance(task, done)
