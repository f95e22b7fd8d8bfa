"""One answer of a live session: asked, told word by word, cancelled when somebody speaks."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

from hark.conversation.conversation import Conversation, Text
from hark.errors import HarkError, ModelError
from hark.realtime import events
from hark.realtime.items import Item, conversation, new_id

if TYPE_CHECKING:
    from hark.answers.answer import Notice, Usage
    from hark.realtime.session import Session

_log = logging.getLogger("hark")


class Response:
    """An answer in the making.

    Attributes:
        status: `in_progress`, or how it ended.

    Raises:
        HarkError: there is nothing to answer, or what was given to be answered is malformed.
    """

    def __init__(self, session: Session, wish: events.Wish) -> None:
        self.session, self.wish = session, wish
        self.id, self.item = new_id("resp"), Item("assistant", status="in_progress")
        self.status, self._why = "in_progress", ""
        self._asked = self._conversation()
        self._after = session.items.last
        self._begun = False
        self._usage: Usage | None = None
        self._notices: tuple[Notice, ...] = ()
        self._error: HarkError | None = None
        self._stop: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def apart(self) -> bool:
        """Is it no part of the conversation?"""
        return self.wish.conversation == "none"

    def cancel(self, why: str) -> None:
        """Stop it: the client says so, or somebody speaks."""
        if not self._stop.done():
            self.status, self._why = "cancelled", why
            self._stop.set_result(None)

    async def run(self) -> None:
        """Give the answer; whatever happens, it ends with `response.done`.

        A cancelled answer is over at once for the client; the model stops after the step that it is in.
        """
        session = self.session
        await session.tell("response.created", response=self._shown())
        work = session.spawn(self._answer())
        await asyncio.wait({work, self._stop}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            work.cancel()
        self._stop.cancel()  # too late to be cancelled
        await self._finish()

    async def _answer(self) -> None:
        try:
            await self._told()
        except HarkError as error:
            self._failed(error)
        except Exception as error:  # noqa: BLE001 - the session goes on
            failed = ModelError("The server failed.")
            failed.__cause__ = error
            self._failed(failed)

    def _failed(self, error: HarkError) -> None:
        if error.http_status >= 500:
            _log.error("An answer failed.", exc_info=error)
        if self.status == "in_progress":
            self.status, self._error = "failed", error

    async def _told(self) -> None:
        session, place = self.session, self._place()
        work = session.model.run(lambda listener: listener.answer(self._asked, **self._options()))
        async with contextlib.aclosing(work) as deltas:
            async for delta in deltas:
                self._usage = delta.usage or self._usage
                self._notices += delta.notices
                if not delta.text:
                    continue
                await self._begin()
                self.item.parts = (Text(self.item.text + delta.text),)
                await session.tell("response.output_text.delta", **place, content_index=0, delta=delta.text)
        await self._begin()
        if self.status == "in_progress":
            self.status = "incomplete" if any(notice.kind == "limit" for notice in self._notices) else "completed"

    async def _begin(self) -> None:
        if self._begun:
            return
        self._begun = True
        session, items = self.session, self.session.items
        await session.tell("response.output_item.added", **self._place(item=True), item=self.item.to_dict())
        if not self.apart:
            before = items.add(self.item, self._after if items.has(self._after) else None)
            await session.tell("conversation.item.added", item=self.item.to_dict(), previous_item_id=before)
        await session.tell(
            "response.content_part.added", **self._place(), content_index=0, part={"type": "text", "text": ""}
        )

    async def _finish(self) -> None:
        session = self.session
        if self._begun:
            self.item.status = "completed" if self.status == "completed" else "incomplete"
            text = self.item.text
            self.item.parts = self.item.parts or (Text(""),)
            await session.tell("response.output_text.done", **self._place(), content_index=0, text=text)
            part = {"type": "text", "text": text}
            await session.tell("response.content_part.done", **self._place(), content_index=0, part=part)
            await session.tell("response.output_item.done", **self._place(item=True), item=self.item.to_dict())
            if not self.apart:
                before = session.items.before(self.item)
                await session.tell("conversation.item.done", item=self.item.to_dict(), previous_item_id=before)
        if self._usage:
            session.on_usage(self._usage)
        await session.tell("response.done", response=self._shown())

    def _place(self, *, item: bool = False) -> dict[str, Any]:
        """Where an event belongs; those about an item hold the item itself."""
        return {"response_id": self.id, "output_index": 0} | ({} if item else {"item_id": self.item.id})

    def _conversation(self) -> Conversation:
        session, wish = self.session, self.wish
        instructions = session.settings.instructions if wish.instructions is None else wish.instructions
        if wish.input is None:
            asked = session.items.conversation(instructions)
        else:
            form = session.settings.audio.input.format.type
            asked = conversation(
                [
                    Item.of(given, form, f"response.input.{number}")
                    if isinstance(given, events.Item)
                    else session.items.find(given.id, f"response.input.{number}.id")
                    for number, given in enumerate(wish.input)
                ],
                instructions,
            )
        last = max((place for place, one in enumerate(asked.messages) if one.role == "user"), default=None)
        if last is None:
            raise events.EventError("There is nothing to answer.", hint="Say something first.", param="response")
        return Conversation(asked.messages[: last + 1])  # what was answered is answered anew

    def _options(self) -> dict[str, Any]:
        limit = self.wish.max_output_tokens or self.session.settings.max_output_tokens
        return {"task": "reply"} | ({} if limit == "inf" else {"max_new_tokens": limit})

    def _shown(self) -> dict[str, Any]:
        details: dict[str, Any] | None = None
        if self.status == "cancelled":
            details = {"type": "cancelled", "reason": self._why}
        elif self.status == "incomplete":
            details = {"type": "incomplete", "reason": "max_output_tokens"}
        elif self._error is not None:
            told = self.session.about(self._error)
            details = {"type": "failed", "error": {name: told[name] for name in ("type", "code", "message")}}
        session = self.session
        known = [{"kind": one.kind, "text": session.called(one.text)} for one in dict.fromkeys(self._notices)]
        return {
            "id": self.id, "object": "realtime.response", "status": self.status, "status_details": details,
            "conversation_id": None if self.apart else session.conversation_id,
            "max_output_tokens": self.wish.max_output_tokens or session.settings.max_output_tokens,
            "output": [self.item.to_dict()] if self._begun and self.status != "in_progress" else [],
            "output_modalities": ["text"], "metadata": self.wish.metadata, "usage": _used(self._usage),
            **({"notices": known} if known else {}),  # hark's own
        }  # fmt: skip


def _used(usage: Usage | None) -> dict[str, Any] | None:
    """What an answer took; `audio_seconds` and `cached_clips` (recordings not heard again) are hark's own."""
    if usage is None:
        return None
    into, out = usage.input_tokens or 0, usage.output_tokens or 0
    details: dict[str, Any] = {"cached_tokens": usage.cached_tokens or 0}
    if usage.cached_clips is not None:
        details["cached_clips"] = usage.cached_clips
    return {
        "input_tokens": into, "output_tokens": out, "total_tokens": into + out, "input_token_details": details,
        "output_token_details": {"text_tokens": out}, "audio_seconds": round(usage.audio_seconds, 3),
    }  # fmt: skip
