"""One live session, whatever carries it: events of a client in, sound in, events out; the model is asked in between."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from hark.audio.audio import RATE, Audio
from hark.audio.turns import Began, Ended, Turns
from hark.conversation.conversation import Clip
from hark.errors import HarkError, RequestError, TooLargeError
from hark.realtime import events
from hark.realtime.formats import Decoder
from hark.realtime.items import Item, Items, new_id
from hark.realtime.response import Response
from hark.realtime.transcription import Transcription

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterator

    from numpy.typing import NDArray

    from hark.listener import Listener

T = TypeVar("T")
LONGEST = 300.0  # seconds of one turn; then it is cut, so that memory stays bounded
MOST_CLIPS = 64  # turns that are remembered
_PIECE = 15 * 2**20  # of base64 in one event


class Model(Protocol):
    """A model that sessions share: `hark.server.lanes.Lane` is one."""

    listener: Listener

    def run(self, work: Callable[[Listener], Iterator[T]]) -> AsyncGenerator[T]:
        """Do some work with the model when it is its turn."""


class Session:
    """A dialogue, or a transcription, of one client.

    Args:
        model: what answers and writes down.
        name: what clients call it.
        send: takes the events for the client, in order.
        transcribes: whether it begins as a transcription session.
    """

    def __init__(
        self, model: Model, name: str, send: Callable[[dict[str, Any]], Awaitable[None]], *, transcribes: bool = False
    ) -> None:
        self.model, self.name, self._send = model, name, send
        self.settings = events.Settings(type="transcription" if transcribes else "realtime")
        if transcribes:
            self.settings.audio.input.transcription = events.Transcription()
        self.id = new_id("sess")
        self.items = Items()
        self.response: Response | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._item: Item | None = None  # of the turn that goes on
        self._writing: Transcription | None = None
        self._manual: list[NDArray[np.float32]] = []
        self._listen_anew()

    async def start(self) -> None:
        """Greet the client."""
        await self.tell("session.created", session=self._shown())

    async def receive(self, text: str | bytes) -> None:
        """Take one event of the client; an error is told, and the session stays open."""
        name = None
        try:
            event = events.read(text)
            name = event.event_id
            await getattr(self, _HANDLERS[event.type])(event)
        except HarkError as error:
            await self.fail(error, name)

    async def hear(self, samples: NDArray[np.float32]) -> None:
        """Hear the next samples (n,) float32 at 16 kHz."""
        if self._turns is None:
            self._manual.append(samples)
            if sum(map(len, self._manual)) > LONGEST * RATE:
                self._manual.clear()
                raise TooLargeError(f"The buffer is over {LONGEST:g} s and was cleared.", hint="Commit sooner.")
            return
        for found in self._turns.feed(samples):
            await (self._began(found) if isinstance(found, Began) else self._ended(found))
        if self._writing is not None and self._turns.busy:
            self._writing.hear(self._turns.open)

    async def tell(self, kind: str, **fields: Any) -> None:
        """Send an event."""
        await self._send({"type": kind, "event_id": new_id("event"), **fields})

    async def fail(self, error: HarkError, event_id: str | None = None) -> None:
        """Tell of an error; the session stays open."""
        kind = "invalid_request_error" if error.http_status < 500 else "server_error"
        said = f"{error.message} {error.hint}".strip() if error.http_status < 500 else error.message
        param = error.param if isinstance(error, RequestError) else None
        about = {"type": kind, "code": None, "message": said, "param": param, "event_id": event_id}
        await self.tell("error", error=about)

    async def close(self) -> None:
        """End what runs; the client is gone."""
        for task in list(self._tasks):
            task.cancel()
        for task in list(self._tasks):
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Do something beside the session, until it ends."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # turns

    def _listen_anew(self) -> None:
        sound = self.settings.audio.input
        self._decoder = Decoder(sound.format.type)
        turning = sound.turn_detection
        self._turns: Turns | None = None
        if turning:
            before = turning.prefix_padding_ms / 1000
            self._turns = Turns(threshold=turning.threshold, prefix=before, silence=turning.silence, longest=LONGEST)

    async def _began(self, turn: Began) -> None:
        turning = self.settings.audio.input.turn_detection
        self._item = Item("user", status="in_progress")
        at = round(turn.start * 1000)
        await self.tell("input_audio_buffer.speech_started", audio_start_ms=at, item_id=self._item.id)
        if turning and turning.interrupt_response and self.response:
            self.response.cancel("turn_detected")
        if self.settings.audio.input.transcription:
            self._writing = Transcription(self, self._item)

    async def _ended(self, turn: Ended) -> None:
        item = self._item or Item("user")
        at = round(turn.end * 1000)
        await self.tell("input_audio_buffer.speech_stopped", audio_end_ms=at, item_id=item.id)
        turning = self.settings.audio.input.turn_detection
        await self._committed(item, turn.samples, answer=bool(turning and turning.create_response))

    async def _committed(self, item: Item, samples: NDArray[np.float32], *, answer: bool) -> None:
        self._item = None
        item.parts, item.status = (Clip(Audio.of(samples, RATE, name="turn")),), "completed"
        before = self.items.add(item)
        await self.tell("input_audio_buffer.committed", item_id=item.id, previous_item_id=before)
        await self._show(item, before)
        writing, self._writing = self._writing, None
        if self.settings.audio.input.transcription:
            self.spawn((writing or Transcription(self, item)).finish(samples))
        for old in self.items.oldest(MOST_CLIPS):
            self.items.remove(old)
            await self.tell("conversation.item.deleted", item_id=old.id)
        if answer and self.settings.type == "realtime":
            await self._respond(events.Wish())

    async def _show(self, item: Item, before: str | None) -> None:
        for kind in ("conversation.item.added", "conversation.item.done"):
            await self.tell(kind, item=item.to_dict(), previous_item_id=before)

    async def _respond(self, wish: events.Wish) -> None:
        if self.response:
            raise RequestError("An answer is being given.", hint="Cancel it, or wait for response.done.")
        self.response = Response(self, wish)
        self.spawn(self.response.run())

    # what clients send

    async def _update(self, event: events.SessionUpdate) -> None:
        settings = events.changed(self.settings, event.session)
        if settings.type != self.settings.type:
            raise RequestError("A session cannot change its type.", param="session.type")
        anew = settings.audio.input != self.settings.audio.input
        self.settings = settings
        if anew:
            self._listen_anew()
        await self.tell("session.updated", session=self._shown())

    async def _append(self, event: events.Append) -> None:
        if len(event.audio) > _PIECE:
            raise TooLargeError("The piece of audio is over 15 MiB.", hint="Send smaller pieces.")
        try:
            data = base64.b64decode(event.audio, validate=True)
        except ValueError as error:
            raise RequestError(f"The audio is not base64: {error}.", param="audio") from None
        await self.hear(self._decoder.feed(data))

    async def _commit(self, event: events.Commit) -> None:
        del event
        if self._turns is not None:
            over = self._turns.finish()
            if over is None:
                raise RequestError("Nobody speaks: there is nothing to commit.")
            await self._committed(self._item or Item("user"), over.samples, answer=False)
            return
        samples = np.concatenate([np.zeros(0, np.float32), *self._manual])
        if len(samples) < RATE // 10:
            raise RequestError("The buffer holds less than 100 ms of audio.", hint="Append more before a commit.")
        self._manual.clear()
        await self._committed(Item("user"), samples, answer=False)

    async def _clear(self, event: events.Clear) -> None:
        del event
        self._manual.clear()
        self._item = self._writing = None
        self._listen_anew()
        await self.tell("input_audio_buffer.cleared")

    async def _output_clear(self, event: events.OutputClear) -> None:
        del event  # hark plays no sound: there is nothing to clear

    async def _create(self, event: events.ItemCreate) -> None:
        item = Item.of(event.item)
        before = self.items.add(item, event.previous_item_id)
        await self._show(item, before)

    async def _delete(self, event: events.ItemDelete) -> None:
        self.items.remove(self.items.find(event.item_id))
        await self.tell("conversation.item.deleted", item_id=event.item_id)

    async def _retrieve(self, event: events.ItemRetrieve) -> None:
        await self.tell("conversation.item.retrieved", item=self.items.find(event.item_id).to_dict())

    async def _truncate(self, event: events.ItemTruncate) -> None:
        self.items.find(event.item_id)
        raise RequestError("Only audio of an assistant can be truncated; hark's answers are text.", param="item_id")

    async def _wish(self, event: events.ResponseCreate) -> None:
        await self._respond(event.response)

    async def _cancel(self, event: events.ResponseCancel) -> None:
        if self.response is None or event.response_id not in (None, self.response.id):
            raise RequestError("There is no answer to cancel.", param="response_id")
        self.response.cancel("client_cancelled")

    def _shown(self) -> dict[str, Any]:
        values = self.settings.model_dump(mode="json")
        return {"id": self.id, "object": "realtime.session", **values, "model": self.name}


_HANDLERS = {
    "session.update": "_update",
    "input_audio_buffer.append": "_append",
    "input_audio_buffer.commit": "_commit",
    "input_audio_buffer.clear": "_clear",
    "output_audio_buffer.clear": "_output_clear",
    "conversation.item.create": "_create",
    "conversation.item.delete": "_delete",
    "conversation.item.retrieve": "_retrieve",
    "conversation.item.truncate": "_truncate",
    "response.create": "_wish",
    "response.cancel": "_cancel",
}
