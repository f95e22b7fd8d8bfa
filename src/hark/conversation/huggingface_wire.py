"""One request of Hugging Face's audio-text-to-text task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hark.audio.audio import Audio
from hark.conversation.conversation import Conversation
from hark.conversation.messages import read_messages
from hark.errors import ConversationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hark.conversation.messages import Opener

_HINT = 'Use {"audio": ..., "text": ...}, {"inputs": {"audio", "text"}, "parameters": {...}} or {"messages": [...]}.'


def read_request(request: Mapping[str, Any], opened: Opener = Audio.of) -> tuple[Conversation, dict[str, Any]]:
    """Read one request; returns the conversation and its parameters as given.

    Accepts `{"audio", "text"}` (audio may be a list), the same under `inputs` with `parameters` beside it, and
    `{"messages": [...]}` or messages as `inputs`. `opened` makes an Audio of what a request names.

    Raises:
        ConversationError: it has another shape, or a key nobody reads.
    """
    if not isinstance(request, dict):
        raise ConversationError(f"A request is an object, not {type(request).__name__}.", hint=_HINT)
    rest = dict(request)
    parameters = rest.pop("parameters", None) or {}
    if not isinstance(parameters, dict):
        raise ConversationError("The parameters of a request are an object.", hint=_HINT)
    inputs = rest.pop("inputs", None)
    if inputs is not None:
        _nothing_left(rest)
        rest = dict(inputs) if isinstance(inputs, dict) else {_key(inputs): inputs}
    messages = rest.pop("messages", None)
    if messages is not None:
        _nothing_left(rest)
        return read_messages(messages, opened), parameters
    audio, text = rest.pop("audio", None), rest.pop("text", None)
    _nothing_left(rest)
    if audio is None or audio == [] or not isinstance(text, str | None):
        raise ConversationError("The request has no audio, or its text is no text.", hint=_HINT)
    clips = audio if isinstance(audio, list) else [audio]
    return Conversation.ask(tuple(opened(clip) for clip in clips), text), parameters


def _key(inputs: Any) -> str:
    return "messages" if isinstance(inputs, list) else "audio"


def _nothing_left(rest: Mapping[str, Any]) -> None:
    if rest:
        raise ConversationError(f"The request has a key nobody reads: {min(rest, key=str)!r}.", hint=_HINT)
