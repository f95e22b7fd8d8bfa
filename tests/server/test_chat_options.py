"""Options of chat completions: honoured, or refused by name; forms of answers in every shape they are asked for."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from chatting import clip, form, posted, question

from serving import Running, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx2


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with serving("echo") as running:
        yield running


@pytest.fixture(scope="module")
def data(examples: Path) -> str:
    return base64.b64encode((examples / "order.flac").read_bytes()).decode()


def content(answer: httpx2.Response) -> str:
    text: str = answer.json()["choices"][0]["message"]["content"]
    return text


def test_what_asks_for_nothing_is_taken(server: Running, data: str) -> None:
    nothing: Any = {
        "n": 1, "modalities": ["text"], "frequency_penalty": 0, "presence_penalty": 0.0, "logit_bias": {}, "tools": [],
        "logprobs": False, "store": False, "service_tier": "auto", "user": "me", "metadata": {"a": "b"},
        "response_format": {"type": "text"}, "stop": [], "parallel_tool_calls": True, "tool_choice": "none",
        "safety_identifier": "x", "prompt_cache_key": "y", "reasoning_effort": None, "verbosity": "medium",
        "hark": None,
    }  # fmt: skip
    assert content(posted(server, data, **nothing)) == content(posted(server, data))


REFUSED: list[tuple[str | None, dict[str, Any]]] = [
    ("n", {"n": 2}),
    ("n", {"n": True}),
    ("tools", {"tools": [{"type": "function", "function": {"name": "f"}}]}),
    ("tool_choice", {"tool_choice": "required"}),
    ("logprobs", {"logprobs": True}),
    ("top_logprobs", {"top_logprobs": 3}),
    ("frequency_penalty", {"frequency_penalty": 0.5}),
    ("presence_penalty", {"presence_penalty": -1}),
    ("logit_bias", {"logit_bias": {"50256": -100}}),
    ("modalities", {"modalities": ["text", "audio"]}),
    ("audio", {"audio": {"voice": "alloy", "format": "wav"}}),
    ("store", {"store": True}),
    ("service_tier", {"service_tier": "flex"}),
    ("reasoning_effort", {"reasoning_effort": "high"}),
    ("verbosity", {"verbosity": "low"}),
    ("web_search_options", {"web_search_options": {}}),
    ("prediction", {"prediction": {"type": "content", "content": "x"}}),
    ("top_k", {"top_k": 5}),
    ("stream_options", {"stream_options": {"include_usage": True}}),
    ("stream_options.include_obfuscation", {"stream": True, "stream_options": {"include_obfuscation": True}}),
    ("temperature", {"temperature": 2.5}),
    ("temperature", {"temperature": "0.5"}),
    ("top_p", {"top_p": 0}),
    ("seed", {"seed": -1}),
    ("max_tokens", {"max_tokens": 0}),
    ("max_tokens", {"max_tokens": 10**30}),
    ("max_tokens", {"max_tokens": 3, "max_completion_tokens": 4}),
    ("stop.0", {"stop": ""}),
    ("response_format.type", {"response_format": {"type": "regex", "value": "[a-z]+"}}),
    ("response_format", {"response_format": {"type": "json_schema"}}),
    ("response_format", {"response_format": {"type": "json"}}),
    ("response_format", {"response_format": {"type": "text", "value": {"type": "object"}}}),
    ("response_format", {"response_format": form({"type": "obj"})}),
    ("response_format", {"response_format": form({"$ref": "http://127.0.0.1/schema.json"})}),
    ("hark.speed", {"hark": {"speed": 2}}),
    ("hark.timestamps", {"hark": {"timestamps": "sample"}}),
    ("messages", {"messages": []}),
    ("messages", {"messages": [{"role": "user", "content": "Without any audio?"}]}),
    ("messages.0.content", {"messages": [{"role": "user", "content": None}]}),
    ("messages.0.role", {"messages": [{"role": "tool", "content": "x"}]}),
    ("messages.0.name", {"messages": [{"role": "user", "content": "x", "name": "me"}]}),
    ("messages.0.tool_calls", {"messages": [{"role": "assistant", "content": "x", "tool_calls": [{"id": "1"}]}]}),
    ("messages.0.refusal", {"messages": [{"role": "assistant", "content": "x", "refusal": "No."}]}),
    ("messages", {"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]}),
    ("messages.0.content.0", {"messages": question({"type": "image_url", "image_url": {"url": "data:,x"}})}),
    ("messages.0.content.0.file.file.file_data", {"messages": question({"type": "file", "file": {"file_id": "f"}})}),
    (None, {"messages": question({"type": "audio", "path": "/etc/passwd"})}),
    (None, {"messages": question({"type": "audio_url", "audio_url": {"url": "file:///etc/passwd"}})}),
    (None, {"messages": question({"type": "audio_url", "audio_url": {"url": "http://127.0.0.1:9/a.wav"}})}),
    (None, {"messages": question(clip("?"))}),
    ("stop", {"stop": "a", "response_format": {"type": "json_object"}}),
    ("hark.task", {"hark": {"task": "nonsense"}}),
    ("hark.language", {"hark": {"language": ""}}),
]  # fmt: skip


@pytest.mark.parametrize(("param", "values"), REFUSED, ids=lambda value: str(value)[:60])
def test_what_cannot_be_honoured_is_refused_by_name(
    server: Running, data: str, param: str | None, values: dict[str, Any]
) -> None:
    refused = posted(server, data, **values)
    assert refused.status_code == 400
    error = refused.json()["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert error["message"].endswith((".", "?"))
    assert "passwd" not in error["message"]


@pytest.mark.parametrize(
    "wanted",
    [
        form({"type": "array", "items": {"type": "integer"}, "minItems": 2}),
        {"type": "json_object", "value": {"type": "array", "items": {"type": "integer"}, "minItems": 2}},
        {"type": "json", "value": {"type": "array", "items": {"type": "integer"}, "minItems": 2}},
        {"type": "json", "value": '{"type": "array", "items": {"type": "integer"}, "minItems": 2}'},
    ],
)
def test_json_fits_the_schema_in_every_form_it_is_sent(server: Running, data: str, wanted: Any) -> None:
    found = json.loads(content(posted(server, data, response_format=wanted)))
    assert len(found) == 2
    assert all(isinstance(one, int) for one in found)


def test_a_json_object_is_one(server: Running, data: str) -> None:
    found = content(posted(server, data, response_format={"type": "json_object"}))
    assert isinstance(json.loads(found), dict)
