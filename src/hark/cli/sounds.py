"""`hark sounds`: what is heard when, as captions with times."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hark.answers.subtitles import FORMATS
from hark.cli import options as o
from hark.cli.music import form_of, write
from hark.cli.show import Notes, loaded, out, out_json, progress, reporting
from hark.errors import OptionError


def sounds(
    audio: Annotated[str, typer.Argument(help="A file or URL; - is stdin.")],
    form: Annotated[
        str | None, typer.Option("--format", "-f", help="txt, srt, vtt, tsv or json; else told by the output's ending.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file to write to.")] = None,
    as_json: o.Json = False,
    quiet: o.Quiet = False,
    temperature: o.Temperature = None,
    max_new_tokens: o.MaxNewTokens = None,
    seed: o.Seed = None,
    *,
    load: o.Load,
) -> None:
    """Tell what is heard when: knocks, speech, music, a siren, as captions with times."""
    with reporting(as_json=as_json):
        chosen_form = _form(form, output, as_json=as_json)
        chosen = o.given(temperature=temperature, max_new_tokens=max_new_tokens, seed=seed)
        from hark.tasks.sounds import refuse

        notes = Notes(quiet=quiet or (chosen_form == "json" and output is None))
        with loaded(load, quiet=quiet) as listener:
            refuse(listener)
            clip = o.audio(audio)
            with progress([clip], quiet=quiet):
                found = listener.sounds(clip, **chosen)
        if output is not None:
            write(output, found.to(chosen_form).encode(errors="replace"))
        elif chosen_form == "json":
            out_json({"audio": audio, **found.to_dict()})
        else:
            out(found.to(chosen_form), end="")
        notes.show(found.notices)


def _form(form: str | None, output: Path | None, *, as_json: bool) -> str:
    named = "json" if as_json else form
    if named is not None and named not in FORMATS:
        raise OptionError(f"There is no format {named!r}.", hint=f"Formats are {', '.join(FORMATS)}.")
    endings = {f".{each}": each for each in FORMATS}
    if named is not None and output is not None:
        endings |= {output.suffix.lower(): named}  # the format named counts, whatever the ending
    return form_of(output, endings, as_json=False, default=named or "txt")
