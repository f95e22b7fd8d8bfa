"""`hark serve`: models over HTTP; `hark serve key`: a key for it."""

from __future__ import annotations

import contextlib
import threading
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hark.cli import options as o
from hark.cli.serve_options import config, with_options
from hark.cli.show import downloading, out, reporting
from hark.errors import MissingExtraError, OutputError

if TYPE_CHECKING:
    from hark.server.config import Config

app = typer.Typer(invoke_without_command=True, add_help_option=True)


@app.callback()
@with_options
def serve(
    context: typer.Context,
    open_page: Annotated[bool, typer.Option("--open", help="Show its page in the browser.")] = False,
    quiet: o.Quiet = False,
    *,
    values: dict[str, Any],
) -> None:
    """Serve models over HTTP, with a page to ask them on, and OpenAI's and Hugging Face's protocols: docs/server.md."""
    if context.invoked_subcommand is not None:
        return
    with reporting():
        try:
            from hark.server.run import run
        except ImportError as error:
            raise MissingExtraError.of("The server", "serve") from error
        wanted = config(values)
        _check_models(wanted, download=values["download"], quiet=quiet)
        run(wanted, lambda address: _announce(wanted, address, quiet=quiet, open_page=open_page))


def _check_models(config: Config, *, download: bool, quiet: bool) -> None:
    """Refuse, before anything listens, models that are not there or cannot be loaded as wanted; load none."""
    from dataclasses import asdict

    from hark.engines.catalog import open_engine, resolve

    for served in config.models:
        how = asdict(served.loading)
        with downloading(quiet=quiet or not download) as show:
            open_engine(resolve(served.model, served.answer_with), download=download, progress=show, **how).close()


def _announce(config: Config, address: str, *, quiet: bool, open_page: bool) -> None:
    key = ' -H "Authorization: Bearer $KEY"' if config.keys else ""
    names = [served.name for served in config.models]
    with contextlib.suppress(OutputError):  # it serves, whoever reads this
        out(f"hark serves {', '.join(names)} at {address}")
        if not quiet:
            out(f"Try: curl{key} {address}/v1/audio/transcriptions -F file=@recording.wav -F model={names[0]}")
    if open_page:
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()  # some return when it is closed


@app.command()
def key(
    name: Annotated[str, typer.Argument(help="Whose it is: logs and metrics name it so.")],
    file: Annotated[
        Path | None, typer.Option("--add-to", help="Append its line to this file; only the key is shown then.")
    ] = None,
) -> None:
    """Make a key for a server: the key goes to the client, the line with its hash into the file of keys."""
    with reporting():
        from hark.server import keys

        made = keys.new()
        line = keys.line(name, made)
        if file is None:
            out(f"Key, for the client:           {made}\nLine, for --api-keys-file FILE: {line}")
            return
        keys.add(file, name, made)
        out(made)
