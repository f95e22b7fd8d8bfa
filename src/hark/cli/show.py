"""How the command line shows things: errors with a hint, notes, progress. Results go to stdout, all else to stderr."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from typing import TYPE_CHECKING, Any

import typer

from hark.errors import HarkError, OutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rich.console import Console

    from hark.answers.answer import Notice
    from hark.audio.audio import Audio


def console(*, stderr: bool = False) -> Console:
    """A rich console that leaves text as it is: no markup, no emoji, no guessed colours."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else 200  # nothing is folded in a file or a pipe
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False, soft_wrap=True, width=width)


def out(text: str, end: str = "\n") -> None:
    """Write to stdout at once.

    Raises:
        OutputError: what stdout leads to is full or broken (a closed pipe ends the program quietly).
    """
    try:
        sys.stdout.write(text + end)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter complains at exit
        raise typer.Exit(0) from None
    except OSError as error:
        raise OutputError(f"The result could not be written: {error.strerror}.") from error


def out_json(value: Any) -> None:
    """Write one JSON value on one line."""
    out(json.dumps(value, ensure_ascii=False))


def error_values(error: HarkError) -> dict[str, str]:
    """An error as plain values for JSON."""
    return {"error": error.message, "error_type": type(error).__name__, "hint": error.hint}


def show_error(error: HarkError) -> None:
    """Say on stderr what is wrong and what to do about it."""
    screen = console(stderr=True)
    screen.print(f"hark: {error.message}", style="bold red")
    if error.hint:
        screen.print(f"      {error.hint}")


@contextlib.contextmanager
def reporting(*, as_json: bool = False) -> Iterator[None]:
    """Turn an error of hark into a message and exit status 1; Ctrl-C into 130."""
    try:
        yield
    except HarkError as error:
        if as_json:
            out_json(error_values(error))
        show_error(error)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def notes(notices: Iterable[Notice], *, quiet: bool) -> None:
    """Say on stderr what a person should know about an answer."""
    if not quiet:
        screen = console(stderr=True)
        for notice in notices:
            screen.print(f"note: {notice.text}", style="dim")


@contextlib.contextmanager
def progress(clips: Iterable[Audio], *, quiet: bool) -> Iterator[Callable[[float], None]]:
    """Show how far into the clips the model has come; nothing where stderr is no terminal or `quiet`."""
    if quiet or not sys.stderr.isatty():
        yield lambda _heard: None
        return
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as bar, downloads(bar):
        task = bar.add_task("hearing", total=None)
        with contextlib.suppress(HarkError):  # a file that cannot be read is told by whoever reads it next
            bar.update(task, total=sum(clip.duration for clip in clips) or None)
        yield lambda heard: bar.update(task, completed=heard)


@contextlib.contextmanager
def downloads(bar: Any) -> Iterator[None]:
    """Show downloads of media on the same bar."""
    from hark.audio import fetch

    tasks: dict[str, Any] = {}

    def show(done: int, size: int | None) -> None:
        if "fetch" not in tasks:
            tasks["fetch"] = bar.add_task("fetching", total=size)
        bar.update(tasks["fetch"], completed=done, total=size)

    token = fetch.progress.set(show)
    try:
        yield
    finally:
        fetch.progress.reset(token)
