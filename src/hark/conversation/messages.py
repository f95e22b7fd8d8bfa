"""Chat messages in the shapes people already have: transformers', OpenAI's and vLLM's, in and out."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hark.audio import base64_text
from hark.audio.audio import Audio
from hark.conversation.conversation import Clip, Conversation, Message, Part, Text
from hark.errors import ConversationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Opener = Callable[..., Audio]  # called like `Audio.of`
_HINT = (
    'Write messages as [{"role": "user", "content": [{"type": "audio", "path": "clip.flac"}, '
    '{"type": "text", "text": "What does the person say?"}]}].'
)
_AUDIO_KEYS = ("audio", "audio_url", "url", "path", "array", "raw", "base64")


def read_messages(messages: Sequence[Mapping[str, Any]], opened: Opener = Audio.of) -> Conversation:
    """Read chat messages; content is a string or a list of parts.

    Parts: `{"type": "text", "text"}`, `{"type": "audio", "audio" | "url" | "path" | "audio_url" ...}` (transformers),
    `{"type": "input_audio", "input_audio": {"data", "format"}}` (OpenAI), `{"type": "audio_url", "audio_url": {"url"}}`
    (vLLM). `opened` makes an Audio of what a part names.

    Raises:
        ConversationError: a message or part has a shape nobody reads; the message says which.
    """
    if not isinstance(messages, list | tuple) or not messages:
        raise ConversationError("There are no messages.", hint=_HINT)
    return Conversation(tuple(_message(message, number, opened) for number, message in enumerate(messages, 1)))


def write_transformers(conversation: Conversation) -> list[dict[str, Any]]:
    """Write transformers messages; each clip is `{"type": "audio", "audio": <the Audio>}`."""
    return [{"role": m.role, "content": [_transformers(part) for part in m.parts]} for m in conversation.messages]


def write_openai(conversation: Conversation) -> list[dict[str, Any]]:
    """Write OpenAI chat messages; each clip becomes `input_audio` holding a 16 kHz mono WAV file in base64."""
    return [{"role": m.role, "content": [_openai(part) for part in m.parts]} for m in conversation.messages]


def _transformers(part: Part) -> dict[str, Any]:
    return {"type": "text", "text": part.text} if isinstance(part, Text) else {"type": "audio", "audio": part.audio}


def _openai(part: Part) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    data = base64.b64encode(part.audio.to_wav()).decode()
    return {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}


def _message(message: Any, number: int, opened: Opener) -> Message:
    if not isinstance(message, dict) or "role" not in message or "content" not in message:
        raise ConversationError(f"Message {number} needs a role and a content.", hint=_HINT)
    role: Any = "system" if message["role"] == "developer" else message["role"]
    content = message["content"]
    parts = [content] if isinstance(content, str) else content
    if not isinstance(parts, list | tuple):
        raise ConversationError(f"The content of message {number} is neither text nor a list.", hint=_HINT)
    return Message(role, tuple(_part(part, number, opened) for part in parts))


def _part(part: Any, number: int, opened: Opener) -> Part:
    if isinstance(part, str):
        return Text(part)
    kind: Any = type(part).__name__
    if isinstance(part, dict):
        kind = part.get("type", "text" if "text" in part else "audio")
        if kind in ("text", "input_text", "output_text") and isinstance(part.get("text"), str):
            return Text(part["text"])
        if kind in ("audio", "audio_url"):
            return Clip(_audio(part, number, opened))
        if kind == "input_audio":
            return Clip(_input_audio(part.get("input_audio"), number, opened))
    raise ConversationError(f"Message {number} holds a part that is neither text nor audio: {kind!r}.", hint=_HINT)


def _audio(part: Mapping[str, Any], number: int, opened: Opener) -> Audio:
    given = [key for key in _AUDIO_KEYS if part.get(key) is not None]
    if len(given) != 1:
        found = " and ".join(given) or "none"
        raise ConversationError(
            f"An audio part of message {number} needs one of {', '.join(_AUDIO_KEYS)}; it has {found}."
        )
    value = part[given[0]]
    if given[0] == "audio_url" and isinstance(value, dict):
        value = value.get("url")
    return opened(value, part.get("sampling_rate", part.get("sample_rate")))


def _input_audio(value: Any, number: int, opened: Opener) -> Audio:
    data = value.get("data") if isinstance(value, dict) else None
    if not isinstance(data, str) or not data:
        raise ConversationError(f"The input_audio of message {number} has no data.", hint=_HINT)
    if data.startswith("data:"):
        return opened(data)
    try:
        sound = base64_text.decode(data)
    except ValueError as error:
        raise ConversationError(f"The input_audio of message {number} is not base64: {error}.") from error
    # The format is told by the bytes, never by the field of that name.
    return opened(sound, name=f"the audio of message {number}")
