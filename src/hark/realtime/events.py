"""What clients of OpenAI's Realtime API (GA) send, as types: a session, its settings, and the events that steer it.

Shapes: https://platform.openai.com/docs/api-reference/realtime-client-events. What hark cannot honour is refused, with
an `error` event that leaves the session open.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from hark.errors import RequestError

Nothing = Annotated[list[Any], Field(max_length=0)]  # what hark cannot give: asked for by nobody
Tokens = Annotated[int, Field(ge=1)] | Literal["inf"]
_TAGS = frozenset({"server_vad", "semantic_vad", "audio/pcm", "audio/pcmu", "audio/pcma"})  # of unions, in a `loc`
_CODES = {
    "extra_forbidden": "unknown_parameter",
    "missing": "missing_required_parameter",
    "json_invalid": "invalid_json",
    "union_tag_not_found": "missing_required_parameter",
}


class EventError(RequestError):
    """An event that cannot be honoured: `code` is OpenAI's, `event_id` the name that the client gave the event."""

    def __init__(self, message: str, *, hint: str = "", param: str | None = None, code: str = "invalid_value") -> None:
        super().__init__(message, hint=hint, param=param)
        self.code = code
        self.event_id: str | None = None


class Values(BaseModel):
    """Part of an event; fields that nobody reads are refused."""

    model_config = ConfigDict(extra="forbid")


class Pcm(Values):
    """16-bit PCM, little-endian, mono, at 24 kHz."""

    type: Literal["audio/pcm"] = "audio/pcm"
    rate: Literal[24000] = 24000


class MuLaw(Values):
    """G.711 mu-law at 8 kHz."""

    type: Literal["audio/pcmu"]


class ALaw(Values):
    """G.711 A-law at 8 kHz."""

    type: Literal["audio/pcma"]


class Transcription(Values):
    """That what is said is written down beside the answers; `model` is one of the server's, else the session's."""

    model: str | None = None
    language: str | None = None
    prompt: Literal[""] | None = None


class Turning(Values):
    """What happens when somebody begins and ends a turn."""

    create_response: bool = True
    interrupt_response: bool = True


class ServerVad(Turning):
    """A turn begins with speech, and ends with a silence of a length that is given."""

    type: Literal["server_vad"] = "server_vad"
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    prefix_padding_ms: Annotated[int, Field(ge=0, le=5000)] = 300
    silence_duration_ms: Annotated[int, Field(ge=32, le=10_000)] = 500
    idle_timeout_ms: Annotated[int, Field(ge=1000, le=30_000)] | None = None

    @property
    def silence(self) -> float:
        """Seconds without speech that end a turn."""
        return self.silence_duration_ms / 1000


class SemanticVad(Turning):
    """As `server_vad`, with a silence that is longer the less eager it is: nothing judges what the words mean."""

    type: Literal["semantic_vad"]
    eagerness: Literal["low", "medium", "high", "auto"] = "auto"
    threshold: ClassVar[float] = 0.5
    prefix_padding_ms: ClassVar[int] = 300
    idle_timeout_ms: ClassVar[None] = None

    @property
    def silence(self) -> float:
        """Seconds without speech that end a turn."""
        return {"low": 1.5, "medium": 0.8, "auto": 0.8, "high": 0.4}[self.eagerness]


class Input(Values):
    """What is heard, and how it becomes turns; a field that is null is switched off."""

    format: Annotated[Pcm | MuLaw | ALaw, Field(discriminator="type")] = Pcm()
    transcription: Transcription | None = None
    noise_reduction: None = None
    turn_detection: Annotated[ServerVad | SemanticVad, Field(discriminator="type")] | None = ServerVad()


class Sound(Values):
    """The audio of a session; hark speaks in text, so that there is no output."""

    input: Input = Input()


class Settings(Values):
    """What a session is like."""

    type: Literal["realtime", "transcription"] = "realtime"
    model: str | None = None
    output_modalities: Annotated[list[Literal["text"]], Field(min_length=1, max_length=1)] = ["text"]
    instructions: str = ""
    audio: Sound = Sound()
    max_output_tokens: Tokens = "inf"
    include: Nothing | None = None
    tools: Nothing = []
    tool_choice: Literal["auto", "none"] = "auto"
    truncation: Literal["auto"] = "auto"
    tracing: None = None

    def shown(self, model: str) -> dict[str, Any]:
        """As events show it: a transcription has no more than its audio."""
        values = self.model_dump(mode="json")
        if self.type == "transcription":
            return {name: values[name] for name in ("type", "audio", "include")}
        return values | {"model": model}


class Part(Values):
    """A part of a message."""

    type: Literal["input_text", "input_audio", "output_text"]
    text: Annotated[str, Field(max_length=100_000)] | None = None
    audio: str | None = None
    transcript: str | None = None


class Item(Values):
    """A message of the conversation."""

    id: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    type: Literal["message"]
    object: Literal["realtime.item"] | None = None
    status: Literal["completed", "incomplete", "in_progress"] | None = None
    role: Literal["user", "assistant", "system"]
    content: Annotated[list[Part], Field(min_length=1, max_length=64)]


class Reference(Values):
    """A message of the conversation by its id."""

    type: Literal["item_reference"]
    id: str


class Wish(Values):
    """What a `response.create` may say about one answer."""

    instructions: str | None = None
    output_modalities: Annotated[list[Literal["text"]], Field(min_length=1, max_length=1)] | None = None
    max_output_tokens: Tokens | None = None
    conversation: Literal["auto", "none"] = "auto"
    input: list[Annotated[Item | Reference, Field(discriminator="type")]] | None = None
    metadata: (
        Annotated[
            dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]], Field(max_length=16)
        ]
        | None
    ) = None
    tools: Nothing = []
    tool_choice: Literal["auto", "none"] = "auto"


class Event(Values):
    """Any event of a client."""

    event_id: Annotated[str, Field(max_length=512)] | None = None


class SessionUpdate(Event):
    """New settings; what they do not name stays."""

    type: Literal["session.update"]
    session: dict[str, Any]


class Append(Event):
    """Sound, in base64."""

    type: Literal["input_audio_buffer.append"]
    audio: str


class Commit(Event):
    """The turn is over."""

    type: Literal["input_audio_buffer.commit"]


class Clear(Event):
    """Forget the sound of the turn."""

    type: Literal["input_audio_buffer.clear"]


class OutputClear(Event):
    """Stop sound that is played: hark plays none."""

    type: Literal["output_audio_buffer.clear"]


class ItemCreate(Event):
    """A message for the conversation."""

    type: Literal["conversation.item.create"]
    previous_item_id: str | None = None
    item: Item


class ItemDelete(Event):
    """Forget a message."""

    type: Literal["conversation.item.delete"]
    item_id: str


class ItemRetrieve(Event):
    """Show a message."""

    type: Literal["conversation.item.retrieve"]
    item_id: str


class ItemTruncate(Event):
    """Cut the sound of an answer: hark has none."""

    type: Literal["conversation.item.truncate"]
    item_id: str
    content_index: int = 0
    audio_end_ms: int = 0


class ResponseCreate(Event):
    """Answer now."""

    type: Literal["response.create"]
    response: Wish | None = None


class ResponseCancel(Event):
    """Stop the answer."""

    type: Literal["response.cancel"]
    response_id: str | None = None


ClientEvent = (
    SessionUpdate | Append | Commit | Clear | OutputClear | ItemCreate | ItemDelete | ItemRetrieve | ItemTruncate
    | ResponseCreate | ResponseCancel
)  # fmt: skip
_EVENTS: TypeAdapter[ClientEvent] = TypeAdapter(Annotated[ClientEvent, Field(discriminator="type")])


def read(text: str | bytes) -> ClientEvent:
    """Read an event of a client.

    Raises:
        EventError: it is no event, or holds what nobody reads; `param` says where.
    """
    try:
        return _EVENTS.validate_json(text)
    except ValidationError as error:
        found = _wrong(error, skip=1)
    found.event_id = _event_id(text)
    raise found


def changed(settings: Settings, update: dict[str, Any]) -> Settings:
    """Settings after an update: what it names is replaced, also deep inside; all else stays.

    Raises:
        EventError: it names what hark cannot honour.
    """
    merged = _merged(settings.model_dump(), update)
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        raise _wrong(error, "session") from None


def _merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    if "type" in old and new.get("type", old["type"]) != old["type"] and old["type"] in _TAGS:
        return new  # of another kind: nothing of the old one means anything
    merged = dict(old)
    for key, value in new.items():
        before = old.get(key)
        merged[key] = _merged(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return merged


def _wrong(error: ValidationError, *start: str, skip: int = 0) -> EventError:
    """The first thing that is wrong; never what was sent."""
    first = error.errors(include_input=False, include_url=False)[0]
    kind, place = first["type"], [str(part) for part in first["loc"][skip:] if part not in _TAGS]
    code = _CODES.get(kind, "invalid_value")
    if kind == "json_invalid":
        return EventError("The event is no JSON.", code=code)
    place += ["type"] if kind in ("union_tag_invalid", "union_tag_not_found") else []
    param = ".".join((*start, *place))[:200]
    if place[-1:] == ["type"] and "tag" in kind:
        return EventError(f"{param}: there is no such type here.", param=param, code=code)
    if kind == "extra_forbidden":
        return EventError(f"There is no option {param!r} here.", hint="Leave it out.", param=param, code=code)
    return EventError(f"{param}: {first['msg']}." if param else f"{first['msg']}.", param=param or None, code=code)


def _event_id(text: str | bytes) -> str | None:
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        return None
    name = given.get("event_id") if isinstance(given, dict) else None
    return name[:512] if isinstance(name, str) else None
