"""The messages of a live conversation, in order, and what a model is asked of them."""

from __future__ import annotations

import base64
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hark.audio.audio import RATE, Audio
from hark.conversation.conversation import Clip, Conversation, Message, Text
from hark.errors import NotServedError, RequestError
from hark.realtime.formats import Decoder

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hark.conversation.conversation import Part
    from hark.realtime import events


def new_id(kind: str) -> str:
    """A name of its own for an item, a response, an event or a session."""
    return f"{kind}_{uuid.uuid4().hex[:21]}"


@dataclass(slots=True, eq=False)
class Item:
    """One message, as it was said."""

    role: Any
    parts: tuple[Part, ...] = ()
    id: str = field(default_factory=lambda: new_id("item"))
    status: str = "completed"
    transcript: str | None = None

    @classmethod
    def of(cls, given: events.Item) -> Item:
        """Make it of what a client sent.

        Raises:
            RequestError: its content is malformed.
        """
        parts = tuple(_part(part, number) for number, part in enumerate(given.content))
        if not parts:
            raise RequestError("The message is empty.", param="item.content")
        return cls(given.role, parts, given.id or new_id("item"))

    @property
    def text(self) -> str:
        """What is written in it."""
        return "\n".join(part.text for part in self.parts if isinstance(part, Text))

    def to_dict(self) -> dict[str, Any]:
        """As events show it; audio is left out."""
        content: list[dict[str, Any]] = []
        for part in self.parts:
            if isinstance(part, Clip):
                content.append({"type": "input_audio", "transcript": self.transcript})
            else:
                content.append({"type": "output_text" if self.role == "assistant" else "input_text", "text": part.text})
        about = {"id": self.id, "object": "realtime.item", "type": "message", "status": self.status}
        return about | {"role": self.role, "content": content}


class Items:
    """All messages of a session."""

    def __init__(self) -> None:
        self._items: list[Item] = []

    def add(self, item: Item, after: str | None = None) -> str | None:
        """Put a message at the end, or after another (`root`: before all); gives the id of the one before it."""
        if any(other.id == item.id for other in self._items):
            raise RequestError(f"There is an item {item.id!r} already.", param="item.id")
        place = len(self._items)
        if after is not None:
            place = 0 if after == "root" else self._items.index(self.find(after)) + 1
        self._items.insert(place, item)
        return self._items[place - 1].id if place else None

    def find(self, name: str) -> Item:
        """The message of an id.

        Raises:
            NotServedError: there is none.
        """
        for item in self._items:
            if item.id == name:
                return item
        raise NotServedError(f"There is no item {name[:80]!r}.", param="item_id")

    def remove(self, item: Item) -> None:
        """Forget a message."""
        self._items.remove(item)

    def conversation(self, instructions: str, upto: Item | None = None) -> Conversation:
        """What a model is asked: all that was said, up to a message where one is given."""
        kept = self._items if upto is None else self._items[: self._items.index(upto) + 1]
        return conversation(kept, instructions)

    def oldest(self, most_clips: int) -> list[Item]:
        """The messages that are over when so many recordings are enough: whole turns from the beginning."""
        heard = [item for item in self._items if any(isinstance(part, Clip) for part in item.parts)]
        if len(heard) <= most_clips:
            return []
        first = self._items.index(heard[-most_clips])
        return [item for item in self._items[:first] if item.role != "system"]


def conversation(items: Iterable[Item], instructions: str) -> Conversation:
    """Messages as a conversation: what one side says in a row is one message."""
    said: list[Message] = [Message("system", (Text(instructions),))] if instructions.strip() else []
    for item in items:
        if not item.parts or (item.role == "assistant" and not item.text):
            continue
        if said and said[-1].role == item.role:
            said[-1] = Message(item.role, (*said[-1].parts, *item.parts))
        else:
            said.append(Message(item.role, item.parts))
    return Conversation(tuple(said))


def _part(part: events.Part, number: int) -> Part:
    where = f"item.content.{number}"
    if part.type == "input_audio":
        if part.audio is None:
            raise RequestError("The part has no audio.", param=where)
        try:
            samples = Decoder().feed(base64.b64decode(part.audio, validate=True))
        except ValueError as error:
            raise RequestError(f"The audio is not base64: {error}.", param=where) from None
        return Clip(Audio.of(samples, RATE, name="audio"))
    if part.text is None:
        raise RequestError("The part has no text.", param=where)
    return Text(part.text)
