"""`hark command`: spoken commands to intents and slots, from recordings or as they are spoken."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hark.audio.audio import Audio
from hark.cli import options as o
from hark.cli.show import Notes, error_values, loaded, out, out_json, progress, reporting, show_error
from hark.errors import HarkError, OptionError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hark.listener import Listener
    from hark.tasks.command.command import Command
    from hark.tasks.command.grammar import Grammar

_HOW = "hark command order.flac --grammar grammar.yaml, or hark command --microphone --grammar grammar.yaml"


def command(
    audio: Annotated[
        list[str] | None,
        typer.Argument(help="Files or URLs; - is stdin (raw 16-bit samples, mono, 16 kHz, with --microphone)."),
    ] = None,
    grammar: Annotated[
        Path, typer.Option("--grammar", "-g", help="What may be said: Picovoice's YAML, or JSGF with tags.")
    ] = ...,  # type: ignore[assignment]
    microphone: Annotated[bool, typer.Option("--microphone", help="Listen until Ctrl-C.")] = False,
    each: Annotated[
        bool, typer.Option("--each", help="Several orders in a recording: each ends where its speaker pauses.")
    ] = False,
    wake: Annotated[
        str | None, typer.Option("--wake", help="Hear only what follows this word; with --microphone or --each.")
    ] = None,
    pause: Annotated[
        float, typer.Option("--pause", help="Seconds of silence that end an order; with --microphone or --each.")
    ] = 0.8,
    as_json: o.Json = False,
    quiet: o.Quiet = False,
    language: o.Language = None,
    *,
    load: o.Load,
) -> None:
    """Tell what a spoken command wants: its intent and slots in a grammar of yours, or that it is none."""
    with reporting(as_json=as_json):
        from hark.audio.microphone import microphone as live
        from hark.audio.microphone import raw
        from hark.tasks.command.command import refuse
        from hark.tasks.command.grammar import Grammar

        names = audio or []
        _check(names, microphone=microphone, several=microphone or each, wake=wake, pause=pause)
        known = Grammar.of(grammar)
        show = _Show(Notes(quiet=quiet or as_json), as_json=as_json, heading=len(names) > 1)
        with loaded(load, quiet=quiet) as listener:
            refuse(listener.engine.name, listener.can, Audio.of(b"\0"), known, language)
            if microphone:
                name, blocks = ("-", raw(o.stdin())) if names else ("microphone", live())
                _listen(listener, name, blocks, known, wake, pause, language, show)
                return
            for name in names:
                with show.going_on(name):
                    show.begin(name)
                    if each:
                        blocks = o.audio(name).stream(block_seconds=1.0)
                        _listen(listener, name, blocks, known, wake, pause, language, show)
                    else:
                        clip = o.audio(name)
                        with progress([clip], quiet=quiet):
                            found = listener.command(clip, known, language=language)
                        show.result(name, found)
        if show.failed:
            raise typer.Exit(1)


def _check(names: list[str], *, microphone: bool, several: bool, wake: str | None, pause: float) -> None:
    if microphone and names not in ([], ["-"]):
        raise OptionError(
            "There is a recording, and --microphone.", hint="For several orders in a recording use --each instead."
        )
    if not microphone and not names:
        raise OptionError("There is no recording.", hint=_HOW)
    if wake is not None and not several:
        raise OptionError("--wake goes with --microphone or --each.", hint=_HOW)
    if not 0.1 <= pause <= 10:
        raise OptionError(f"pause cannot be {pause}.", hint="It is seconds, 0.1 to 10.")


def _listen(
    listener: Listener,
    name: str,
    blocks: Iterator[Any],
    grammar: Grammar,
    wake: str | None,
    pause: float,
    language: str | None,
    show: _Show,
) -> None:
    """Show each order of a stream as soon as it is over."""
    from hark.tasks.command.listening import listen

    spotter = None
    if wake is not None:
        from hark.engines.builtin.wake import WakeWord

        spotter = WakeWord(wake)
    with contextlib.closing(blocks):  # type: ignore[type-var]
        for found in listen(listener, blocks, grammar, wake=spotter, language=language, pause=pause):
            show.result(name, found, timed=True)


class _Show:
    """Writes results as they come."""

    def __init__(self, notes: Notes, *, as_json: bool, heading: bool) -> None:
        self.notes, self.as_json, self.heading = notes, as_json, heading
        self.failed = False

    def begin(self, name: str) -> None:
        if self.heading and not self.as_json:
            out(f"# {name}")

    def result(self, name: str, found: Command, *, timed: bool = False) -> None:
        if self.as_json:
            out_json({"audio": name, **found.to_dict()})
        else:
            minutes, tenths = divmod(round(found.start * 10), 600)
            out(f"[{minutes}:{tenths / 10:04.1f}] {found}" if timed else str(found))
        self.notes.show(found.notices)

    @contextlib.contextmanager
    def going_on(self, name: str) -> Iterator[None]:
        """Tell what goes wrong with one recording, and go on with the next."""
        try:
            yield
        except HarkError as error:
            if isinstance(error, OutputError):
                raise  # stdout takes nothing more
            self.failed = True
            if self.as_json:
                out_json({"audio": name, **error_values(error)})
            show_error(error)
