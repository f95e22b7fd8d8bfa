"""One sample: what is said to a model, and what it should say; the formats in this folder read and write it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hark.conversation.conversation import Conversation, Message

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hark.answers.transcript import Segment
    from hark.audio.audio import Audio


@dataclass(frozen=True, slots=True)
class Sample:
    """A conversation whose last message is the answer wanted, if it is known.

    Attributes:
        id: unique in its data set.
        conversation: messages with text and clips; that of the assistant at the end is the target.
        segments: the target with its times, in seconds of the (first) clip, and who speaks, where known.
        speaker: who speaks in it.
        language, to: codes of the language spoken, and of the target where it is a translation.
        task: what is asked, by name (`transcribe`, `translate`, ...), where the data say so.
        choices: the answers to choose from, for multiple choice; the question may list them, too.
        loss: for each message of the assistant, whether it is learned; empty where the data do not say.
        about: whatever else the data say, as plain values: groups to break figures down by, categories, intents.
    """

    id: str
    conversation: Conversation
    segments: tuple[Segment, ...] = ()
    speaker: str | None = None
    language: str | None = None
    to: str | None = None
    task: str | None = None
    choices: tuple[str, ...] = ()
    loss: tuple[bool, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def asked(self) -> Conversation:
        """The conversation without the answer wanted: what a model is given."""
        return Conversation(self.conversation.messages[:-1]) if self._answered else self.conversation

    @property
    def target(self) -> str | None:
        """The answer wanted; None where it is not known."""
        return self.conversation.messages[-1].text if self._answered else None

    @property
    def clips(self) -> tuple[Audio, ...]:
        """All recordings, in order."""
        return self.conversation.clips

    @property
    def _answered(self) -> Message | None:
        last = self.conversation.messages[-1] if self.conversation.messages else None
        return last if last and last.role == "assistant" else None
