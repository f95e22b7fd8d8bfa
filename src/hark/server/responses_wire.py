"""OpenAI's Responses: what is asked, the object that answers, and the events of a stream, in their order.

Format: https://platform.openai.com/docs/api-reference/responses and .../responses-streaming.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from hark.server.openai_parts import (
    Count,
    Hark,
    InputAudioPart,
    JsonSchema,
    Only,
    Share,
    Temperature,
    TextPart,
    Wire,
    beyond,
    is_cut,
    keywords,
    listed,
    named,
    schema,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hark.answers.answer import Answer, Usage
    from hark.answers.schema import Schema
    from hark.errors import HarkError

Event = tuple[str, dict[str, Any]]


class InputText(Wire):
    """Text of whoever asks."""

    type: Literal["input_text"]
    text: str
    prompt_cache_breakpoint: Any = None


class OutputText(Wire):
    """Text that the model wrote in an earlier turn, as it was given."""

    type: Literal["output_text"]
    text: str
    annotations: Any = None
    logprobs: Any = None


class InputFile(Wire):
    """A recording sent as a file: base64, a data URI, or an address."""

    type: Literal["input_file"]
    file_data: str | None = None
    file_url: str | None = None
    filename: str | None = None
    file_id: Annotated[Any, Only()] = None
    detail: Any = None
    prompt_cache_breakpoint: Any = None


Part = Annotated[InputText | OutputText | TextPart | InputAudioPart | InputFile, Field(discriminator="type")]


class Item(Wire):
    """A message of the conversation; the items of an earlier answer's `output` are taken as they were given."""

    type: Literal["message"] = "message"
    role: Literal["user", "assistant", "system", "developer"]
    content: Annotated[list[Part], BeforeValidator(listed)]
    id: Any = None
    status: Any = None
    phase: Any = None

    def plain(self) -> dict[str, Any]:
        """The message as `read_messages` takes it."""
        return {"role": self.role, "content": [_plain(part) for part in self.content]}


def _plain(part: Part) -> dict[str, Any]:
    if isinstance(part, InputFile):
        given = {"audio": part.file_data, "url": part.file_url}
        return {"type": "audio", **{key: value for key, value in given.items() if value is not None}}
    return part.model_dump(include={"type", "text", "input_audio"}, exclude_none=True)


def _items(given: Any) -> Any:
    return [{"role": "user", "content": given}] if isinstance(given, str) else given


class TextFormat(JsonSchema):
    """The form of the answer."""

    type: Literal["text", "json_object", "json_schema"]

    def schema_of_it(self) -> Schema | None:
        """The schema that answers are held to; None for text.

        Raises:
            RequestError: it is no schema.
        """
        return None if self.type == "text" else schema(self.found(), "text.format")


class TextWish(Wire):
    """What the text is to be like."""

    format: TextFormat | None = None
    verbosity: Annotated[Any, Only("medium")] = None


class StreamOptions(Wire):
    """What a stream holds besides text."""

    include_obfuscation: Annotated[Any, Only(False)] = None


class ResponsesRequest(Wire):
    """The body of `POST /v1/responses`. Nothing is kept: the whole conversation comes with each request."""

    model: str | None = None
    input: Annotated[list[Item], BeforeValidator(_items), Field(min_length=1)]
    instructions: str | None = None
    max_output_tokens: Count | None = None
    temperature: Temperature | None = None
    top_p: Share | None = None
    text: TextWish | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    hark: Hark | None = None
    # What changes no answer:
    user: str | None = None
    metadata: dict[str, str] | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    prompt_cache_options: dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    max_tool_calls: int | None = None
    # What hark cannot do, with the values that say so:
    store: Annotated[Any, Only(False)] = None
    previous_response_id: Annotated[Any, Only()] = None
    conversation: Annotated[Any, Only()] = None
    background: Annotated[Any, Only(False)] = None
    include: Annotated[Any, Only([])] = None
    prompt: Annotated[Any, Only()] = None
    reasoning: Annotated[Any, Only({})] = None
    service_tier: Annotated[Any, Only("auto", "default")] = None
    tools: Annotated[Any, Only([])] = None
    tool_choice: Annotated[Any, Only("none", "auto")] = None
    top_logprobs: Annotated[Any, Only(0)] = None
    truncation: Annotated[Any, Only("disabled")] = None

    def plain(self) -> list[dict[str, Any]]:
        """The messages as `read_messages` takes them."""
        first = [{"role": "system", "content": self.instructions}] if self.instructions else []
        return [*first, *(item.plain() for item in self.input)]

    def options(self) -> dict[str, Any]:
        """The keywords of `Listener.answer`.

        Raises:
            RequestError: the schema is none, or options contradict each other.
        """
        values = {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_new_tokens": self.max_output_tokens,
            "schema": self.text and self.text.format and self.text.format.schema_of_it(),
        }
        return keywords(values, self.hark)


def usage(used: Usage) -> dict[str, Any] | None:
    """Tokens as OpenAI counts them; None where the model does not count both, as no number is made up."""
    if used.input_tokens is None or used.output_tokens is None:
        return None
    return {
        "input_tokens": used.input_tokens,
        "input_tokens_details": {"cached_tokens": used.cached_tokens or 0, "cache_write_tokens": 0},
        "output_tokens": used.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": used.input_tokens + used.output_tokens,
    }


class Reply:
    """One answer in the making: the object `response`, and the events that tell of it."""

    def __init__(self, asked: ResponsesRequest, model: str) -> None:
        self.asked, self.model = asked, model
        self.id, self.item = named("resp_"), named("msg_")
        self.created = int(time.time())
        self.text: list[str] = []
        self._number = -1

    def whole(self, answer: Answer) -> dict[str, Any]:
        """The object when the answer is complete, or broke off."""
        cut = is_cut(answer)
        status = "incomplete" if cut else "completed"
        more = {"incomplete_details": {"reason": "max_output_tokens"} if cut else None, "usage": usage(answer.usage)}
        return self._object(status, [self._message(status, answer.text)], more) | {"hark": beyond(answer)}

    def begun(self) -> Iterator[Event]:
        """The events before the first text."""
        yield self._event("response.created", response=self._object("in_progress", [], {}))
        yield self._event("response.in_progress", response=self._object("in_progress", [], {}))
        empty = {"type": "message", "id": self.item, "role": "assistant", "status": "in_progress", "content": []}
        yield self._event("response.output_item.added", output_index=0, item=empty)
        yield self._event("response.content_part.added", **self._place, part=_part(""))

    def step(self, text: str) -> Iterator[Event]:
        """The event of some text, where there is any."""
        if text:
            self.text.append(text)
            yield self._event("response.output_text.delta", **self._place, delta=text, logprobs=[])

    def ended(self, answer: Answer) -> Iterator[Event]:
        """The events after the last text."""
        found = self.whole(answer)
        yield self._event("response.output_text.done", **self._place, text=answer.text, logprobs=[])
        yield self._event("response.content_part.done", **self._place, part=_part(answer.text))
        yield self._event("response.output_item.done", output_index=0, item=found["output"][0])
        yield self._event(f"response.{found['status']}", response=found)

    def failed(self, error: HarkError, said: str) -> Event:
        """The event that ends an answer that failed, with what was written before."""
        code = "server_error" if error.http_status >= 500 else "invalid_prompt"
        output = [self._message("incomplete", "".join(self.text))]
        response = self._object("failed", output, {"error": {"code": code, "message": said}})
        return self._event("response.failed", response=response)

    @property
    def _place(self) -> dict[str, Any]:
        return {"item_id": self.item, "output_index": 0, "content_index": 0}

    def _event(self, kind: str, **values: Any) -> Event:
        self._number += 1
        return kind, {"type": kind, "sequence_number": self._number, **values}

    def _message(self, status: str, text: str) -> dict[str, Any]:
        about = {"type": "message", "id": self.item, "role": "assistant", "status": status}
        return {**about, "content": [_part(text)]}

    def _object(self, status: str, output: list[Any], more: dict[str, Any]) -> dict[str, Any]:
        asked = self.asked
        form = asked.text.format if asked.text else None
        return {
            "id": self.id,
            "object": "response",
            "created_at": self.created,
            "status": status,
            "background": False,
            "error": None,
            "incomplete_details": None,
            "instructions": asked.instructions,
            "max_output_tokens": asked.max_output_tokens,
            "metadata": asked.metadata or {},
            "model": self.model,
            "output": output,
            "parallel_tool_calls": asked.parallel_tool_calls is not False,
            "previous_response_id": None,
            "store": False,
            "temperature": asked.temperature,
            "text": {"format": form.model_dump(by_alias=True, exclude_unset=True) if form else {"type": "text"}},
            "tool_choice": "none",
            "tools": [],
            "top_p": asked.top_p,
            "truncation": "disabled",
            "usage": None,
            **more,
        }


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
