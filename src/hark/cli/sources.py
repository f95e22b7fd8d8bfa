"""Where live sound comes from, for commands that hear it: a microphone, another program, a recording."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hark.cli import options as o
from hark.cli.show import Notes
from hark.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from hark.audio.pacing import Feed, Stoppable

    Blocks = Iterable[NDArray[np.float32]]

Raw = Annotated[
    str | None,
    typer.Argument(metavar="[-]", help="- is raw 16-bit samples, mono, 16 kHz, on stdin; else the microphone."),
]
File = Annotated[str | None, typer.Option("--file", help="A recording (file or URL) in place of the microphone.")]
Realtime = Annotated[bool, typer.Option("--realtime", help="Hear the recording at its own pace, as if spoken now.")]
Silence = Annotated[float, typer.Option("--silence", help="Seconds without speech that end a turn.")]
_BLOCK = 0.1  # seconds of a recording


def check(raw: str | None, file: str | None, silence: float, *, realtime: bool) -> None:
    """Refuse what makes no sense, before a model is loaded.

    Raises:
        OptionError: more than one source, no source, or a silence that is none.
    """
    if raw not in (None, "-"):
        raise OptionError(f"{raw!r} is no source of live sound.", hint=f"For a recording: --file {raw}")
    if raw and file:
        raise OptionError("There is a recording, and raw samples.", hint="Give one of them.")
    if realtime and not file:
        raise OptionError("--realtime goes with --file.", hint="Other sound has its own pace anyway.")
    if not 0.1 <= silence <= 10:
        raise OptionError(f"silence cannot be {silence}.", hint="It is seconds, 0.1 to 10.", param="silence")


@contextlib.contextmanager
def opened(raw: str | None, file: str | None, *, realtime: bool) -> Iterator[Feed | Stoppable]:
    """Blocks of mono samples at 16 kHz, until the source or its user ends: Ctrl-C ends the blocks, twice the command.

    Raises:
        MissingExtraError: what a microphone needs is not installed.
        AudioError: there is no microphone, or the recording cannot be used.
    """
    from hark.audio.pacing import Feed, Stoppable, paced

    if file and not realtime:
        blocks = Stoppable(o.audio(file).stream(block_seconds=_BLOCK))
        with _until_interrupted(blocks.stop):
            yield blocks
        return
    feed = Feed(paced(o.audio(file).stream(block_seconds=_BLOCK)) if file else _live(raw))
    try:
        with _until_interrupted(feed.stop):
            yield feed
    finally:
        feed.close()


def _live(raw: str | None) -> Blocks:
    from hark.audio import microphone

    if raw:
        stream = o.stdin()
        return microphone.raw(getattr(stream, "raw", stream))  # a buffer is locked by who waits for it, to the end
    return microphone.microphone()


def told(blocks: Blocks, text: str) -> Blocks:
    """The blocks; the text is said when the first one comes."""
    for number, block in enumerate(blocks):
        if not number:
            Notes(quiet=False).say(text)
        yield block


@contextlib.contextmanager
def _until_interrupted(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` at the first Ctrl-C; the second one is as usual."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def interrupted(*_: Any) -> None:
        signal.signal(signal.SIGINT, before)
        stop()

    if before is signal.SIG_IGN:  # in the background of a shell
        yield
        return
    signal.signal(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
