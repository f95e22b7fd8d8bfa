"""A spoken dialogue: questions that are spoken become text, what else is said is what they are about."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hark.conversation.conversation import Clip, Conversation, Message, Text
from hark.engines.builtin.router import asks, route

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hark.engines.builtin.router import Request

NOBODY = "I heard nobody speak."


@dataclass(frozen=True, slots=True)
class Turn:
    """What there is to do about the last thing said.

    Attributes:
        text: the answer, where it needs no recording.
        conversation, request: what is asked about what was heard before, where `text` is empty.
    """

    text: str
    conversation: Conversation
    request: Request


def turn(conversation: Conversation, words: Mapping[str, str]) -> Turn:
    """Read a dialogue, with the words of each clip by its id.

    A spoken question is about all that was told before; something told is confirmed by its words. Where nothing was
    told before, a question has nothing that it could be about, and is confirmed as well.
    """
    read = _read(conversation, words)
    last = read.messages[-1]
    prompt = last.text.strip()
    request = replace(route(prompt), every=True)
    if last.clips and not prompt:
        told = " ".join(filter(None, (words[clip.id] for clip in last.clips)))
        return Turn(f'I heard: "{told}"' if told else NOBODY, read, request)
    if request.refusal:
        return Turn(f"{request.refusal.reason} {request.refusal.instead}".strip(), read, request)
    return Turn("", read, request)


def _read(conversation: Conversation, words: Mapping[str, str]) -> Conversation:
    """The conversation with each spoken question as text; what nobody said is left out, unless it comes last."""
    messages: list[Message] = []
    told = False
    for message in conversation.messages:
        last = message is conversation.messages[-1]
        parts: list[Text | Clip] = []
        for part in message.parts:
            said = words[part.audio.id] if isinstance(part, Clip) else ""
            if isinstance(part, Clip) and asks(said) and (told or not last):
                parts.append(Text(said))
            elif isinstance(part, Text) or said or last:
                parts.append(part)
                told = told or bool(said)
        messages.append(Message(message.role, tuple(parts or (Text(""),))))
    return Conversation(tuple(messages))
