"""Chat as OpenAI's clients write and read it, and what vLLM's, TGI's and Hugging Face's add to that.

Formats: https://platform.openai.com/docs/api-reference/chat, https://docs.vllm.ai/en/latest/features/multimodal_inputs,
https://huggingface.co/docs/transformers/chat_templating_multimodal.
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError, core_schema

from hark.answers.schema import Schema
from hark.engines.engine import Options
from hark.errors import OptionError, RequestError
from hark.server.reading import Body

if TYPE_CHECKING:
    from hark.answers.answer import Answer, Delta, Usage

Seed = Annotated[int, Field(ge=0, lt=2**63)]
Temperature = Annotated[float, Field(ge=0, le=2)]
Share = Annotated[float, Field(gt=0, le=1)]
Count = Annotated[int, Field(ge=1)]


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


class ChatMessage(Wire):
    """A message; a reply of the model is taken as it was given, with its empty fields."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[list[Part], BeforeValidator(listed)]
    refusal: Annotated[Any, Only()] = None
    annotations: Annotated[Any, Only([])] = None
    audio: Annotated[Any, Only()] = None
    function_call: Annotated[Any, Only()] = None
    tool_calls: Annotated[Any, Only([])] = None

    def plain(self) -> dict[str, Any]:
        """The message as `read_messages` takes it."""
        return {"role": self.role, "content": [_plain(part) for part in self.content]}


def _plain(part: Part) -> dict[str, Any]:
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


class ResponseFormat(Wire):
    """OpenAI's forms, and those of TGI: `huggingface_hub` makes `json_object` with `value` of `json_schema`."""

    type: Literal["text", "json_object", "json_schema", "json"]
    json_schema: JsonSchema | None = None
    value: dict[str, Any] | str | None = None

    def schema_of_it(self) -> Schema | None:
        """The schema that answers are held to; None for text.

        Raises:
            RequestError: there is no schema, or it is none.
        """
        given: dict[str, Any] | str | None = self.json_schema.found() if self.json_schema else self.value
        if given is None and self.type == "json_object":
            given = {"type": "object"}
        if (given is None) is not (self.type == "text") or (self.json_schema and self.value is not None):
            raise RequestError(f"A response_format {self.type} has other fields.", param="response_format")
        return None if given is None else schema(given, "response_format")


def schema(given: Any, param: str) -> Schema:
    """A schema of a request.

    Raises:
        RequestError: it is none.
    """
    try:
        return Schema.of(given)
    except OptionError as error:
        raise RequestError(error.message, hint=error.hint, param=param) from None


class StreamOptions(Wire):
    """What a stream holds besides text."""

    include_usage: bool | None = None
    include_obfuscation: Annotated[Any, Only(False)] = None


class ChatRequest(Wire):
    """The body of `POST /v1/chat/completions`."""

    model: str | None = None
    messages: list[ChatMessage] = Field(min_length=1)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    response_format: ResponseFormat | None = None
    stop: Stop | None = None
    seed: Seed | None = None
    temperature: Temperature | None = None
    top_p: Share | None = None
    max_tokens: Count | None = None
    max_completion_tokens: Count | None = None
    hark: Hark = Hark()
    # What changes no answer:
    user: str | None = None
    metadata: dict[str, Any] | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    prompt_cache_options: dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    # What hark cannot do, with the values that say so:
    n: Annotated[Any, Only(1)] = None
    modalities: Annotated[Any, Only(["text"])] = None
    audio: Annotated[Any, Only()] = None
    frequency_penalty: Annotated[Any, Only(0)] = None
    presence_penalty: Annotated[Any, Only(0)] = None
    logit_bias: Annotated[Any, Only({})] = None
    logprobs: Annotated[Any, Only(False)] = None
    top_logprobs: Annotated[Any, Only(0)] = None
    tools: Annotated[Any, Only([])] = None
    tool_choice: Annotated[Any, Only("none", "auto")] = None
    tool_prompt: Annotated[Any, Only()] = None
    functions: Annotated[Any, Only([])] = None
    function_call: Annotated[Any, Only("none", "auto")] = None
    store: Annotated[Any, Only(False)] = None
    service_tier: Annotated[Any, Only("auto", "default")] = None
    verbosity: Annotated[Any, Only("medium")] = None
    reasoning_effort: Annotated[Any, Only("none")] = None
    prediction: Annotated[Any, Only()] = None
    moderation: Annotated[Any, Only()] = None
    web_search_options: Annotated[Any, Only()] = None

    def plain(self) -> list[dict[str, Any]]:
        """The messages as `read_messages` takes them."""
        return [message.plain() for message in self.messages]

    def options(self) -> dict[str, Any]:
        """The keywords of `Listener.answer`.

        Raises:
            RequestError: options contradict each other.
        """
        if self.stream_options and not self.stream:
            raise RequestError("stream_options go with stream.", param="stream_options")
        both = {count for count in (self.max_tokens, self.max_completion_tokens) if count is not None}
        if len(both) > 1:
            raise RequestError("max_tokens and max_completion_tokens differ.", param="max_tokens")
        values = {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "seed": self.seed,
            "stop": self.stop or None,
            "max_new_tokens": both.pop() if both else None,
            "schema": self.response_format and self.response_format.schema_of_it(),
        }
        return keywords(values, self.hark)


def keywords(values: dict[str, Any], beyond: Hark) -> dict[str, Any]:
    """Keywords of `Listener.answer`, checked before anything is waited for.

    Raises:
        OptionError: one has a wrong value, or they contradict each other.
    """
    given = {name: value for name, value in values.items() if value is not None} | beyond.given()
    Options.of(**{name: value for name, value in given.items() if name != "long"})
    return given


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


def usage(used: Usage) -> dict[str, Any] | None:
    """Tokens as OpenAI counts them; None where the model does not count both, as no number is made up."""
    if used.input_tokens is None or used.output_tokens is None:
        return None
    values: dict[str, Any] = {
        "prompt_tokens": used.input_tokens,
        "completion_tokens": used.output_tokens,
        "total_tokens": used.input_tokens + used.output_tokens,
    }
    if used.cached_tokens is not None:
        values["prompt_tokens_details"] = {"cached_tokens": used.cached_tokens}
    return values


def completion(answer: Answer, model: str) -> dict[str, Any]:
    """The object `chat.completion`, with what hark tells beyond it under `hark`."""
    message = {"role": "assistant", "content": answer.text, "refusal": None}
    finish = "length" if is_cut(answer) else "stop"
    return {
        "id": named("chatcmpl-"),
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
        "usage": usage(answer.usage),
        "hark": beyond(answer),
    }


class Chunks:
    """The objects `chat.completion.chunk` of one answer; with `counting`, the last one holds the usage."""

    def __init__(self, model: str, *, counting: bool) -> None:
        self.counting = counting
        self.head = {
            "id": named("chatcmpl-"),
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": model,
        }

    def begun(self) -> dict[str, Any]:
        """Who speaks."""
        return self._chunk({"role": "assistant", "content": "", "refusal": None})

    def step(self, delta: Delta) -> list[dict[str, Any]]:
        """The text of a step, where it has any."""
        return [self._chunk({"content": delta.text})] if delta.text else []

    def ended(self, answer: Answer) -> list[dict[str, Any]]:
        """Why it ends, what hark tells beyond the protocol, and the usage."""
        last = self._chunk({}, "length" if is_cut(answer) else "stop") | {"hark": beyond(answer)}
        if not self.counting:
            return [last]
        return [last, {**self.head, "choices": [], "usage": usage(answer.usage)}]

    def _chunk(self, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return {**self.head, "choices": [choice]} | ({"usage": None} if self.counting else {})
