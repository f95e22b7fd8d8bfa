"""The messages of a live conversation, in order, and what a model is asked of them."""

from __future__ import annotations

import base64
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hark.audio.audio import RATE, Audio
from hark.conversation.conversation import Clip, Conversation, Message, Text
from hark.errors import TooLargeError
from hark.realtime.buffer import LONGEST
from hark.realtime.events import EventError
from hark.realtime.formats import Decoder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hark.conversation.conversation import Part, Role
    from hark.engines.engine import Capabilities
    from hark.realtime import events

MOST_ITEMS = 256  # messages that are remembered, so that memory stays bounded
MOST_CLIPS = 64
MOST_SECONDS = 900.0  # of all recordings together
_KINDS = {"user": ("input_text", "input_audio"), "assistant": ("output_text",), "system": ("input_text",)}


def new_id(kind: str) -> str:
    """A name of its own for an item, a response, an event or a session."""
    return f"{kind}_{uuid.uuid4().hex[:21]}"


@dataclass(slots=True, eq=False)
class Item:
    """One message, as it was said."""

    role: Role
    parts: tuple[Part, ...] = ()
    id: str = field(default_factory=lambda: new_id("item"))
    status: str = "completed"
    transcript: str | None = None

    @classmethod
    def of(cls, given: events.Item, form: str, where: str = "item") -> Item:
        """Make it of what a client sent, its audio in the form of the session's input.

        Raises:
            EventError: its content is malformed.
            TooLargeError: its audio is longer than a turn may be.
            ConversationError: its text is no text.
        """
        parts = []
        for number, part in enumerate(given.content):
            place = f"{where}.content.{number}"
            if part.type not in _KINDS[given.role]:
                kinds = " or ".join(_KINDS[given.role])
                said = f"A message of the {given.role} holds {kinds}, not {part.type}."
                raise EventError(said, param=f"{place}.type")
            parts.append(_part(part, form, place))
        return cls(given.role, tuple(parts), given.id or new_id("item"), given.status or "completed")

    @property
    def text(self) -> str:
        """What is written in it."""
        return "\n".join(part.text for part in self.parts if isinstance(part, Text))

    @property
    def clips(self) -> tuple[Audio, ...]:
        """What is said in it."""
        return tuple(part.audio for part in self.parts if isinstance(part, Clip))

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
        """Put a message at the end, or after another (`root`: before all); gives the id of the one before it.

        Raises:
            EventError: there is one of that id, or none of the one before.
        """
        if any(other.id == item.id for other in self._items):
            raise EventError(f"There is an item {item.id!r} already.", param="item.id")
        place = len(self._items)
        if after is not None:
            place = 0 if after == "root" else self._items.index(self.find(after, "previous_item_id")) + 1
        self._items.insert(place, item)
        return self.before(item)

    def before(self, item: Item) -> str | None:
        """The id of the message before one."""
        place = self._items.index(item) if item in self._items else 0
        return self._items[place - 1].id if place else None

    @property
    def last(self) -> str:
        """The id of the last message, or `root`."""
        return self._items[-1].id if self._items else "root"

    def find(self, name: str, param: str = "item_id") -> Item:
        """The message of an id.

        Raises:
            EventError: there is none.
        """
        for item in self._items:
            if item.id == name:
                return item
        raise EventError(f"There is no item {name[:80]!r}.", param=param, code="item_not_found")

    def has(self, name: str) -> bool:
        """Is there a message of this id?"""
        return name == "root" or any(item.id == name for item in self._items)

    def remove(self, item: Item) -> None:
        """Forget a message."""
        self._items.remove(item)

    def conversation(self, instructions: str) -> Conversation:
        """What a model is asked: all that was said."""
        return conversation(self._items, instructions)

    def beyond(self) -> list[Item]:
        """The messages, from the oldest on, that are too many or too long to be kept."""
        clips, seconds = 0, 0.0
        for place in range(len(self._items) - 1, -1, -1):
            clips += len(self._items[place].clips)
            seconds += sum(clip.duration for clip in self._items[place].clips)
            full = clips > MOST_CLIPS or seconds > MOST_SECONDS or len(self._items) - place > MOST_ITEMS
            if full and place < len(self._items) - 1:
                return _spoken(self._items[: place + 1])
        return []

    def unheard(self, can: Capabilities) -> list[Item]:
        """The messages before the last turn, where a model is asked but one turn, or hears but one recording."""
        if can.several_turns and can.several_clips:
            return []
        place = len(self._items)
        while place and self._items[place - 1].role != "user":
            place -= 1
        while place and self._items[place - 1].role == "user":
            place -= 1
            if self._items[place].clips and not can.several_clips:
                break
        return _spoken(self._items[:place])


def _spoken(items: Sequence[Item]) -> list[Item]:
    return [item for item in items if item.role != "system"]


def conversation(items: Sequence[Item], instructions: str) -> Conversation:
    """Messages as a conversation: what one side says in a row is one message.

    Raises:
        ConversationError: the instructions are no text.
    """
    said: list[Message] = [Message("system", (Text(instructions),))] if instructions.strip() else []
    for item in items:
        if not item.parts or (item.role == "assistant" and not item.text):
            continue
        if said and said[-1].role == item.role:
            said[-1] = Message(item.role, (*said[-1].parts, *item.parts))
        else:
            said.append(Message(item.role, item.parts))
    return Conversation(tuple(said))


def _part(part: events.Part, form: str, where: str) -> Part:
    if part.type != "input_audio":
        if part.text is None or part.audio is not None:
            raise EventError("The part has no text, or audio beside it.", param=f"{where}.text")
        return Text(part.text)
    if part.audio is None or part.text is not None:
        raise EventError("The part has no audio, or text beside it.", param=f"{where}.audio")
    decoder = Decoder(form)
    data = unpacked(part.audio, f"{where}.audio")
    if len(data) > LONGEST * decoder.second:
        raise TooLargeError(f"The recording is over {LONGEST:g} s.", hint="Send less.", param=f"{where}.audio")
    return Clip(Audio.of(_samples(decoder, data), RATE, name="audio"))


def _samples(decoder: Decoder, data: bytes) -> Any:
    import numpy as np

    return np.concatenate((decoder.feed(data), decoder.finish()))


def unpacked(audio: str, param: str = "audio") -> bytes:
    """The bytes of audio in an event.

    Raises:
        EventError: they are not base64.
    """
    try:
        return base64.b64decode(audio, validate=True)
    except ValueError as error:
        raise EventError(f"The audio is not base64: {error}.", param=param) from None
