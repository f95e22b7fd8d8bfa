"""Chat completions, asked by the clients people have: OpenAI's, Hugging Face's."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING, Any

import httpx2
import openai
import pytest
from chatting import ASKED, clip, events, form, posted, question
from huggingface_hub import InferenceClient, set_client_factory
from huggingface_hub.utils._http import default_client_factory
from nodejs import node
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import BaseModel

import hark
from serving import Running, serving
from tiny import families
from tiny.openai_server import CHAT, LoopbackServer, chat_chunks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Order(BaseModel):
    drink: str
    count: int


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with serving("echo", "org/second=echo") as running:
        yield running


@pytest.fixture
def _hub_client() -> Iterator[None]:
    """HF_HUB_OFFLINE keeps the client from any server, so it gets one that goes to this machine and nowhere else."""

    def refuse(request: httpx2.Request) -> None:
        assert request.url.host == "127.0.0.1"

    set_client_factory(lambda: httpx2.Client(event_hooks={"request": [refuse]}, timeout=30))
    yield
    set_client_factory(default_client_factory)


@pytest.fixture(scope="module")
def client(server: Running) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as made:
        yield made


@pytest.fixture(scope="module")
def data(examples: Path) -> str:
    return base64.b64encode((examples / "order.flac").read_bytes()).decode()


def said(client: OpenAI, messages: Any, **options: Any) -> str:
    return client.chat.completions.create(model="echo", messages=messages, **options).choices[0].message.content or ""


def test_the_answer_is_the_one_that_python_gives(client: OpenAI, data: str, order: hark.Audio) -> None:
    expected = hark.load("echo").ask(order, ASKED)
    found = client.chat.completions.create(model="echo", messages=question(clip(data)))
    assert found.choices[0].message.content == expected.text
    assert (found.model, found.choices[0].finish_reason) == ("echo", "stop")
    assert found.usage
    assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (5, len(expected.text.split()))
    assert found.to_dict()["hark"] == {**expected.usage.to_dict(), "notices": [], "evidence": []}


def test_another_recording_gives_another_answer(client: OpenAI, data: str, examples: Path) -> None:
    other = base64.b64encode((examples / "hesitant.flac").read_bytes()).decode()
    assert said(client, question(clip(data))) != said(client, question(clip(other)))
    both = said(client, question(clip(data), clip(other)))
    assert both.count("sha256") == 2


def test_async_clients_are_answered_together(server: Running, data: str) -> None:
    async def ask() -> list[ChatCompletion]:
        async with AsyncOpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
            asked = [question(clip(data), text=f"Question {number}?") for number in range(8)]
            return await asyncio.gather(*(client.chat.completions.create(model="echo", messages=one) for one in asked))

    texts = [one.choices[0].message.content or "" for one in asyncio.run(ask())]
    assert [text.endswith(f"Question {number}?") for number, text in enumerate(texts)] == [True] * 8


def test_a_stream_says_what_the_whole_answer_says(client: OpenAI, data: str) -> None:
    whole = client.chat.completions.create(model="echo", messages=question(clip(data)))
    chunks = list(
        client.chat.completions.create(
            model="echo", messages=question(clip(data)), stream=True, stream_options={"include_usage": True}
        )
    )
    texts = [choice.delta.content for chunk in chunks for choice in chunk.choices if choice.delta.content]
    assert len(texts) > 5
    assert "".join(texts) == whole.choices[0].message.content
    assert [choice.finish_reason for chunk in chunks for choice in chunk.choices][-2:] == [None, "stop"]
    assert not chunks[-1].choices
    assert chunks[-1].usage == whole.usage
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert chunks[-2].to_dict()["hark"] == whole.to_dict()["hark"]


def test_usage_is_streamed_only_where_it_is_asked_for(server: Running, data: str) -> None:
    plain = events(posted(server, data, stream=True))
    assert not any("usage" in chunk for chunk in plain)
    assert plain[-1]["choices"][0]["finish_reason"] == "stop"


def test_what_is_sent_is_of_openais_types(server: Running, data: str) -> None:
    ChatCompletion.model_validate(posted(server, data).json(), strict=True)
    cut = posted(server, data, max_tokens=2).json()
    ChatCompletion.model_validate(cut, strict=True)
    for chunk in events(posted(server, data, stream=True, stream_options={"include_usage": True})):
        ChatCompletionChunk.model_validate(chunk, strict=True)


def test_the_helpers_of_openai_parse_what_is_said(client: OpenAI, data: str) -> None:
    parsed = client.chat.completions.parse(model="echo", messages=question(clip(data)), response_format=Order)
    order = parsed.choices[0].message.parsed
    assert isinstance(order, Order)
    assert "sha256" in order.drink
    with client.chat.completions.stream(
        model="echo", messages=question(clip(data)), response_format=Order, stream_options={"include_usage": True}
    ) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()
    assert {"chunk", "content.delta", "content.done"} <= kinds
    assert final.choices[0].message.parsed == order
    assert final.usage == parsed.usage


def test_json_that_broke_off_is_told_to_have_no_end(client: OpenAI, server: Running, data: str) -> None:
    with pytest.raises(openai.LengthFinishReasonError) as error:
        client.chat.completions.parse(
            model="echo", messages=question(clip(data)), response_format=Order, max_completion_tokens=2
        )
    assert error.value.completion.choices[0].message.content == '{"drink": "echo'
    chunks = events(posted(server, data, stream=True, response_format=form(Order.model_json_schema()), max_tokens=2))
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks) == '{"drink": "echo'
    assert chunks[-1]["choices"][0]["finish_reason"] == "length"


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")  # openai's own, of a parsed message
def test_replies_are_sent_back_as_they_came(client: OpenAI, data: str) -> None:
    first = client.chat.completions.create(model="echo", messages=question(clip(data))).choices[0].message
    parsed = client.chat.completions.parse(model="echo", messages=question(clip(data)), response_format=Order)
    replies: list[Any] = [first, parsed.choices[0].message, first.to_dict(), first.model_dump()]
    for reply in replies:
        follow: Any = {"role": "user", "content": "And then?"}
        text = said(client, [*question(clip(data)), reply, follow])
        content = reply["content"] if isinstance(reply, dict) else reply.content
        assert text.startswith("echo heard user: [3.4 s")
        assert text.endswith(f"| assistant: {content} | user: And then?")


def test_instructions_come_from_systems_and_developers(client: OpenAI, data: str) -> None:
    for role in ("system", "developer"):
        text = said(client, [{"role": role, "content": "Be short."}, *question(clip(data))])
        assert "system: Be short. | user:" in text


@pytest.mark.parametrize(
    "part",
    [
        lambda data: {"type": "input_audio", "input_audio": {"data": f"data:audio/flac;base64,{data}", "format": "x"}},
        lambda data: {"type": "audio_url", "audio_url": {"url": f"data:audio/flac;base64,{data}"}},
        lambda data: {"type": "audio_url", "audio_url": f"data:audio/flac;base64,{data}"},
        lambda data: {"type": "file", "file": {"file_data": f"data:audio/flac;base64,{data}", "filename": "a.flac"}},
        lambda data: {"type": "file", "file": {"file_data": data}},
        lambda data: {"type": "audio", "audio": data},
        lambda data: {"type": "audio", "url": f"data:audio/flac;base64,{data}"},
        lambda data: {"type": "audio", "base64": data},
    ],
)
def test_audio_is_taken_in_every_form(client: OpenAI, data: str, part: Any) -> None:
    assert said(client, question(part(data))) == said(client, question(clip(data)))


def test_options_reach_the_model(client: OpenAI, data: str) -> None:
    text = said(
        client, question(clip(data)), temperature=0.5, top_p=0.25, seed=7, max_completion_tokens=99, stop=["zzz"],
        extra_body={"hark": {"language": "en", "beams": 2}},
    )  # fmt: skip
    for wanted in ("temperature 0.5", "top_p 0.25", "seed 7", "max_new_tokens 99", "language en", "beams 2"):
        assert wanted in text
    assert text.endswith("stop ('")  # it stops where it would say what it stops at
    assert said(client, question(clip(data)), stop="What").endswith("]")
    assert "max_new_tokens 50" in said(client, question(clip(data)), max_tokens=50)
    summary = said(client, [{"role": "user", "content": [clip(data)]}], extra_body={"hark": {"task": "summary"}})
    assert "Summarize" in summary


def test_an_error_reaches_the_client_as_its_own(client: OpenAI, data: str) -> None:
    with pytest.raises(openai.BadRequestError) as error:
        said(client, question(clip(data)), temperature=5)
    assert error.value.param == "temperature"
    with pytest.raises(openai.NotFoundError) as missing:
        client.chat.completions.create(model="gpt-5", messages=question(clip(data)))
    assert missing.value.code == "model_not_found"


def test_a_model_in_the_path_wins(server: Running, data: str) -> None:
    found = posted(server, data, "/models/org/second/v1/chat/completions", model="echo").json()
    assert found["model"] == "org/second"
    lost = posted(server, data, "/models/org/third/v1/chat/completions")
    assert (lost.status_code, lost.json()["error"]["code"]) == (404, "model_not_found")


def test_openais_client_for_node_is_answered(server: Running, examples: Path) -> None:
    found = node("openai_chat.mjs", f"{server.url}/v1", str(examples / "order.flac"))
    text = found["whole"]["choices"][0]["message"]["content"]
    assert text == hark.load("echo").ask(examples / "order.flac", ASKED).text
    assert (found["streamed"], found["pieces"] > 5) == (text, True)
    assert found["usage"] == found["whole"]["usage"]
    assert found["final"] == text
    assert found["helper_usage"] == found["usage"]
    Order.model_validate(found["parsed"])
    assert found["back"].endswith(f"assistant: {text} | user: And then?")
    assert found["refused"] == {"status": 400, "param": "n", "type": "invalid_request_error"}


@pytest.mark.usefixtures("_hub_client")
def test_hugging_faces_client_is_answered(server: Running, data: str) -> None:
    client = InferenceClient(base_url=server.url)
    whole = client.chat_completion(question(clip(data)), max_tokens=40, seed=3, temperature=0.5)
    text = whole.choices[0].message.content
    assert "seed 3" in text
    assert whole.usage.completion_tokens == len(text.split())
    chunks = list(client.chat_completion(question(clip(data)), stream=True, stream_options={"include_usage": True}))
    pieces = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(pieces) == said_by(client.chat_completion(question(clip(data))))
    assert chunks[-1].usage.completion_tokens == len("".join(pieces).split())
    fits: Any = form(Order.model_json_schema())
    Order.model_validate_json(said_by(client.chat_completion(question(clip(data)), response_format=fits)))
    per_model = InferenceClient(base_url=f"{server.url}/models/org/second").chat_completion(question(clip(data)))
    assert per_model.model == "org/second"


def said_by(answer: Any) -> str:
    text: str = answer.choices[0].message.content
    return text


def test_the_offline_default_answers(data: str, order: hark.Audio) -> None:
    with serving("builtin") as server:
        whole = posted(server, data, model="builtin", messages=[{"role": "user", "content": [clip(data)]}]).json()
        assert whole["choices"][0]["message"]["content"] == "please make me a large coffee with two sugars"
        assert whole["usage"] is None
        assert whole["hark"]["audio_seconds"] == pytest.approx(order.duration, abs=0.01)
        assert whole["hark"]["evidence"]
        ChatCompletion.model_validate(whole, strict=True)
        refused = posted(server, data, model="builtin", temperature=0.5).json()["error"]
        assert "temperature" in refused["message"]
        assert refused["param"] == "temperature"
        for limit in ("max_tokens", "max_completion_tokens"):
            assert posted(server, data, model="builtin", **{limit: 9}).json()["error"]["param"] == limit
        fits = form(Order.model_json_schema())
        for stream in (False, True):
            error = posted(server, data, model="builtin", response_format=fits, stream=stream).json()["error"]
            assert error["param"] == "response_format"


def test_a_tiny_chat_model_answers(tmp_path: Path, data: str, order: hark.Audio) -> None:
    folder = families.make("qwen2_audio", tmp_path / "qwen2")
    with hark.load(str(folder)) as listener:
        expected = listener.ask(order, ASKED, max_new_tokens=8)
    with serving(f"tiny={folder}") as server:
        client = OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)
        whole = client.chat.completions.create(model="tiny", messages=question(clip(data)), max_tokens=8)
        assert whole.choices[0].message.content == expected.text
        assert whole.choices[0].finish_reason == "length"
        assert whole.usage
        assert whole.usage.prompt_tokens == expected.usage.input_tokens
        stream = client.chat.completions.create(model="tiny", messages=question(clip(data)), max_tokens=8, stream=True)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == expected.text
        limited: Any = {"type": "object", "required": ["a"], "properties": {"a": {"type": "boolean"}},
                        "additionalProperties": False}  # fmt: skip
        fitting = client.chat.completions.create(
            model="tiny", messages=question(clip(data)), response_format=form(limited), max_tokens=60
        )
        assert isinstance(json.loads(fitting.choices[0].message.content or "")["a"], bool)


def test_a_server_behind_the_server(data: str) -> None:
    def reply(text: str, **how: Any) -> Any:
        return lambda ask: ask.stream(chat_chunks(*text, **how))

    def lost(ask: Any) -> None:
        ask.stream(chat_chunks("No", finish=None, usage=None), done=False)

    replies = [reply("Yes", usage=None), reply("Ye", finish="length"), reply('{"a": 1}'), lost]
    behind = LoopbackServer({CHAT: replies})
    with serving(f"far=openai:m@{behind.url}") as server:
        client = OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)
        uncounted = client.chat.completions.create(model="far", messages=question(clip(data)))
        assert (uncounted.choices[0].message.content, uncounted.usage) == ("Yes", None)
        cut = client.chat.completions.create(model="far", messages=question(clip(data)))
        assert (cut.choices[0].finish_reason, cut.usage and cut.usage.total_tokens) == ("length", 10)
        with pytest.raises(openai.InternalServerError):
            client.chat.completions.create(
                model="far", messages=question(clip(data)), response_format=form(Order.model_json_schema())
            )
        broken = client.chat.completions.create(model="far", messages=question(clip(data)), stream=True)
        with pytest.raises(openai.APIError, match="The answer of far broke off"):
            list(broken)
    behind.close()
