"""A question for samples that ask nothing: transcripts have none, and models of chats want one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hark.conversation.conversation import Conversation, Message, Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hark.data.sample import Sample


def asking(samples: Iterable[Sample], prompt: str | None) -> Iterator[Sample]:
    """The samples, with `prompt` in each message of a user that has no text."""
    for sample in samples:
        yield sample if prompt is None else _asking(sample, prompt)


def _asking(sample: Sample, prompt: str) -> Sample:
    messages = tuple(
        Message("user", (*message.parts, Text(prompt)))
        if message.role == "user" and not message.text.strip()
        else message
        for message in sample.conversation.messages
    )
    return replace(sample, conversation=Conversation(messages))
