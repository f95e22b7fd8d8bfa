"""Structured answers of a model on a server: how the schema is told, what servers refuse, and what they answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

import jsonschema
import pytest
from pydantic import BaseModel, Field

import hark
from hark.engines.openai_server import OpenAIServer
from hark.engines.openai_wire import Bare
from hark.errors import ModelError, UnsupportedError
from tiny.openai_server import CHAT, Exchange, LoopbackServer, chat_chunks, structured

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Heard(BaseModel):
    mood: Literal["calm", "tense"]
    count: int = Field(ge=0, le=99)
    note: str | None = None


GOOD = '{"mood": "calm", "count": 3, "note": null}'
# What servers say when they do not take it, in their own words.
OPENAI = "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model."
LLAMA = 'response_format type must be one of "text" or "json_object", but got: json_schema'
VOLCANO = "The parameter `response_format.type` is not valid: invalid value: `json_schema`, supported: `json_object`"
STRICT = "Invalid schema for response_format 'answer': In context=(), 'required' is required to be supplied."
VLLM = "The provided JSON schema contains features not supported by xgrammar."
LM_STUDIO = "'response_format.type' must be 'json_schema' or 'text'"
UNKNOWN = "Unknown parameter: 'response_format.schema'."


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., tuple[hark.Listener, LoopbackServer]]]:
    """Start a server that answers chats so, and a listener for the model `m` on it."""
    for name in ("OPENAI_API_KEY", "HF_TOKEN", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    made: list[Any] = []

    def start(*chats: Callable[[Exchange], None]) -> tuple[hark.Listener, LoopbackServer]:
        server = LoopbackServer({CHAT: list(chats)})
        made.extend((hark.Listener(OpenAIServer(f"openai:m@{server.url}", timeout=5, backoff=0.01)), server))
        return made[-2], server

    yield start
    for one in made:
        one.close()


def saying(*texts: str, **how: Any) -> Callable[[Exchange], None]:
    return lambda ask: ask.stream(chat_chunks(*texts, **how))


def refusing(message: str, status: int = 400) -> Callable[[Exchange], None]:
    return lambda ask: ask.reply({"error": {"message": message, "type": "invalid_request_error"}}, status)


def formats(server: LoopbackServer) -> list[str]:
    """How each request told the schema."""
    found = []
    for ask in server.asked:
        form = ask.json.get("response_format") or {}
        strict = " strict" if form.get("json_schema", {}).get("strict") else ""
        found.append(f"{form.get('type', 'words')}{strict}")
    return found


def test_the_schema_is_told_openais_way_and_in_words(serve: Any, order: hark.Audio) -> None:
    listener, server = serve(saying(*GOOD))
    answer = listener.ask(order, "How is it?", schema=Heard)
    assert answer.data == Heard(mood="calm", count=3)
    assert answer.text == GOOD
    (ask,) = server.asked
    told = ask.json["response_format"]
    assert (told["type"], told["json_schema"]["name"], told["json_schema"]["strict"]) == ("json_schema", "answer", True)
    jsonschema.Draft202012Validator.check_schema(told["json_schema"]["schema"])
    assert told["json_schema"]["schema"]["required"] == ["mood", "count", "note"]
    words = " ".join(part["text"] for part in ask.parts if part["type"] == "text")
    assert words.startswith("How is it?")
    assert json.dumps(Heard.model_json_schema()) in words
    assert len(ask.wavs) == 1


def test_the_answer_depends_on_the_audio(serve: Any, order: hark.Audio, hesitant: hark.Audio) -> None:
    listener, _ = serve(
        lambda ask: ask.reply({"choices": [{"message": {"content": structured(ask)}, "finish_reason": "stop"}]})
    )
    found = [listener.ask(clip, schema={"type": "integer"}).data for clip in (order, hesitant)]
    assert found[0] != found[1]


@pytest.mark.parametrize(
    ("refusals", "told"),
    [
        ([STRICT], "json_schema"),
        ([LLAMA, LLAMA], "json_object"),
        ([VOLCANO, VOLCANO], "json_object"),
        ([OPENAI, OPENAI, UNKNOWN], "words"),
        ([VLLM, VLLM, LM_STUDIO], "words"),
    ],
)
@pytest.mark.parametrize("status", [400, 422, 500])
def test_a_server_that_does_not_take_it_is_told_in_another_way(
    serve: Any, order: hark.Audio, refusals: list[str], told: str, status: int
) -> None:
    listener, server = serve(*(refusing(message, status) for message in refusals), saying(GOOD))
    answer = listener.ask(order, "How is it?", schema=Heard)
    assert answer.data.count == 3
    assert formats(server)[-1] == told
    assert ("in words" in " ".join(map(str, answer.notices))) == (told == "words")
    if told == "json_object":
        assert server.asked[-1].json["response_format"]["schema"] == Heard.model_json_schema()
    assert listener.ask(order, "And now?", schema=Heard).data.count == 3
    assert formats(server)[-1] == told
    assert len(server.asked) == len(refusals) + 2


def test_what_one_schema_was_refused_for_is_not_held_against_another(serve: Any, order: hark.Audio) -> None:
    listener, server = serve(refusing(STRICT), saying(GOOD), saying("3"))
    listener.ask(order, schema=Heard)
    listener.ask(order, schema={"type": "object", "properties": {}} | {"type": "integer"})
    listener.ask(order, "Free?")
    assert formats(server) == ["json_schema strict", "json_schema", "json_schema", "words"]


def test_a_refusal_for_something_else_changes_nothing_about_the_schema(serve: Any, order: hark.Audio) -> None:
    prompt = "Answer about what you hear with nothing but JSON that fits this JSON Schema: {}"
    listener, server = serve(
        refusing(f"Unknown part type: input_audio in {prompt}"), refusing("stream_options is unknown"), saying(GOOD)
    )
    assert listener.ask(order, schema=Heard).data.count == 3
    assert set(formats(server)) == {"json_schema strict"}


def test_a_server_that_refuses_every_way_is_quoted(serve: Any, order: hark.Audio) -> None:
    listener, _ = serve(refusing(OPENAI))
    with pytest.raises(UnsupportedError, match="not supported with this model"):
        listener.ask(order, schema=Heard)


@pytest.mark.parametrize(
    ("texts", "why"),
    [
        (["It was ", "calm."], "not JSON"),
        (['{"mood": "calm", ', '"count": 300}'], r"\$\.count: 300 is greater than the maximum"),
        (["[]"], "not of type 'object'"),
    ],
)
def test_what_does_not_fit_is_an_error_whatever_the_server_promised(
    serve: Any, order: hark.Audio, texts: list[str], why: str
) -> None:
    listener, _ = serve(saying(*texts))
    with pytest.raises(ModelError, match=why) as error:
        listener.ask(order, schema=Heard)
    assert "It wrote: " in error.value.hint


def test_an_answer_cut_at_the_limit_is_an_error_that_says_so(serve: Any, order: hark.Audio) -> None:
    listener, _ = serve(saying('{"mood": "ca', finish="length"))
    with pytest.raises(ModelError, match="broke off at the limit of 4 tokens") as error:
        listener.ask(order, schema=Heard, max_new_tokens=4)
    assert "max_new_tokens" in error.value.hint


@pytest.mark.parametrize("fence", ["```json\n{}\n```", "```\n{}```\n", "\n\n``` JSON \n{}\n", "  {}  ", "```json\n{}"])
def test_a_fence_of_markdown_around_the_json_is_taken_off(serve: Any, order: hark.Audio, fence: str) -> None:
    text = fence.replace("{}", '{"a": "``` `b`"}')
    for pieces in ([text], list(text)):
        listener, _ = serve(saying(*pieces))
        answer = listener.ask(order, schema={"required": ["a"]})
        assert answer.data == {"a": "``` `b`"}
        assert answer.text == '{"a": "``` `b`"}'


def test_text_without_a_fence_is_given_as_it_comes() -> None:
    bare = Bare()
    assert [bare.take(piece) for piece in ("", ' {"a"', ": 1", " } ", "\n")] == ["", '{"a"', ": 1", " }", ""]


def test_the_command_line_prints_json_or_nothing(serve: Any, examples: Path) -> None:
    from typer.testing import CliRunner

    from hark.cli import app

    _, server = serve(saying(*GOOD), saying(GOOD[:9], finish="length"))
    schema = json.dumps(Heard.model_json_schema())
    command = ["ask", str(examples / "order.flac"), "How?", "--schema", schema, "--model", f"openai:m@{server.url}"]
    run = CliRunner().invoke(app, command)
    assert run.stdout == f"{GOOD}\n"
    run = CliRunner().invoke(app, command)
    assert (run.stdout, run.exit_code) == ("", 1)
    assert "broke off" in run.stderr
