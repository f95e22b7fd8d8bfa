"""`hark listen`: what is said, written down in the terminal while it is said."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

import typer

from hark.answers.subtitles import write
from hark.answers.transcript import Transcript
from hark.audio.audio import Audio
from hark.cli import options as o
from hark.cli import sources
from hark.cli.show import console, loaded, out, out_json, printable, reporting
from hark.conversation.conversation import Conversation
from hark.errors import OptionError, OutputError

if TYPE_CHECKING:
    from rich.live import Live

    from hark.answers.transcript import Segment
    from hark.cli.sources import Blocks
    from hark.realtime.listening import Heard


def listen(
    raw: sources.Raw = None,
    file: sources.File = None,
    realtime: sources.Realtime = False,
    silence: sources.Silence = 0.5,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write the transcript to a file at the end: txt srt vtt tsv json."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="JSON lines: what is known of a turn, whenever it changes.")
    ] = False,
    quiet: o.Quiet = False,
    language: o.Language = None,
    *,
    load: o.Load,
) -> None:
    """Write down what is said while it is said, until Ctrl-C: settled text stays, the rest may still change."""
    with reporting(as_json=as_json):
        sources.check(raw, file, silence, realtime=realtime)
        _check(output)
        options = o.given(language=language)
        asked = (Conversation.ask((Audio.of(b"\0"),)), {"task": "transcribe", **options})
        kept = _Kept(output, language)
        with (
            loaded(load, quiet=quiet, first=asked) as listener,
            sources.opened(raw, file, realtime=realtime) as opened,
            kept,
        ):
            from hark.realtime.listening import listen as heard

            screen = _screen(as_json=as_json)
            told = not (quiet or as_json or file)
            blocks: Blocks = sources.told(opened, "Listening; Ctrl-C ends.") if told else opened
            with screen:
                for turn in heard(listener, kept.counted(blocks), silence=silence, shows=screen.shows, **options):
                    kept.add(turn)
                    screen.show(turn)


def _check(output: Path | None) -> None:
    """Find out before anybody speaks that nothing can be written."""
    if output is None:
        return
    if not output.suffix:
        raise OptionError(f"{output} has no ending that tells a format.", hint="Such as -o said.srt", param="output")
    write(Transcript((), 0.0), output.suffix[1:].lower())
    if not output.parent.is_dir():
        raise OutputError(f"There is no folder {output.parent} to write {output.name} into.")


class _Kept(contextlib.AbstractContextManager[None]):
    """What was said, written to a file when it is over, whatever ended it."""

    def __init__(self, output: Path | None, language: str | None) -> None:
        self._output, self._language = output, language
        self._segments: list[Segment] = []
        self._seconds = 0.0

    def counted(self, blocks: Blocks) -> Blocks:
        """The blocks, and how long they are."""
        for block in blocks:
            self._seconds += len(block) / 16000
            yield block

    def add(self, turn: Heard) -> None:
        """What is known of a turn."""
        if self._output:
            self._segments += turn.segments

    def __exit__(self, *_: object) -> None:
        if self._output:
            Transcript(tuple(self._segments), round(self._seconds, 3), self._language).save(self._output)


class _Lines(contextlib.AbstractContextManager["_Lines"]):
    """Each turn as a line when it is over: for pipes and files."""

    shows = False

    def show(self, turn: Heard) -> None:
        """Show what is known of a turn."""
        if turn.over and turn.text:
            out(turn.text)

    def __exit__(self, *_: object) -> None:
        pass


class _Json(_Lines):
    """All that is known, whenever it changes, as JSON lines."""

    shows = True

    def show(self, turn: Heard) -> None:
        """Show what is known of a turn; one in which nothing was said has an empty text."""
        out_json(turn.to_dict())


class _Terminal(_Lines):
    """The turn that goes on, its open text dim, below those that are over."""

    shows = True

    def __init__(self) -> None:
        from rich.live import Live

        self._console = console()
        self._live: Live = Live(console=self._console, transient=True, auto_refresh=False, redirect_stderr=False)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def show(self, turn: Heard) -> None:
        """Show what is known of a turn."""
        from rich.text import Text

        if turn.over:
            self._live.update("", refresh=True)
            if turn.text:
                self._console.print(printable(turn.text))
            return
        text = Text.assemble(printable(turn.text), (printable(turn.open), "dim"))
        room = self._console.width * max(1, self._console.height - 2)
        self._live.update(text[-room:] if len(text) > room else text, refresh=True)  # its end is what is new

    def __exit__(self, *_: object) -> None:
        self._live.stop()


def _screen(*, as_json: bool) -> _Lines:
    if as_json:
        return _Json()
    return _Terminal() if sys.stdout is not None and sys.stdout.isatty() else _Lines()
