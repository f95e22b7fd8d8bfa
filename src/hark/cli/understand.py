"""`hark understand`: intent, sentiment, emotion and certainty, with what each rests on."""

from __future__ import annotations

from typing import Annotated

import typer

from hark.cli import options as o
from hark.cli.show import Notes, error_values, loaded, out, out_json, reporting, show_error
from hark.errors import HarkError, OutputError


def understand(
    audio: Annotated[list[str], typer.Argument(help="Files or URLs; - is stdin.")],
    long: o.Long = None,
    as_json: o.Json = False,
    quiet: o.Quiet = False,
    language: o.Language = None,
    temperature: o.Temperature = None,
    max_new_tokens: o.MaxNewTokens = None,
    seed: o.Seed = None,
    *,
    load: o.Load,
) -> None:
    """Tell what a speaker means and how: intent, sentiment, emotion, certainty."""
    failed = False
    with reporting(as_json=as_json):
        chosen = o.given(
            language=language, temperature=temperature, max_new_tokens=max_new_tokens, seed=seed, long=o.long(long)
        )
        notes = Notes(quiet=quiet or as_json)
        with loaded(load, quiet=quiet) as listener:
            from hark.tasks.understand import refuse

            refuse(listener, chosen)
            for name in audio:
                try:
                    found = listener.understand(o.audio(name), **chosen)
                    if as_json:
                        out_json({"audio": name, **found.to_dict()})
                    else:
                        out((f"# {name}\n" if len(audio) > 1 else "") + found.to_markdown(), end="")
                    notes.show(found.notices)
                except HarkError as error:
                    if isinstance(error, OutputError):
                        raise  # stdout takes nothing more
                    failed = True
                    if as_json:
                        out_json({"audio": name, **error_values(error)})
                    show_error(error)
    if failed:
        raise typer.Exit(1)
