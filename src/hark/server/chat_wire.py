"""Chat completions as OpenAI's clients ask for and read them, with the forms that TGI and Hugging Face have besides.

Format: https://platform.openai.com/docs/api-reference/chat.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from hark.errors import RequestError
from hark.server.openai_parts import (
    Count,
    Hark,
    JsonSchema,
    Only,
    Part,
    Seed,
    Share,
    Stop,
    Temperature,
    Wire,
    beyond,
    is_cut,
    keywords,
    listed,
    named,
    plain,
    schema,
)

if TYPE_CHECKING:
    from hark.answers.answer import Answer, Delta, Usage
    from hark.answers.schema import Schema


class ChatMessage(Wire):
    """A message; a reply of the model is taken as it was given, with its empty fields."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[list[Part], BeforeValidator(listed)]
    refusal: Annotated[Any, Only()] = None
    annotations: Annotated[Any, Only([])] = None
    audio: Annotated[Any, Only()] = None
    function_call: Annotated[Any, Only()] = None
    tool_calls: Annotated[Any, Only([])] = None
    parsed: Any = None  # what openai for Python made of the JSON in `content`; it sends that along

    def plain(self) -> dict[str, Any]:
        """The message as `read_messages` takes it."""
        return {"role": self.role, "content": [plain(part) for part in self.content]}


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
            hint = "Send json_schema with json_schema, json with value, json_object with value or without."
            raise RequestError("The response_format is not what its type says.", hint=hint, param="response_format")
        return None if given is None else schema(given, "response_format")


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
    hark: Hark | None = None
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
        """The text of a step, and how far into the recordings the model has come, where it has either."""
        if not delta.text and delta.heard is None:
            return []
        chunk = self._chunk({"content": delta.text} if delta.text else {})
        return [chunk if delta.heard is None else chunk | {"hark": {"heard": delta.heard}}]

    def ended(self, answer: Answer) -> list[dict[str, Any]]:
        """Why it ends, what hark tells beyond the protocol, and the usage."""
        last = self._chunk({}, "length" if is_cut(answer) else "stop") | {"hark": beyond(answer)}
        if not self.counting:
            return [last]
        return [last, {**self.head, "choices": [], "usage": usage(answer.usage)}]

    def _chunk(self, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return {**self.head, "choices": [choice]} | ({"usage": None} if self.counting else {})
