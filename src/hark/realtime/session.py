"""One live session, whatever carries it: events of a client in, sound in, events out; the model is asked in between."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from hark.audio.audio import RATE, Audio
from hark.audio.speech import FRAME
from hark.audio.turns import Began, Ended
from hark.conversation.conversation import Clip
from hark.errors import HarkError, TooLargeError
from hark.realtime import events
from hark.realtime.buffer import LONGEST, Buffer, Quiet
from hark.realtime.events import EventError
from hark.realtime.formats import Decoder
from hark.realtime.items import Item, Items, conversation, new_id, unpacked
from hark.realtime.response import Response
from hark.realtime.telling import about
from hark.realtime.transcription import Transcription

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable, Iterator

    from numpy.typing import NDArray

    from hark.answers.answer import Usage
    from hark.listener import Listener

T = TypeVar("T")
MOST_APART = 4  # answers at a time that are no part of the conversation
_SHORTEST = 0.1  # seconds that can be committed
_PIECE = 15 * 2**20  # of base64 in one event
_ENDING_SECONDS = 10.0


class Model(Protocol):
    """A model that sessions share: `hark.server.lanes.Lane` is one."""

    listener: Listener

    def run(self, work: Callable[[Listener], Iterator[T]]) -> AsyncGenerator[T]:
        """Do some work with the model when it is its turn."""


class Session:
    """A dialogue, or a transcription, of one client.

    Args:
        model: what answers, and writes down where no other is named.
        name: what clients call it.
        send: takes the events for the client, in order.
        transcribes: whether it is a transcription session; it stays what it is.
        find: gives the model of a name, for `transcription.model`; raises `NotServedError` where there is none.

    Attributes:
        on_usage: called with what each answer took.
        called: gives a sentence with models named as the client knows them.
    """

    def __init__(
        self, model: Model, name: str, send: Callable[[dict[str, Any]], Awaitable[None]], *, transcribes: bool = False,
        find: Callable[[str], Model] | None = None,
    ) -> None:  # fmt: skip
        self.model, self.name, self._send, self._find = model, name, send, find
        self.settings = events.Settings(type="transcription" if transcribes else "realtime")
        if transcribes:
            self.settings.audio.input.transcription = events.Transcription()
        self.id, self.conversation_id = new_id("sess"), new_id("conv")
        self.items = Items()
        self.response: Response | None = None  # the one that belongs to the conversation
        self.on_usage: Callable[[Usage], object] = lambda _: None
        self.called: Callable[[str], str] = str
        self._apart: set[Response] = set()
        self._due: events.Wish | None = None  # what to answer when the answer of now is over
        self._tasks: set[asyncio.Task[Any]] = set()
        self._turns = 0  # that are over
        self._item: Item | None = None  # of the turn that goes on
        self._writing: Transcription | None = None
        can = model.listener.can
        hears = LONGEST if transcribes or can.max_seconds is None else can.max_seconds
        most = min(LONGEST, hears - FRAME / RATE)  # the frame that it is cut at belongs to it
        self._buffer = Buffer(self.settings, most)
        self._decoder = Decoder()

    @property
    def busy(self) -> bool:
        """Does anything go on beside hearing: an answer, a transcript?"""
        return bool(self._tasks)

    async def change(self, update: dict[str, Any]) -> None:
        """Take new settings; what they do not name stays.

        Raises:
            EventError: they name what cannot be honoured.
        """
        settings = events.changed(self.settings, update)
        self._check(settings)
        before, self.settings = self.settings, settings
        if settings.audio.input.format != before.audio.input.format:
            await self.hear(self._decoder.finish())
            self._decoder = Decoder(settings.audio.input.format.type)
        if settings.audio.input.turn_detection != before.audio.input.turn_detection:
            await self._heed(self._buffer.change(settings))

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
            await self.fail(error, getattr(error, "event_id", None) or name)

    async def hear(self, samples: NDArray[Any]) -> None:
        """Hear the next samples (n,) float32 at 16 kHz.

        Raises:
            TooLargeError: turns are committed by hand, and this one is too long.
        """
        await self._heed(self._buffer.feed(samples))
        if self.settings.audio.input.transcription and (seconds := self._buffer.seconds):
            if self._writing is None:  # a turn that is committed by hand
                self._item = self._item or Item("user", status="in_progress")
                self._writing = self._transcription(self._item)
            self._writing.hear(seconds, lambda: self._buffer.open)

    async def tell(self, kind: str, **fields: Any) -> None:
        """Send an event."""
        await self._send({"type": kind, "event_id": new_id("event"), **fields})

    async def fail(self, error: HarkError, event_id: str | None = None) -> None:
        """Tell of an error; the session stays open."""
        await self.tell("error", error=self.about(error) | {"event_id": event_id})

    def about(self, error: HarkError) -> dict[str, Any]:
        """Type, code, message and param of an error, as the client reads them."""
        told = about(error)
        return told | {"message": self.called(told["message"])}

    async def close(self) -> None:
        """End what runs; the client is gone."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_ENDING_SECONDS)
        if self._writing:
            self._writing.close()

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Do something beside the session, until it ends."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # turns

    async def _heed(self, found: Iterable[Began | Ended | Quiet]) -> None:
        for turn in found:
            if isinstance(turn, Began):
                await self._began(turn)
            elif isinstance(turn, Ended):
                way = self.settings.audio.input.turn_detection
                await self._ended(turn, answer=way is not None and way.create_response)
            else:
                await self._idle(turn)

    async def _began(self, turn: Began) -> None:
        self._item = Item("user", status="in_progress")
        start = round(turn.start * 1000)
        await self.tell("input_audio_buffer.speech_started", audio_start_ms=start, item_id=self._item.id)
        way = self.settings.audio.input.turn_detection
        if self.response and way and way.interrupt_response:
            self.response.cancel("turn_detected")
            self._due = None  # it will be answered with what is said now
        if self.settings.audio.input.transcription:
            self._writing = self._transcription(self._item)

    async def _ended(self, turn: Ended, *, answer: bool) -> None:
        self._item = item = self._item or Item("user")
        end = round(turn.end * 1000)
        await self.tell("input_audio_buffer.speech_stopped", audio_end_ms=end, item_id=item.id)
        await self._committed(item, turn, answer=answer)

    async def _idle(self, quiet: Quiet) -> None:
        item = Item("user")
        times = {"audio_start_ms": round(quiet.start * 1000), "audio_end_ms": round(quiet.end * 1000)}
        await self.tell("input_audio_buffer.timeout_triggered", **times, item_id=item.id)
        await self._committed(item, quiet, answer=True)

    async def _committed(self, item: Item, turn: Ended | Quiet, *, answer: bool) -> None:
        self._turns += 1
        item.parts, item.status = (Clip(Audio.of(turn.samples, RATE, name=f"turn {self._turns}")),), "completed"
        writing, self._writing, self._item = self._writing, None, None
        before = self.items.add(item)
        await self.tell("input_audio_buffer.committed", item_id=item.id, previous_item_id=before)
        await self._show(item, before)
        if self.settings.audio.input.transcription:
            self.spawn((writing or self._transcription(item)).finish(turn.samples, turn.start))
        if answer and self.settings.type == "realtime":
            await self._respond(events.Wish(), later=True)

    async def _show(self, item: Item, before: str | None) -> None:
        for kind in ("conversation.item.added", "conversation.item.done"):
            await self.tell(kind, item=item.to_dict(), previous_item_id=before)
        await self._forget(self.items.beyond())

    async def _forget(self, items: list[Item]) -> None:
        for item in items:
            self.items.remove(item)
            await self.tell("conversation.item.deleted", item_id=item.id)

    def _transcription(self, item: Item) -> Transcription:
        wanted = self.settings.audio.input.transcription or events.Transcription()
        return Transcription(self, item, self._transcriber(wanted), wanted.language)

    def _transcriber(self, wanted: events.Transcription) -> Model:
        if wanted.model in (None, self.name) or self._find is None:
            return self.model
        return self._find(wanted.model or "")

    # answers

    async def _respond(self, wish: events.Wish, *, later: bool = False) -> None:
        """Answer now; or when the answer of now is over, where that is allowed or it has been cancelled."""
        if wish.conversation == "none":
            if len(self._apart) >= MOST_APART:
                raise EventError(f"{MOST_APART} such answers are being given.", hint="Wait for response.done.")
            response = Response(self, wish)
            self._apart.add(response)
        elif self.response is not None:
            if not later and self.response.status != "cancelled":
                code = "conversation_already_has_active_response"
                raise EventError("An answer is being given.", hint="Cancel it, or wait for response.done.", code=code)
            self._due = wish
            return
        else:
            if wish.input is None:
                await self._forget(self.items.unheard(self.model.listener.can))
            response = self.response = Response(self, wish)
        self.spawn(self._answer(response))

    async def _answer(self, response: Response) -> None:
        try:
            await response.run()
        finally:
            self._apart.discard(response)
            if self.response is response:
                self.response = None
        wish, self._due = (None, self._due) if response.apart else (self._due, None)
        if wish is None:
            self._buffer.answered()
            return
        try:
            await self._respond(wish)
        except HarkError as error:
            await self.fail(error)

    # what clients send

    async def _update(self, event: events.SessionUpdate) -> None:
        await self.change(event.session)
        await self.tell("session.updated", session=self._shown())

    def _check(self, settings: events.Settings) -> None:
        """Refuse what is beyond the model."""
        can, writing = self.model.listener.can, settings.audio.input.transcription
        if settings.type != self.settings.type:
            raise EventError("A session cannot change its type.", hint="Open another one.", param="session.type")
        if settings.model not in (None, self.name):
            raise EventError("A session cannot change its model.", hint="Open another one.", param="session.model")
        if settings.instructions.strip() and not can.system_prompt:
            raise EventError(f"{self.name} follows no instructions.", param="session.instructions")
        if settings.max_output_tokens != "inf" and "max_new_tokens" not in can.options:
            raise EventError(f"{self.name} has no limit of tokens.", param="session.max_output_tokens")
        conversation((), settings.instructions)
        if writing:
            self._check_transcription(writing)

    def _check_transcription(self, wanted: events.Transcription) -> None:
        place = "session.audio.input.transcription"
        try:
            can = self._transcriber(wanted).listener.can
        except HarkError as error:
            error.param = f"{place}.model"
            raise
        known = can.languages is None or wanted.language in can.languages
        if wanted.language and not ("language" in can.options and known):
            raise EventError(f"The language {wanted.language!r} is not known.", param=f"{place}.language")

    async def _append(self, event: events.Append) -> None:
        if len(event.audio) > _PIECE:
            raise TooLargeError("The piece of audio is over 15 MiB.", hint="Send smaller pieces.", param="audio")
        data = unpacked(event.audio)
        second = self._decoder.second
        for at in range(0, len(data), second):
            await self.hear(self._decoder.feed(data[at : at + second]))
            if len(data) > second:
                await asyncio.sleep(0)  # long pieces must not hold up other sessions

    async def _commit(self, event: events.Commit) -> None:
        del event
        await self.hear(self._decoder.finish())
        if self._buffer.seconds < _SHORTEST:
            said = f"The buffer holds less than {_SHORTEST * 1000:.0f} ms of a turn."
            raise EventError(said, hint="Append more before a commit.", code="input_audio_buffer_commit_empty")
        over = self._buffer.commit()
        if over is None:
            raise EventError("Nobody speaks: there is nothing to commit.", code="input_audio_buffer_commit_empty")
        if self.settings.audio.input.turn_detection:
            await self._ended(over, answer=False)
        else:
            await self._committed(self._item or Item("user"), over, answer=False)

    async def _clear(self, event: events.Clear) -> None:
        del event
        self._buffer.clear()
        if self._writing:
            self._writing.stop()
        self._item = self._writing = None
        await self.tell("input_audio_buffer.cleared")

    async def _output_clear(self, event: events.OutputClear) -> None:
        del event  # hark plays no sound: there is nothing to clear

    async def _create(self, event: events.ItemCreate) -> None:
        item = Item.of(event.item, self.settings.audio.input.format.type)
        await self._show(item, self.items.add(item, event.previous_item_id))

    async def _delete(self, event: events.ItemDelete) -> None:
        await self._forget([self.items.find(event.item_id)])

    async def _retrieve(self, event: events.ItemRetrieve) -> None:
        await self.tell("conversation.item.retrieved", item=self.items.find(event.item_id).to_dict())

    async def _truncate(self, event: events.ItemTruncate) -> None:
        self.items.find(event.item_id)
        raise EventError("Only audio of an assistant can be truncated; hark's answers are text.", param="item_id")

    async def _wish(self, event: events.ResponseCreate) -> None:
        await self._respond(event.response or events.Wish())

    async def _cancel(self, event: events.ResponseCancel) -> None:
        running = [*self._apart, *([self.response] if self.response else [])]
        if event.response_id is not None:
            running = [one for one in running if one.id == event.response_id]
        elif self.response:
            running = [self.response]
        if not running or running[-1].status != "in_progress":
            said = "There is no answer to cancel."
            raise EventError(said, param="response_id", code="response_cancel_not_active")
        running[-1].cancel("client_cancelled")

    def _shown(self) -> dict[str, Any]:
        return {"id": self.id, "object": "realtime.session", **self.settings.shown(self.name)}


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
