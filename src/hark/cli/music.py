"""`hark music`: key, tempo, meter, sections and loudness of a song, in words, as JSON or as a picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hark.cli import options as o
from hark.cli.show import Notes, loaded, out, out_json, progress, reporting
from hark.errors import OptionError, OutputError

if TYPE_CHECKING:
    from hark.tasks.music import Music

_FORMS = {".md": "md", ".markdown": "md", ".json": "json", ".html": "html", ".htm": "html", ".png": "png"}


def music(
    audio: Annotated[str, typer.Argument(help="A file or URL; - is stdin.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A file: .png is a picture, .html a page with the song in it, .md, .json."),
    ] = None,
    suggest: Annotated[
        str | None, typer.Option("--suggest", help='A wish, such as "jazz reharmonization for the chorus".')
    ] = None,
    with_audio: Annotated[bool, typer.Option("--audio/--no-audio", help="Put the song into the page.")] = True,
    as_json: o.Json = False,
    quiet: o.Quiet = False,
    temperature: o.Temperature = None,
    max_new_tokens: o.MaxNewTokens = None,
    seed: o.Seed = None,
    *,
    load: o.Load,
) -> None:
    """Tell key, tempo, meter, sections and loudness of music; --suggest gives other chords."""
    with reporting(as_json=as_json):
        form = form_of(output, _FORMS, as_json=as_json, default="md")
        if suggest is not None and not suggest.strip():
            raise OptionError("The wish is empty.", hint='For example --suggest "jazz reharmonization for the chorus".')
        chosen = o.given(temperature=temperature, max_new_tokens=max_new_tokens, seed=seed)
        from hark.tasks.music import refuse

        notes = Notes(quiet=quiet or (as_json and output is None))
        with loaded(load, quiet=quiet) as listener:
            refuse(listener, suggest)
            clip = o.audio(audio)
            with progress([clip], quiet=quiet):
                found = listener.music(clip, suggest=suggest, **chosen)
        if output is None:
            out_json({"audio": audio, **found.to_dict()}) if form == "json" else out(found.to_markdown(), end="")
        else:
            write(output, _content(found, form, with_audio=with_audio))
        notes.show(found.notices)


def _content(found: Music, form: str, *, with_audio: bool) -> bytes:
    if form == "png":
        return found.to_png()
    if form == "json":
        return (json.dumps(found.to_dict(), ensure_ascii=False, indent=1) + "\n").encode()
    return (found.to_html(audio=with_audio) if form == "html" else found.to_markdown()).encode(errors="replace")


def form_of(output: Path | None, forms: dict[str, str], *, as_json: bool, default: str) -> str:
    """What to write, by the ending, and whether it can be written, before the work.

    Raises:
        OptionError: nothing is written under such a name.
        OutputError: there is no folder to write it into.
    """
    if output is None:
        return "json" if as_json else default
    form = forms.get(output.suffix.lower())
    if form is None or (as_json and form != "json"):
        raise OptionError(
            f"Nothing is written as {output.name}{' with --json' * as_json}.",
            hint=f"The name ends in {', '.join(forms)}.",
        )
    if not output.parent.is_dir():
        raise OutputError(
            f"There is no folder {output.parent} to write {output.name} into.", hint=f"mkdir -p {output.parent}"
        )
    return form


def write(path: Path, content: bytes) -> None:
    """Write a result to a file.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        path.write_bytes(content)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}.") from error
