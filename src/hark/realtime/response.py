"""One answer of a live session: asked, told word by word, cancelled when somebody speaks."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

from hark.answers.answer import Usage
from hark.conversation.conversation import Text
from hark.errors import HarkError, ModelError
from hark.realtime.items import Item, conversation, new_id

if TYPE_CHECKING:
    from hark.answers.answer import Notice
    from hark.realtime import events
    from hark.realtime.session import Session

_log = logging.getLogger("hark")


class Response:
    """An answer in the making."""

    def __init__(self, session: Session, wish: events.Wish) -> None:
        self.session, self.wish = session, wish
        self.id, self.item = new_id("resp"), Item("assistant", status="in_progress")
        self.status, self._why = "in_progress", ""
        self.usage: Usage = Usage()
        self._notices: tuple[Notice, ...] = ()
        self._task: asyncio.Task[None] | None = None
        self._error: HarkError | None = None

    def cancel(self, why: str) -> None:
        """Stop it: the client says so, or somebody speaks."""
        self.status, self._why = "cancelled", why
        if self._task:
            self._task.cancel()

    async def run(self) -> None:
        """Give the answer; whatever happens, it ends with `response.done`."""
        session = self.session
        await session.tell("response.created", response=self._shown())
        self._task = asyncio.ensure_future(self._answer())
        if self.status == "cancelled":
            self._task.cancel()
        try:
            await self._task
        except asyncio.CancelledError:
            if self.status != "cancelled":  # the session ends
                raise
        except HarkError as error:
            self.status, self._error = "failed", error
        except Exception:  # noqa: BLE001 - the session goes on
            _log.exception("An answer failed.")
            self.status, self._error = "failed", ModelError("The server failed.")
        finally:
            session.response = None
        await self._finish()

    async def _answer(self) -> None:
        session, place = self.session, {"response_id": self.id, "output_index": 0}
        asked = self._conversation()
        begun = False
        text = ""
        work = session.model.run(lambda listener: listener.answer(asked, **self._options()))
        async with contextlib.aclosing(work) as deltas:
            async for delta in deltas:
                self.usage = delta.usage or self.usage
                self._notices += delta.notices
                if not delta.text:
                    continue
                if not begun:
                    begun = True
                    await self._begin(place)
                text += delta.text
                self.item.parts = (Text(text),)
                await session.tell(
                    "response.output_text.delta", **place, item_id=self.item.id, content_index=0, delta=delta.text
                )
        if not begun:
            await self._begin(place)
        self.status = "incomplete" if any(n.kind == "limit" for n in self._notices) else "completed"

    async def _begin(self, place: dict[str, Any]) -> None:
        session = self.session
        await session.tell("response.output_item.added", **place, item=self.item.to_dict())
        if self.wish.conversation == "auto":
            before = session.items.add(self.item)
            await session.tell("conversation.item.added", item=self.item.to_dict(), previous_item_id=before)
        part = {"type": "text", "text": ""}
        await session.tell("response.content_part.added", **place, item_id=self.item.id, content_index=0, part=part)

    async def _finish(self) -> None:
        session, place = self.session, {"response_id": self.id, "output_index": 0}
        if self.item.parts or self.status in ("completed", "incomplete"):
            self.item.status = "completed" if self.status == "completed" else "incomplete"
            about = {**place, "item_id": self.item.id, "content_index": 0}
            text = self.item.text
            await session.tell("response.output_text.done", **about, text=text)
            await session.tell("response.content_part.done", **about, part={"type": "text", "text": text})
            await session.tell("response.output_item.done", **place, item=self.item.to_dict())
            if self.wish.conversation == "auto":
                await session.tell("conversation.item.done", item=self.item.to_dict(), previous_item_id=None)
        await session.tell("response.done", response=self._shown())

    def _conversation(self) -> Any:
        instructions = self.wish.instructions or self.session.settings.instructions
        if self.wish.input is not None:
            return conversation([Item.of(item) for item in self.wish.input], instructions)
        return self.session.items.conversation(instructions)

    def _options(self) -> dict[str, Any]:
        settings = self.session.settings
        limit = self.wish.max_output_tokens or settings.max_output_tokens
        warmth = settings.temperature if self.wish.temperature is None else self.wish.temperature
        given = {"max_new_tokens": None if limit == "inf" else limit, "temperature": warmth}
        return {name: value for name, value in given.items() if value is not None}

    def _shown(self) -> dict[str, Any]:
        details: dict[str, Any] | None = None
        if self.status == "cancelled":
            details = {"type": "cancelled", "reason": self._why}
        elif self.status == "incomplete":
            details = {"type": "incomplete", "reason": "max_output_tokens"}
        elif self._error is not None:
            kind = "invalid_request_error" if self._error.http_status < 500 else "server_error"
            details = {"type": "failed", "error": {"type": kind, "code": None, "message": str(self._error)}}
        output = [self.item.to_dict()] if self.item.parts else []
        return {
            "id": self.id, "object": "realtime.response", "status": self.status, "status_details": details,
            "output": output, "output_modalities": ["text"], "metadata": self.wish.metadata, "usage": self._used(),
        }  # fmt: skip

    def _used(self) -> dict[str, Any] | None:
        into, out = self.usage.input_tokens, self.usage.output_tokens
        if into is None and out is None:
            return None
        return {"input_tokens": into or 0, "output_tokens": out or 0, "total_tokens": (into or 0) + (out or 0)}
