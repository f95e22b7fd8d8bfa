"""The command line: one command per file beside this one; `main` is the entry point."""

from __future__ import annotations

import io
import sys
from typing import Annotated

import typer

from hark.cli import ask, models, transcribe

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


app.command()(ask.ask)
app.command()(transcribe.transcribe)
app.command()(transcribe.translate)
app.command()(ask.run)
app.command()(ask.chat)
app.add_typer(models.app, name="models")
app.command()(models.doctor)


def main() -> None:
    """Run the command line."""
    if isinstance(sys.stdin, io.TextIOWrapper) and sys.stdin.errors == "strict":
        sys.stdin.reconfigure(errors="replace")  # a stray byte must not end a conversation
    app()
