"""What is said to a model: immutable messages of text and audio, which know nothing of models."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from hark.errors import ConversationError

if TYPE_CHECKING:
    from hark.audio.audio import Audio

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of text in a message."""

    text: str

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise ConversationError(f"{self.text!r} is no text.", hint="Prompts and system prompts are text.")
        if re.search("[\ud800-\udfff]", self.text):  # how Python holds bytes of another encoding
            raise ConversationError(f"{_short(self.text)} is not text in UTF-8.", hint="Write the prompt in UTF-8.")


@dataclass(frozen=True, slots=True)
class Clip:
    """A piece of audio in a message."""

    audio: Audio


Part = Text | Clip


@dataclass(frozen=True, slots=True)
class Message:
    """One turn: who speaks, and the text and clips in the order given."""

    role: Role
    parts: tuple[Part, ...]

    def __post_init__(self) -> None:
        if self.role not in ("system", "user", "assistant"):
            raise ConversationError(f"A message cannot come from {self.role!r}.", hint="Use system, user or assistant.")
        if self.role != "user" and self.clips:
            raise ConversationError(
                f"A {self.role} message cannot hold audio.", hint="Put the audio in a user message."
            )

    @property
    def text(self) -> str:
        """All text of the message, joined by line breaks."""
        return "\n".join(part.text for part in self.parts if isinstance(part, Text))

    @property
    def clips(self) -> tuple[Audio, ...]:
        """All audio of the message, in order."""
        return tuple(part.audio for part in self.parts if isinstance(part, Clip))


@dataclass(frozen=True, slots=True)
class Conversation:
    """An immutable list of messages; `say`, `with_prompt` and `reply` return longer ones."""

    messages: tuple[Message, ...] = ()

    @classmethod
    def ask(cls, clips: tuple[Audio, ...], prompt: str | None = None, system: str | None = None) -> Conversation:
        """One question about some clips; without a prompt the clips alone are given."""
        start = cls((Message("system", (Text(system),)),)) if system else cls()
        return start.say(*clips, *([prompt] if prompt else []))

    def say(self, *parts: Audio | str) -> Conversation:
        """Add a user's turn made of audio and text.

        Raises:
            ConversationError: there is nothing in it.
        """
        said = tuple(_part(part) for part in parts)
        if not any(isinstance(part, Clip) or part.text.strip() for part in said):
            raise ConversationError(
                "There is nothing to say: no audio and no text.", hint="Give audio, a prompt, or both."
            )
        return Conversation((*self.messages, Message("user", said)))

    def with_prompt(self, prompt: str) -> Conversation:
        """Add a prompt to the user's turn that waits for an answer, or begin such a turn with it."""
        if not self.messages or self.messages[-1].role != "user":
            return self.say(prompt)
        last = self.messages[-1]
        return Conversation((*self.messages[:-1], Message("user", (*last.parts, Text(prompt)))))

    def reply(self, text: str) -> Conversation:
        """Add the assistant's turn."""
        return Conversation((*self.messages, Message("assistant", (Text(text),))))

    @property
    def clips(self) -> tuple[Audio, ...]:
        """All audio of the conversation, in order."""
        return tuple(audio for message in self.messages for audio in message.clips)

    @property
    def system(self) -> str:
        """The text of all system messages."""
        return "\n".join(message.text for message in self.messages if message.role == "system")

    @property
    def prompt(self) -> str:
        """The text of the last user message: what is asked now."""
        return next((m.text for m in reversed(self.messages) if m.role == "user"), "")

    @property
    def turns(self) -> int:
        """How many user messages there are."""
        return sum(message.role == "user" for message in self.messages)


def _part(given: Any) -> Part:
    """What is neither audio nor text is refused as text: it was meant as the prompt."""
    return Clip(given) if hasattr(given, "samples") else Text(given)


def _short(text: str, most: int = 60) -> str:
    return repr(text if len(text) <= most else f"{text[:most]}...")
