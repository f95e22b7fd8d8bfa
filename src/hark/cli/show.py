"""How the command line shows things: errors with a hint, notes, progress. Results go to stdout, all else to stderr."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from typing import TYPE_CHECKING, Any

import typer

from hark.errors import HarkError, OutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from rich.console import Console

    from hark.answers.answer import Notice
    from hark.audio.audio import Audio
    from hark.cli.options import Load
    from hark.conversation.conversation import Conversation
    from hark.listener import Listener


_STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def console(*, stderr: bool = False) -> Console:
    """A rich console that leaves text as it is: no markup, no emoji, no guessed colours."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream is not None and stream.isatty() else 200  # nothing is folded in a file or a pipe
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False, soft_wrap=True, width=width)


def out(text: str, end: str = "\n") -> None:
    """Write to stdout at once.

    Raises:
        OutputError: what stdout leads to is full or broken (a closed pipe ends the program quietly).
    """
    if sys.stdout is None:
        raise OutputError("The result could not be written: standard output is closed.")
    text = (printable(text) if sys.stdout.isatty() else text) + end
    try:
        try:
            sys.stdout.write(text)
        except UnicodeEncodeError:  # an old terminal: what it does not know is shown as escapes, the rest as it is
            sys.stdout.write(text.encode(sys.stdout.encoding, "backslashreplace").decode(sys.stdout.encoding))
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter complains at exit
        raise typer.Exit(0) from None
    except OSError as error:
        raise OutputError(f"The result could not be written: {error.strerror}.") from error


def out_json(value: Any) -> None:
    """Write one JSON value on one line; what stdout cannot encode is written as JSON's own escapes."""
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value)
    out(text)


def printable(text: str) -> str:
    """Text that cannot steer a terminal: control characters and those that turn its direction, as escapes.

    They may come from the name of a file somebody else made.
    """
    return _STEERING.sub(lambda found: found.group().encode("unicode_escape").decode(), text)


def error_values(error: HarkError) -> dict[str, str]:
    """An error as plain values for JSON."""
    return {"error": error.message, "error_type": type(error).__name__, "hint": error.hint}


def show_error(error: HarkError) -> None:
    """Say on stderr what is wrong and what to do about it."""
    _say(f"hark: {error.message}", "bold red")
    if error.hint:
        _say(f"      {error.hint}")


@contextlib.contextmanager
def reporting(*, as_json: bool = False) -> Iterator[None]:
    """Turn an error of hark into a message and exit status 1; Ctrl-C into 130."""
    try:
        yield
    except HarkError as error:
        show_error(error)
        if as_json and not isinstance(error, OutputError):
            with contextlib.suppress(OutputError):
                out_json(error_values(error))
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


class Notes:
    """Says on stderr what a person should know about answers, each thing once in a command."""

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet
        self._said: set[str] = set()

    def show(self, notices: Iterable[Notice]) -> None:
        """Say what was not said before."""
        for notice in notices:
            if not self.quiet and notice.text not in self._said:
                self._said.add(notice.text)
                self.say(f"note: {notice.text}")

    def say(self, text: str) -> None:
        """Say something else."""
        if not self.quiet:
            _say(text, "dim")


def _say(text: str, style: str = "") -> None:
    with contextlib.suppress(OSError):  # a note that stderr does not take must not cost the result
        console(stderr=True).print(printable(text), style=style)


class Progress:
    """How far into the audio the model has come, and what is being fetched; shows nothing."""

    def heard(self, seconds: float) -> None:
        """So many seconds have been heard."""

    def give_way(self) -> None:
        """Text comes to the terminal now."""


class _Bar(Progress):
    """Shows it as a bar on stderr."""

    def __init__(self, bar: Any) -> None:
        self.bar = bar
        self.hearing = bar.add_task("hearing", total=None)
        self.fetching: Any = None

    def heard(self, seconds: float) -> None:
        self.bar.update(self.hearing, completed=seconds)

    def give_way(self) -> None:
        if sys.stdout.isatty():
            self.bar.stop()

    def fetched(self, done: int, size: int | None) -> None:
        if self.fetching is None:
            self.fetching = self.bar.add_task("fetching", total=size)
        self.bar.update(self.fetching, completed=done, total=size)


@contextlib.contextmanager
def progress(clips: Sequence[Audio], *, quiet: bool) -> Iterator[Progress]:
    """Show how far into the clips the model has come; nothing where stderr is no terminal or `quiet`."""
    if quiet or not sys.stderr.isatty():
        yield Progress()
        return
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    from hark.audio import fetch

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    # Redirected, results on stdout would end up on stderr, where the bar is.
    with Bars(
        *columns, console=console(stderr=True), transient=True, redirect_stdout=False, redirect_stderr=False
    ) as bars:
        bar = _Bar(bars)
        token = fetch.progress.set(bar.fetched)
        try:
            with contextlib.suppress(HarkError):  # a file that cannot be read is told by whoever reads it next
                bars.update(bar.hearing, total=sum(clip.duration for clip in clips) or None)
            yield bar
        finally:
            fetch.progress.reset(token)


@contextlib.contextmanager
def downloading(*, quiet: bool) -> Iterator[Callable[[int, int], None] | None]:
    """Show how far the download of a model's weights is; None where nothing is to be shown."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("downloading"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Bars(*columns, console=console(stderr=True), transient=True, redirect_stdout=False) as bars:
        task = bars.add_task("", total=None, visible=False)  # until there is something to fetch
        yield lambda done, size: bars.update(task, completed=done, total=size, visible=True)


@contextlib.contextmanager
def loaded(
    load: Load, *, quiet: bool = False, first: tuple[Conversation, dict[str, Any]] | None = None
) -> Iterator[Listener]:
    """Load a model for one command, with a bar while its weights are downloaded, if they are.

    `first` is what will be asked, with its options: what is beyond the model is refused before anything is fetched.
    """
    from hark import settings
    from hark.engines.asking import prepared
    from hark.engines.catalog import open_engine, resolve
    from hark.engines.engine import Options
    from hark.listener import Listener

    found = resolve(load.model or settings.current().model, load.answer_with)
    if first:
        prepared(found.name, found.can, first[0], Options.of(**first[1]))
    with downloading(quiet=quiet or not load.download) as show:
        engine = open_engine(found, download=load.download, progress=show, **load.how)
    with Listener(engine) as listener:
        yield listener
