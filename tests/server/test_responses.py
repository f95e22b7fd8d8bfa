"""OpenAI's Responses with audio in them, asked by OpenAI's clients."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING, Any, get_args

import httpx2
import openai
import pytest
from chatting import ASKED, clip
from nodejs import node
from openai import AsyncOpenAI, OpenAI
from openai.types import responses as types
from pydantic import BaseModel

import hark
from serving import Running, serving
from tiny.openai_server import CHAT, LoopbackServer, chat_chunks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BEGIN = ["response.created", "response.in_progress", "response.output_item.added", "response.content_part.added"]
END = ["response.output_text.done", "response.content_part.done", "response.output_item.done"]
KINDS: dict[str, Any] = {
    get_args(kind.model_fields["type"].annotation)[0]: kind for kind in get_args(get_args(types.ResponseStreamEvent)[0])
}


class Order(BaseModel):
    drink: str
    count: int


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with serving("echo") as running:
        yield running


@pytest.fixture(scope="module")
def client(server: Running) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as made:
        yield made


@pytest.fixture(scope="module")
def asked(examples: Path) -> Any:
    data = base64.b64encode((examples / "order.flac").read_bytes()).decode()
    return [{"role": "user", "content": [clip(data), {"type": "input_text", "text": ASKED}]}]


def posted(server: Running, asked: Any, **values: Any) -> httpx2.Response:
    return httpx2.post(f"{server.url}/v1/responses", json={"model": "echo", "input": asked, **values}, timeout=30)


def events(response: httpx2.Response) -> list[tuple[str, Any]]:
    found = []
    for event in response.text.strip().split("\n\n"):
        name, data = event.split("\n")
        found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


def test_the_answer_is_the_one_that_python_gives(client: OpenAI, asked: Any, order: hark.Audio) -> None:
    expected = hark.load("echo").ask(order, ASKED, system="Be short.", temperature=0.5, max_new_tokens=99)
    found = client.responses.create(
        model="echo", input=asked, instructions="Be short.", temperature=0.5, max_output_tokens=99
    )
    assert found.output_text == expected.text
    assert (found.status, found.error, found.incomplete_details) == ("completed", None, None)
    assert found.usage
    assert (found.usage.input_tokens, found.usage.output_tokens) == (7, len(expected.text.split()))
    assert found.to_dict()["hark"] == {**expected.usage.to_dict(), "notices": [], "evidence": []}


def test_an_answer_is_sent_back_as_it_came(client: OpenAI, asked: Any) -> None:
    first = client.responses.create(model="echo", input=asked)
    again = client.responses.create(model="echo", input=[*asked, *first.output, {"role": "user", "content": "And?"}])
    assert again.output_text.endswith(f"{ASKED} | assistant: {first.output_text} | user: And?")


def test_what_is_sent_is_of_openais_types(server: Running, asked: Any) -> None:
    form = {"format": {"type": "json_schema", "name": "order", "schema": Order.model_json_schema(), "strict": True}}
    for values in ({}, {"max_output_tokens": 2}, {"text": form}):
        types.Response.model_validate(posted(server, asked, **values).json(), strict=True)
        sent = events(posted(server, asked, stream=True, **values))
        for name, event in sent:
            assert event["type"] == name
            KINDS[name].model_validate(event, strict=True)
        assert [event["sequence_number"] for _, event in sent] == list(range(len(sent)))


def test_a_stream_tells_all_in_its_order(client: OpenAI, asked: Any) -> None:
    whole = client.responses.create(model="echo", input=asked)
    streamed = list(client.responses.create(model="echo", input=asked, stream=True))
    kinds = [event.type for event in streamed]
    deltas = [event.delta for event in streamed if event.type == "response.output_text.delta"]
    assert kinds == [*BEGIN, *["response.output_text.delta"] * len(deltas), *END, "response.completed"]
    assert len(deltas) > 5
    assert "".join(deltas) == whole.output_text
    last = streamed[-1]
    assert isinstance(last, types.ResponseCompletedEvent)
    assert (last.response.output_text, last.response.usage) == (whole.output_text, whole.usage)
    assert last.response.to_dict()["hark"] == whole.to_dict()["hark"]


def test_the_helpers_of_openai_parse_what_is_said(server: Running, client: OpenAI, asked: Any) -> None:
    parsed = client.responses.parse(model="echo", input=asked, text_format=Order).output_parsed
    assert isinstance(parsed, Order)
    assert "sha256" in parsed.drink

    async def streamed() -> Any:
        async with (
            AsyncOpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client,
            client.responses.stream(model="echo", input=asked, text_format=Order) as stream,
        ):
            return (await stream.get_final_response()).output_parsed

    assert asyncio.run(streamed()) == parsed


def test_an_answer_that_broke_off_is_incomplete(client: OpenAI, server: Running, asked: Any) -> None:
    cut = client.responses.create(model="echo", input=asked, max_output_tokens=2)
    assert (cut.status, cut.output_text) == ("incomplete", "echo heard")
    assert cut.incomplete_details
    assert cut.incomplete_details.reason == "max_output_tokens"
    form = {"format": {"type": "json_schema", "name": "order", "schema": Order.model_json_schema()}}
    name, last = events(posted(server, asked, stream=True, max_output_tokens=2, text=form))[-1]
    assert name == "response.incomplete"
    assert last["response"]["output"][0]["content"][0]["text"] == '{"drink": "echo'


def test_a_recording_may_come_as_a_file(server: Running, asked: Any) -> None:
    data = asked[0]["content"][0]["input_audio"]["data"]
    for given in ({"file_data": data}, {"file_url": f"data:audio/flac;base64,{data}", "filename": "order.flac"}):
        parts = [{"type": "input_file", **given}, {"type": "input_text", "text": ASKED}]
        found = posted(server, [{"type": "message", "role": "user", "content": parts}]).json()
        assert "sha256" in found["output"][0]["content"][0]["text"]


@pytest.mark.parametrize(
    ("param", "values"),
    [
        ("store", {"store": True}),
        ("previous_response_id", {"previous_response_id": "resp_1"}),
        ("conversation", {"conversation": "conv_1"}),
        ("background", {"background": True}),
        ("tools", {"tools": [{"type": "web_search"}]}),
        ("tool_choice", {"tool_choice": "required"}),
        ("include", {"include": ["message.output_text.logprobs"]}),
        ("reasoning", {"reasoning": {"effort": "low"}}),
        ("truncation", {"truncation": "auto"}),
        ("service_tier", {"service_tier": "priority"}),
        ("top_logprobs", {"top_logprobs": 2}),
        ("stop", {"stop": "x"}),
        ("temperature", {"temperature": -1}),
        ("max_output_tokens", {"max_output_tokens": 0}),
        ("text.verbosity", {"text": {"verbosity": "high"}}),
        ("text.format", {"text": {"format": {"type": "json_schema", "name": "x", "schema": {"type": "obj"}}}}),
        ("text.format.type", {"text": {"format": {"type": "grammar"}}}),
        ("input", {"input": "Without any audio?"}),
        ("input", {"input": []}),
        ("input.0.type", {"input": [{"type": "item_reference", "id": "msg_1"}]}),
        ("input.0.content.0", {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]}),
        (
            "input.0.content.0.input_file.file_id",
            {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "file_1"}]}]},
        ),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(
    server: Running, asked: Any, param: str, values: dict[str, Any]
) -> None:
    refused = posted(server, asked, **values)
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == param


def test_what_asks_for_nothing_is_taken(client: OpenAI, asked: Any) -> None:
    nothing: Any = {
        "store": False, "tools": [], "tool_choice": "auto", "truncation": "disabled", "include": [], "user": "me",
        "metadata": {"a": "b"}, "parallel_tool_calls": True, "previous_response_id": None, "background": False,
        "text": {"format": {"type": "text"}, "verbosity": "medium"}, "service_tier": "default",
    }  # fmt: skip
    found = client.responses.create(model="echo", input=asked, **nothing)
    assert found.output_text == client.responses.create(model="echo", input=asked).output_text
    assert found.metadata == {"a": "b"}


def test_an_answer_that_fails_says_so(asked: Any) -> None:
    def lost(ask: Any) -> None:
        ask.stream(chat_chunks("No", finish=None, usage=None), done=False)

    behind = LoopbackServer({CHAT: lost})
    with serving(f"far=openai:m@{behind.url}") as server:
        client = OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)
        last = list(client.responses.create(model="far", input=asked, stream=True))[-1]
        assert isinstance(last, types.ResponseFailedEvent)
        assert last.response.error
        assert last.response.error.code == "server_error"
        assert last.response.output_text == "No"
        with pytest.raises(openai.InternalServerError):
            client.responses.create(model="far", input=asked)
    behind.close()


def test_openais_client_for_node_is_answered(server: Running, examples: Path) -> None:
    found = node("openai_responses.mjs", f"{server.url}/v1", str(examples / "order.flac"))
    assert found["text"] == hark.load("echo").ask(examples / "order.flac", ASKED).text
    assert (found["streamed"], found["final"]) == (found["text"], found["text"])
    assert found["kinds"] == [*BEGIN, "response.output_text.delta", *END, "response.completed"]
    assert found["back"].endswith(f"assistant: {found['text']} | user: And?")
    assert found["refused"] == "previous_response_id"
