"""What OpenAI's chat and its Responses have in common: parts of messages, options, schemas, and what hark adds.

Formats: https://platform.openai.com/docs/api-reference, https://docs.vllm.ai/en/latest/features/multimodal_inputs,
https://huggingface.co/docs/transformers/chat_templating_multimodal.
"""

from __future__ import annotations

import contextlib
import secrets
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError, core_schema

from hark.answers.schema import Schema
from hark.engines.engine import Options
from hark.errors import OptionError, RequestError, UnsupportedError
from hark.server.reading import Body

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hark.answers.answer import Answer

Seed = Annotated[int, Field(ge=0, lt=2**63)]
Temperature = Annotated[float, Field(ge=0, le=2)]
Share = Annotated[float, Field(gt=0, le=1)]
Count = Annotated[int, Field(ge=1, lt=2**31)]


class Wire(Body):
    """A piece of a request: numbers are numbers, and what nobody reads is refused."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Only:
    """An option of the protocol that hark does not have: null and the values that ask for nothing are taken."""

    def __init__(self, *values: Any) -> None:
        self.values = values

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> core_schema.CoreSchema:
        """Check a value."""
        return core_schema.no_info_plain_validator_function(self._check)

    def __get_pydantic_json_schema__(self, _schema: Any, _handler: Any) -> dict[str, Any]:
        """Tell what is taken."""
        return {"enum": [None, *self.values]}

    def _check(self, value: Any) -> Any:
        for one in (None, *self.values):
            if value == one and isinstance(value, bool) is isinstance(one, bool):
                return value
        raise PydanticCustomError("unsupported", "this server cannot honour it; leave it out")


def one_or_more(value: Any) -> Any:
    """A text, or a list of texts, as a list."""
    return [value] if isinstance(value, str) else value


Stop = Annotated[list[Annotated[str, Field(min_length=1)]], BeforeValidator(one_or_more)]


class Hark(Wire):
    """What hark takes beyond the protocol, under one key: `extra_body={"hark": {"task": "summary"}}` in Python.

    The fields are those of `hark.Options`; `long` is that of `Listener.ask`.
    """

    task: str | None = None
    language: str | None = None
    to: str | None = None
    timestamps: Literal["none", "segment", "word"] | None = None
    beams: Count | None = None
    long: Literal["refuse", "split"] | float | None = None

    def given(self) -> dict[str, Any]:
        """The keywords that were set."""
        return self.model_dump(exclude_none=True)


class TextPart(Wire):
    """Text in a message."""

    type: Literal["text"]
    text: str
    prompt_cache_breakpoint: Any = None


class InputAudio(Wire):
    """Base64; the format is told by the bytes, whatever `format` says."""

    data: str
    format: str | None = None


class InputAudioPart(Wire):
    """Audio as OpenAI's clients send it."""

    type: Literal["input_audio"]
    input_audio: InputAudio
    prompt_cache_breakpoint: Any = None


class Address(Wire):
    """A data URI or an address."""

    url: str


class AudioUrlPart(Wire):
    """Audio as vLLM's clients send it."""

    type: Literal["audio_url"]
    audio_url: Address | str


class FileData(Wire):
    """A file in base64 or as a data URI."""

    file_data: str
    filename: str | None = None


class FilePart(Wire):
    """A recording sent as a file."""

    type: Literal["file"]
    file: FileData
    prompt_cache_breakpoint: Any = None


class AudioPart(Wire):
    """Audio as transformers' chat templates have it; a `path` is always refused."""

    type: Literal["audio"]
    audio: str | None = None
    url: str | None = None
    audio_url: str | None = None
    base64: str | None = None
    path: str | None = None


Part = Annotated[TextPart | InputAudioPart | AudioUrlPart | FilePart | AudioPart, Field(discriminator="type")]


def listed(content: Any) -> Any:
    """The content of a message as a list of parts."""
    if content is None:
        raise PydanticCustomError("empty", "a message needs text, or a list of parts")
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def plain(part: Part) -> dict[str, Any]:
    """A part as `read_messages` takes it."""
    if isinstance(part, FilePart):
        return {"type": "audio", "audio": part.file.file_data}
    return part.model_dump(exclude_none=True)


class JsonSchema(Wire):
    """A schema with a name; every answer is held to it, `strict` or not."""

    name: str | None = None
    values: dict[str, Any] = Field({"type": "object"}, alias="schema")
    description: str | None = None
    strict: bool | None = None

    def found(self) -> dict[str, Any]:
        """The schema, with its description where it has none of its own."""
        return ({"description": self.description} if self.description else {}) | self.values


def schema(given: Any, param: str) -> Schema:
    """A schema of a request.

    Raises:
        RequestError: it is none.
    """
    try:
        return Schema.of(given)
    except OptionError as error:
        raise RequestError(
            error.message, hint="Send a JSON Schema that refers to nothing outside it.", param=param
        ) from None


def keywords(values: dict[str, Any], more: Hark | None) -> dict[str, Any]:
    """Keywords of `Listener.answer`, checked before anything is waited for.

    Raises:
        OptionError: one has a wrong value, or they contradict each other.
    """
    given = {name: value for name, value in values.items() if value is not None} | (more.given() if more else {})
    Options.of(**{name: value for name, value in given.items() if name != "long"})
    return given


_NAMES = {name: f"hark.{name}" for name in Hark.model_fields}


@contextlib.contextmanager
def called(**names: str) -> Iterator[None]:
    """Call options in errors what clients call them: `names` are those that hark calls otherwise."""
    try:
        yield
    except (OptionError, UnsupportedError) as error:
        error.param = (_NAMES | names).get(error.param, error.param) if error.param else None
        raise


def named(kind: str) -> str:
    """A new id, such as `chatcmpl-...`."""
    return f"{kind}{secrets.token_hex(12)}"


def is_cut(answer: Answer) -> bool:
    """Did its text break off at a limit of tokens?"""
    return any(notice.kind == "limit" for notice in answer.notices)


def beyond(answer: Answer) -> dict[str, Any]:
    """What hark tells beyond the protocol: seconds heard, notices, evidence with times; `data` is JSON in the text."""
    values = answer.to_dict()
    told = {key: value for key, value in values.items() if key not in ("generated_text", "usage")}
    return {**values["usage"], **told}
