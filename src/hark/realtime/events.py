"""What clients of OpenAI's Realtime API (GA) send, as types: a session, its settings, and the events that steer it.

Shapes: https://platform.openai.com/docs/api-reference/realtime-client-events. What hark cannot honour is refused, with
an `error` event that leaves the session open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

if TYPE_CHECKING:
    from hark.errors import RequestError


Nothing = Annotated[list[Any], Field(max_length=0)]  # what hark cannot give: asked for by nobody


class Values(BaseModel):
    """Part of an event; fields that nobody reads are refused."""

    model_config = ConfigDict(extra="forbid")


class Format(Values):
    """How audio is coded: 16-bit PCM at 24 kHz, or G.711 at 8 kHz."""

    type: Literal["audio/pcm", "audio/pcmu", "audio/pcma"] = "audio/pcm"
    rate: Literal[24000] | None = None


class Transcription(Values):
    """That what is said is written down beside the answers."""

    model: str | None = None
    language: str | None = None
    prompt: Literal[""] | None = None


class Turning(Values):
    """How turns are told: `semantic_vad` waits longer the less eager it is; both end a turn after a silence."""

    type: Literal["server_vad", "semantic_vad"] = "server_vad"
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    prefix_padding_ms: Annotated[int, Field(ge=0, le=5000)] = 300
    silence_duration_ms: Annotated[int, Field(ge=32, le=10000)] = 500
    create_response: bool = True
    interrupt_response: bool = True
    idle_timeout_ms: Annotated[int, Field(ge=1000, le=600_000)] | None = None
    eagerness: Literal["low", "medium", "high", "auto"] = "auto"

    @property
    def silence(self) -> float:
        """Seconds without speech that end a turn."""
        if self.type == "semantic_vad":
            return {"low": 1.5, "medium": 0.8, "auto": 0.8, "high": 0.4}[self.eagerness]
        return self.silence_duration_ms / 1000


class Input(Values):
    """What is heard, and how it becomes turns; a field that is null is switched off."""

    format: Format = Format()
    transcription: Transcription | None = None
    noise_reduction: None = None
    turn_detection: Turning | None = Turning()


class Sound(Values):
    """The audio of a session; hark speaks in text, so that there is no output."""

    input: Input = Input()


class Settings(Values):
    """What a session is like."""

    type: Literal["realtime", "transcription"] = "realtime"
    model: str | None = None
    output_modalities: list[Literal["text"]] = ["text"]
    instructions: str = ""
    audio: Sound = Sound()
    max_output_tokens: Annotated[int, Field(ge=1)] | Literal["inf"] = "inf"
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    include: Nothing | None = None
    tools: Nothing = []
    tool_choice: Literal["auto", "none"] = "auto"
    truncation: Literal["auto", "disabled"] = "auto"
    tracing: None = None


class Part(Values):
    """A part of a message."""

    type: Literal["input_text", "input_audio", "output_text", "text"]
    text: str | None = None
    audio: str | None = None
    transcript: str | None = None


class Item(Values):
    """A message of the conversation."""

    id: str | None = None
    type: Literal["message"] = "message"
    object: Literal["realtime.item"] | None = None
    status: str | None = None
    role: Literal["user", "assistant", "system"]
    content: list[Part]


class Wish(Values):
    """What a `response.create` may say about one answer."""

    instructions: str | None = None
    output_modalities: list[Literal["text"]] | None = None
    max_output_tokens: Annotated[int, Field(ge=1)] | Literal["inf"] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    conversation: Literal["auto", "none"] = "auto"
    input: list[Item] | None = None
    metadata: dict[str, str] | None = None
    tools: Nothing = []
    tool_choice: Literal["auto", "none"] = "auto"


class Event(Values):
    """Any event of a client."""

    event_id: str | None = None


class SessionUpdate(Event):
    """New settings; what they do not name stays."""

    type: Literal["session.update"]
    session: dict[str, Any]


class Append(Event):
    """Sound, in base64."""

    type: Literal["input_audio_buffer.append"]
    audio: str


class Commit(Event):
    """The turn is over (where no pauses are waited for)."""

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
    response: Wish = Wish()


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
        RequestError: it is no event, or holds what nobody reads; `param` says where.
    """
    try:
        return _EVENTS.validate_json(text)
    except ValidationError as error:
        raise _wrong(error) from None


def changed(settings: Settings, update: dict[str, Any]) -> Settings:
    """Settings after an update: what it names is replaced, also deep inside; all else stays.

    Raises:
        RequestError: it names what hark cannot honour.
    """
    merged = _merged(settings.model_dump(exclude_none=False), update)
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        raise _wrong(error, "session") from None


def _merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    merged = dict(old)
    for key, value in new.items():
        before = old.get(key)
        merged[key] = _merged(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return merged


def _wrong(error: ValidationError, start: str = "") -> RequestError:
    from hark.server.reading import wrong

    found = wrong(error)
    if start and found.param:
        found.param = f"{start}.{found.param}"
    return found
