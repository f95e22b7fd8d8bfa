"""`hark notes`: what a meeting leaves behind, as Markdown, JSON or one page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hark.cli import options as o
from hark.cli.show import Notes as Said
from hark.cli.show import loaded, out, out_json, progress, reporting
from hark.cli.speakers import DiarizeWith, Speakers, Who
from hark.errors import OptionError, OutputError

if TYPE_CHECKING:
    from hark.listener import Listener
    from hark.tasks.notes.notes import Wish
    from hark.tasks.notes.values import Notes

_FORMS = {".md": "md", ".markdown": "md", ".json": "json", ".html": "html", ".htm": "html"}


def notes(
    audio: Annotated[str, typer.Argument(help="A file or URL; - is stdin.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A file: .html is one page with the recording in it, .md, .json."),
    ] = None,
    date: Annotated[
        str | None, typer.Option("--date", help="The day of the meeting, as 2026-11-20; else today.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check/--no-check", help="Make a transcript to find quotes in, where a model writes.")
    ] = True,
    with_audio: Annotated[bool, typer.Option("--audio/--no-audio", help="Put the recording into the page.")] = True,
    long: o.Long = None,
    as_json: o.Json = False,
    quiet: o.Quiet = False,
    language: o.Language = None,
    speakers: Speakers = None,
    diarize_with: DiarizeWith = None,
    temperature: o.Temperature = None,
    max_new_tokens: o.MaxNewTokens = None,
    seed: o.Seed = None,
    *,
    load: o.Load,
) -> None:
    """Take the notes of a meeting: decisions, who does what by when, open questions, each with its quote."""
    with reporting(as_json=as_json):
        form = _form(output, as_json=as_json)
        who = Who.of(speakers, diarize_with)
        chosen = o.given(
            language=language, temperature=temperature, max_new_tokens=max_new_tokens, seed=seed, long=o.long(long)
        )
        if who:
            chosen |= {"speakers": who.speakers or True, "diarize_with": who.folder}
        from hark.tasks.notes.notes import Wish, refuse

        wish = Wish.of(o.audio(audio), date, None, check, chosen)
        said = Said(quiet=quiet or (as_json and output is None))
        with loaded(load, quiet=quiet) as listener:
            refuse(listener, chosen)
            found = _taken(listener, wish, said)
        text = _text(found, form, with_audio=with_audio)
        if output is None:
            out_json(found.to_dict()) if form == "json" else out(text, end="")
        else:
            _write(output, text)
        said.show(found.notices)


def _taken(listener: Listener, wish: Wish, said: Said) -> Notes:
    from hark.tasks.notes.notes import steps

    made: Any = steps(listener, wish)
    with progress([wish.clip], quiet=said.quiet) as bar:
        while True:
            try:
                delta = next(made)
            except StopIteration as over:
                found: Notes = over.value
                return found
            said.show(delta.notices)  # what it will cost, before it does
            if delta.heard is not None:
                bar.heard(delta.heard)


def _form(output: Path | None, *, as_json: bool) -> str:
    """What to write, and whether it can be written, before the work."""
    if output is None:
        return "json" if as_json else "md"
    form = _FORMS.get(output.suffix.lower())
    if form is None or (as_json and form != "json"):
        raise OptionError(
            f"Notes are not written as {output.name}{' with --json' * as_json}.",
            hint="The name ends in .html, .md or .json.",
        )
    if not output.parent.is_dir():
        raise OutputError(
            f"There is no folder {output.parent} to write {output.name} into.", hint=f"mkdir -p {output.parent}"
        )
    return form


def _text(found: Notes, form: str, *, with_audio: bool) -> str:
    if form == "json":
        return json.dumps(found.to_dict(), ensure_ascii=False, indent=1) + "\n"
    return found.to_html(audio=with_audio) if form == "html" else found.to_markdown()


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}.") from error
