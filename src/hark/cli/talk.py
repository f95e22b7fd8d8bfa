"""`hark talk`: a dialogue in the terminal: speak, pause, and the answer streams; speak again, and it stops."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hark.audio.audio import Audio
from hark.cli import options as o
from hark.cli import sources
from hark.cli.show import loaded, out, out_json, reporting, show_error
from hark.conversation.conversation import Conversation
from hark.errors import ModelError

if TYPE_CHECKING:
    from hark.audio.pacing import Feed, Stoppable
    from hark.listener import Listener

_STEP = 0.02  # seconds between looks whether an answer is over


def talk(
    raw: sources.Raw = None,
    file: sources.File = None,
    realtime: sources.Realtime = False,
    silence: sources.Silence = 0.7,
    system: o.System = None,
    words: Annotated[
        bool, typer.Option("--words", help="Also write down what you say; many models hear it twice for that.")
    ] = False,
    max_new_tokens: o.MaxNewTokens = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="The events of OpenAI's Realtime API, as JSON lines.")
    ] = False,
    quiet: o.Quiet = False,
    *,
    load: o.Load,
) -> None:
    """Talk with a model until Ctrl-C: speak, pause, and it answers in text; it stops when you speak."""
    with reporting(as_json=as_json):
        sources.check(raw, file, silence, realtime=realtime)
        asked = Conversation.ask((Audio.of(b"\0"),), system=system)
        first = (asked, {"task": "reply", **o.given(max_new_tokens=max_new_tokens)})
        with (
            loaded(load, quiet=quiet, first=first) as listener,
            sources.opened(raw, file, realtime=realtime) as blocks,
        ):
            settings = _settings(silence, system, max_new_tokens, words=words)
            screen = _Json() if as_json else _Screen(words=words)
            hint = None if quiet or as_json or file else "Speak; a pause ends your turn, Ctrl-C the dialogue."
            asyncio.run(_Talk(listener, blocks, screen).run(settings, silence, hint, waits=bool(file) and not realtime))
            if screen.failed:
                raise typer.Exit(1)


def _settings(silence: float, system: str | None, tokens: int | None, *, words: bool) -> dict[str, Any]:
    turns = {"type": "server_vad", "silence_duration_ms": round(silence * 1000)}
    audio: dict[str, Any] = {"turn_detection": turns, "transcription": {} if words else None}
    return {"instructions": system or "", "max_output_tokens": tokens or "inf", "audio": {"input": audio}}


class _Talk:
    """A session of this process, its sound from `blocks`, its events on `screen`."""

    def __init__(self, listener: Listener, blocks: Feed | Stoppable, screen: _Screen) -> None:
        from hark.realtime.session import Session
        from hark.server.config import Config
        from hark.server.lanes import Lane

        self._blocks, self._screen = blocks, screen
        self._session = Session(Lane(listener, Config()), listener.engine.name, screen.show)

    async def run(self, settings: dict[str, Any], silence: float, hint: str | None, *, waits: bool) -> None:
        """Hear all blocks; `waits` for each answer, where the sound is not spoken now."""
        import numpy as np

        from hark.server.threads import steps

        session = self._session
        await session.change(settings)
        blocks = self._blocks if hint is None else sources.told(self._blocks, hint)
        try:
            async with contextlib.aclosing(steps(lambda: iter(blocks))) as heard:
                async for block in heard:
                    await session.hear(block)
                    if waits:
                        await self._answered()
            if not self._blocks.stopped:
                await session.hear(np.zeros(round((silence + 0.5) * 16000), np.float32))  # the end is a pause, too
                await self._answered()
        finally:
            await session.close()
            self._screen.close()

    async def _answered(self) -> None:
        while self._session.busy and not self._blocks.stopped:
            await asyncio.sleep(_STEP)


class _Screen:
    """Who says what, as lines: `you:` and `hark:`; what is written down while an answer comes is shown after it."""

    def __init__(self, *, words: bool = False) -> None:
        self.failed = False
        self._words = words
        self._answering = False
        self._later: list[str] = []
        self._began = 0

    async def show(self, event: dict[str, Any]) -> None:
        """Show an event of the session."""
        kind = event["type"]
        if kind == "response.output_text.delta":
            out(("" if self._answering else "hark: ") + event["delta"], end="")
            self._answering = True
        elif kind == "response.done":
            self._done(event["response"])
        elif kind == "input_audio_buffer.speech_started":
            self._began = event["audio_start_ms"]
        elif kind == "input_audio_buffer.speech_stopped" and not self._words:
            self._line(f"you: ({(event['audio_end_ms'] - self._began) / 1000:.1f} s)")
        elif kind.endswith("input_audio_transcription.completed"):
            self._line(f"you: {event['transcript']}")
        elif "error" in event:
            self._fail(event["error"])

    def close(self) -> None:
        """The dialogue is over."""
        if self._answering:
            self._answering = False
            out("")

    def _done(self, response: dict[str, Any]) -> None:
        if self._answering:
            out(" ..." if response["status"] in ("cancelled", "incomplete") else "")
        self._answering = False
        for line in self._later:
            out(line)
        self._later = []
        if response["status"] == "failed":
            self._fail(response["status_details"]["error"])

    def _line(self, text: str) -> None:
        if self._answering:
            self._later.append(text)
        else:
            out(text)

    def _fail(self, error: dict[str, Any]) -> None:
        self.failed = True
        show_error(ModelError(error["message"]))


class _Json(_Screen):
    """The events as they are."""

    async def show(self, event: dict[str, Any]) -> None:
        """Show an event of the session."""
        failed = event["type"] == "response.done" and event["response"]["status"] == "failed"
        self.failed = self.failed or failed or "error" in event
        out_json(event)
