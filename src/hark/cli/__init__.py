"""The command line: one command per file beside this one; `main` is the entry point."""

from __future__ import annotations

import io
import os
import signal
import sys
from typing import Annotated, NoReturn

import typer

from hark.cli import (
    ask,
    classify,
    command,
    data,
    evaluate,
    listen,
    models,
    music,
    notes,
    serve,
    sounds,
    talk,
    tasks,
    train,
    transcribe,
    tune,
    understand,
)
from hark.cli.options import with_model
from hark.cli.show import show_error
from hark.cli.speakers import TakesSpeakers
from hark.errors import OutputError

app = typer.Typer(
    help="Ask a recording a question: audio and text in, text out, whatever model does the hearing.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from hark import __version__

        typer.echo(f"hark {__version__}")
        raise typer.Exit


@app.callback()
def _hark(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    del version


app.command()(with_model(ask.ask))
app.command(cls=TakesSpeakers)(with_model(transcribe.transcribe))
app.command(cls=TakesSpeakers)(with_model(transcribe.translate))
app.command()(with_model(classify.classify))
app.command()(with_model(command.command))
app.command()(with_model(listen.listen))
app.command(cls=TakesSpeakers)(with_model(notes.notes))
app.command()(with_model(understand.understand))
app.command()(with_model(music.music))
app.command()(with_model(sounds.sounds))
app.command()(with_model(ask.run))
app.command()(with_model(ask.chat))
app.command()(with_model(talk.talk))
app.add_typer(serve.app, name="serve")
app.add_typer(models.app, name="models")
app.add_typer(data.app, name="data")
app.add_typer(train.app, name="train")
app.command()(with_model(evaluate.evaluate))
app.command()(tune.tune)
app.command()(tasks.tasks)
app.command()(models.doctor)


_AGAIN = 5.0  # seconds


def _ended(number: int, _frame: object) -> NoReturn:
    """Leave as after an error, so that worker processes and temporary files go too.

    Python drops what is raised within `__del__` or a callback of C, so it is raised once more if that had no effect.
    """
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, lambda *_: _ended(number, None))
        signal.setitimer(signal.ITIMER_REAL, _AGAIN)
    raise SystemExit(128 + number)


def main() -> None:
    """Run the command line."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:  # `nohup` has it ignored
            signal.signal(number, _ended)
    if sys.stderr is None:  # closed: notes are lost, results are not
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - until the end
    if isinstance(sys.stdin, io.TextIOWrapper) and sys.stdin.errors == "strict":
        sys.stdin.reconfigure(errors="replace")  # a stray byte must not end a conversation
    try:
        app()
    except OSError as error:  # from typer itself: help or the version, to a full disk
        show_error(OutputError(f"The result could not be written: {error.strerror or error}."))
        sys.exit(1)
