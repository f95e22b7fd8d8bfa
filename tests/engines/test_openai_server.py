from __future__ import annotations

import datetime as dt
import json
import logging
import threading
import time
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import hark
from hark.engines import catalog
from hark.engines.openai_server import OpenAIServer
from hark.errors import ModelError, ModelNotFoundError, OptionError, SettingsError, UnsupportedError
from tiny.openai_server import (
    CHAT,
    MODELS,
    TRANSCRIBE,
    TRANSLATE,
    Exchange,
    LoopbackServer,
    chat_chunks,
    heard,
    seconds_of,
    verbose,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

RATE = 16000
KEY = "sk-a-secret-of-ours"
NONE = "Not Found"


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "HF_TOKEN", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def serve() -> Iterator[Callable[[dict[str, Any]], tuple[hark.Listener, LoopbackServer]]]:
    """Start a server with these routes, and a listener for the model `m` on it."""
    made: list[Any] = []

    def start(routes: dict[str, Any]) -> tuple[hark.Listener, LoopbackServer]:
        server = LoopbackServer(routes)
        listener = hark.Listener(OpenAIServer(f"openai:m@{server.url}", timeout=5, backoff=0.01))
        made.extend((listener, server))
        return listener, server

    yield start
    for one in made:
        one.close()


def saying(*texts: str, **how: Any) -> Callable[[Exchange], None]:
    return lambda ask: ask.stream(chat_chunks(*texts, **how))


def refusing(status: int, message: str, **more: Any) -> Callable[[Exchange], None]:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None, **more}
    return lambda ask: ask.reply({"error": error}, status)


# --- names, addresses, keys ---------------------------------------------------------------------------------------


def test_a_name_says_where_the_server_is_and_nothing_is_asked(serve: Any) -> None:
    _, server = serve({})
    name = f"openai:org/model@v1@{server.url}"
    model = catalog.resolve(name)
    assert (model.name, model.kind, model.ready, model.command) == (name, "openai", True, "")
    with hark.load(name) as listener:
        assert listener.engine.name == name
    assert server.asked == []
    assert "openai" not in {model.name for model in catalog.listing()}


@pytest.mark.parametrize(
    "name",
    ["openai", "openai:", "openai:@http://h/v1", "openai:m@ftp://h/v1", "openai:m@http://", "openai:m@http://h:x/v1",
     f"openai:m@http://me:{KEY}@h/v1", f"openai:m@http://h/v1?key={KEY}"],
)  # fmt: skip
def test_a_name_that_leads_nowhere_or_holds_a_secret_is_refused_without_repeating_it(name: str) -> None:
    with pytest.raises(ModelNotFoundError) as error:
        catalog.resolve(name)
    assert KEY not in error.value.message + error.value.hint
    assert "openai:MODEL@http" in error.value.hint


@pytest.mark.parametrize("path", ["/v1", "/v1/", ""])
def test_the_address_may_come_from_the_environment_and_need_not_end_in_v1(
    serve: Any, order: hark.Audio, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    _, server = serve({CHAT: saying("Yes.")})
    monkeypatch.setenv("OPENAI_BASE_URL", server.url.removesuffix("/v1") + path)
    with hark.load("openai:m") as listener:
        assert listener.ask(order, "Well?").text == "Yes."
    assert server.paths == [CHAT]


def test_the_key_comes_from_the_environment_and_is_never_shown(
    serve: Any, order: hark.Audio, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("HF_TOKEN", "hf-of-another-host")
    middle = {"error": {"message": f"bad {KEY}", "code": 1}}
    listener, server = serve(
        {CHAT: [refusing(401, f"Incorrect API key provided: {KEY}."), lambda ask: ask.stream([middle])]}
    )
    for _ in range(2):
        with pytest.raises(ModelError) as error:
            listener.ask(order, "Well?")
        assert "***" in error.value.message
        assert KEY not in error.value.message + error.value.hint + repr(listener.engine) + caplog.text
    assert [ask.headers["authorization"] for ask in server.asked] == [f"Bearer {KEY}"] * 2
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\nX: y")
    with pytest.raises(SettingsError, match="OPENAI_API_KEY holds") as wrong:
        listener.ask(order, "Well?")
    assert KEY not in str(wrong.value)


def test_without_a_key_none_is_sent(serve: Any, order: hark.Audio) -> None:
    listener, server = serve({CHAT: saying("Yes.")})
    listener.ask(order, "Well?")
    assert server.asked[0].headers["authorization"] is None


# --- chat ---------------------------------------------------------------------------------------------------------


def test_chat_sends_all_turns_all_audio_and_all_options(serve: Any, order: hark.Audio) -> None:
    listener, server = serve({CHAT: saying("It is ", "a bell.")})
    asked = hark.Conversation.ask((order, order[:1]), "What is it?", "Be brief.").reply("A bell.").say("And then?")
    options = {"temperature": 0.5, "top_p": 0.9, "max_new_tokens": 9, "seed": 4, "stop": ["\n"], "language": "de"}
    answer = hark.Answer.of(listener.answer(asked, **options))
    assert answer.text == "It is a bell."
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (7, 3)
    assert answer.usage.audio_seconds == pytest.approx(order.duration + 1, abs=0.01)
    sent = server.asked[0].json
    assert [message["role"] for message in sent["messages"]] == ["system", "user", "assistant", "user"]
    expected = {"model": "m", "stream": True, "stream_options": {"include_usage": True}, "temperature": 0.5,
                "top_p": 0.9, "max_tokens": 9, "seed": 4, "stop": ["\n"]}  # fmt: skip
    assert {key: value for key, value in sent.items() if key != "messages"} == expected
    assert "'de'" in sent["messages"][-1]["content"][-1]["text"]
    assert server.asked[0].wavs == [order.to_wav(), order[:1].to_wav()]
    assert {part["type"] for part in server.asked[0].parts} == {"text", "input_audio"}


def test_a_server_that_streams_nothing_is_read_too(serve: Any, order: hark.Audio) -> None:
    message = {"role": "assistant", "content": "A bell.", "refusal": None}
    whole = {"id": "1", "object": "chat.completion", "created": 1, "model": "m",
             "choices": [{"index": 0, "message": message, "finish_reason": "length"}],
             "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}}  # fmt: skip
    listener, _ = serve({CHAT: lambda ask: ask.reply(whole)})
    answer = listener.ask(order, "What is it?")
    assert (answer.text, answer.usage.input_tokens) == ("A bell.", 5)
    assert {notice.kind for notice in answer.notices} == {"limit"}


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "Invalid value: 'input_audio'. Supported values are: 'text', 'audio_url'."),
        (422, "body.messages.0.content: Input should be a valid string"),
        (400, "Unknown part type: input_audio"),
    ],
)
def test_audio_goes_as_audio_url_where_input_audio_is_not_known(
    serve: Any, order: hark.Audio, status: int, message: str
) -> None:
    def route(ask: Exchange) -> None:
        if any(part["type"] == "input_audio" for part in ask.parts):
            refusing(status, message)(ask)
        else:
            ask.stream(chat_chunks(heard(ask.wavs)))

    listener, server = serve({CHAT: route})
    for _ in range(2):
        assert listener.ask(order, "Well?").text == heard([order.to_wav()])
    kinds = [{part["type"] for part in ask.parts} - {"text"} for ask in server.asked]
    assert kinds == [{"input_audio"}, {"audio_url"}, {"audio_url"}]  # tried once, then remembered
    assert server.asked[1].parts[0]["audio_url"]["url"].startswith("data:audio/wav;base64,")


def test_a_model_that_takes_no_audio_is_told_by_its_first_refusal_and_never_asked_without(
    serve: Any, order: hark.Audio
) -> None:
    messages = [f"unsupported content part {kind}" for kind in ("input_audio", "audio_url")]
    listener, server = serve({CHAT: [refusing(400, message) for message in messages]})
    with pytest.raises(UnsupportedError, match="part input_audio"):
        listener.ask(order, "Well?")
    assert [len(ask.wavs) for ask in server.asked] == [1, 1]


def test_newer_names_of_parameters_are_used_where_wanted(serve: Any, order: hark.Audio) -> None:
    old = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    listener, server = serve({CHAT: [refusing(400, old), refusing(400, "stream_options: extra field"), saying("A.")]})
    assert listener.ask(order, "Well?", max_new_tokens=5).text == "A."
    assert listener.ask(order, "Well?", max_new_tokens=6).text == "A."
    assert server.asked[-1].json["max_completion_tokens"] == 6
    assert not {"max_tokens", "stream_options"} & set(server.asked[-1].json)


@pytest.mark.parametrize(
    ("chunks", "done", "words"),
    [
        (chat_chunks(), True, "answered nothing"),
        (chat_chunks("  ", finish="length"), True, "answered nothing"),
        (chat_chunks("A", finish="content_filter"), True, "filter"),
        ([*chat_chunks("A", finish=None)[:2], {"error": {"message": "CUDA out of memory", "code": 500}}], True, "CUDA"),
        ([*chat_chunks("A", finish=None)[:2], {"error": "Worker died"}], True, "Worker died"),
        ([*chat_chunks("A", finish=None)[:2], "data: {broken\n\n"], True, "not JSON"),
        ([{"choices": [["no", "dict"]]}], True, "shape"),
        ([{"choices": [{"delta": {"refusal": "I may not."}, "finish_reason": "stop"}]}], True, "I may not"),
    ],
)
def test_what_is_no_answer_is_an_error(serve: Any, order: hark.Audio, chunks: Any, done: bool, words: str) -> None:
    listener, _ = serve({CHAT: lambda ask: ask.stream(chunks, done=done)})
    with pytest.raises(ModelError, match=words):
        listener.ask(order, "Well?")


@pytest.mark.parametrize("end", [False, True])
def test_a_stream_that_breaks_off_is_an_error(serve: Any, order: hark.Audio, end: bool) -> None:
    def route(ask: Exchange) -> None:
        ask.stream(chat_chunks("A", finish=None, usage=None), done=False, end=end)
        ask.handler.close_connection = True

    listener, server = serve({CHAT: route})
    deltas = listener.stream(order, "Well?")
    with pytest.raises(ModelError, match="broke off"):
        list(deltas)
    assert len(server.asked) == 1  # what has begun is not asked again


def test_comments_event_names_and_line_separators_in_a_stream_are_no_trouble(serve: Any, order: hark.Audio) -> None:
    text = "one\u2028two\x85three \N{BELL}"
    chunks = [": keep-alive\n\n", *chat_chunks(text), "event: ping\n\n"]
    listener, _ = serve({CHAT: lambda ask: ask.stream(chunks)})
    assert listener.ask(order, "Well?").text == text


def test_text_comes_as_it_is_written_and_closing_ends_the_connection_at_once(serve: Any, order: hark.Audio) -> None:
    def slowly() -> Iterator[Any]:
        yield chat_chunks("First. ")[1]
        for number in range(1000):
            time.sleep(0.01)
            yield chat_chunks(f"{number} ")[1]

    listener, server = serve({CHAT: lambda ask: ask.stream(slowly())})
    deltas = listener.stream(order, "Well?")
    assert next(delta.text for delta in deltas if delta.text) == "First. "
    begun = time.monotonic()
    deltas.close()
    assert server.asked[0].gone.wait(3)
    assert time.monotonic() - begun < 3


# --- failures and retries -----------------------------------------------------------------------------------------


def limited(**headers: str) -> Callable[[Exchange], None]:
    return lambda ask: ask.reply({"error": {"message": "slow down", "code": "rate_limit_exceeded"}}, 429, **headers)


def test_too_many_requests_are_tried_again_after_the_time_asked_for(serve: Any, order: hark.Audio) -> None:
    listener, server = serve({CHAT: [limited(retry_after="1"), limited(retry_after_ms="20"), saying("A.")]})
    begun = time.monotonic()
    assert listener.ask(order, "Well?").text == "A."
    assert 1.0 <= time.monotonic() - begun < 3
    assert len({ask.body for ask in server.asked}) == 1
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("headers", "asked"),
    [
        ({}, 4),
        ({"retry_after": format_datetime(dt.datetime.now(dt.UTC))}, 4),
        ({"retry_after": "3600"}, 1),
        ({"x_should_retry": "false"}, 1),
        ({"retry_after": "soon"}, 4),
    ],
)
def test_retries_have_an_end(serve: Any, order: hark.Audio, headers: dict[str, str], asked: int) -> None:
    listener, server = serve({CHAT: limited(**headers)})
    with pytest.raises(ModelError, match="slow down"):
        listener.ask(order, "Well?")
    assert len(server.asked) == asked


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_server_that_comes_back_is_waited_for(serve: Any, order: hark.Audio, status: int) -> None:
    listener, server = serve({CHAT: [lambda ask: ask.reply(b"<html>Bad", status), Exchange.drop, saying("A.")]})
    assert listener.ask(order, "Well?").text == "A."
    assert len(server.asked) == 3


def test_a_server_that_is_not_there_is_an_error_that_says_so(order: hark.Audio) -> None:
    server = LoopbackServer({})
    server.close()
    with (
        hark.Listener(OpenAIServer(f"openai:m@{server.url}", backoff=0.01)) as listener,
        pytest.raises(ModelError, match="not reached") as error,
    ):
        listener.ask(order, "Well?")
    assert "running" in error.value.hint


@pytest.mark.parametrize("begun", [False, True])
def test_a_server_that_falls_silent_is_left(order: hark.Audio, begun: bool) -> None:
    over = threading.Event()

    def hang(ask: Exchange) -> None:
        if begun:
            ask.stream([*chat_chunks("A", finish=None), ": x\n\n"], done=False, end=False)
        over.wait(5)
        ask.handler.close_connection = True

    server = LoopbackServer({CHAT: hang})
    with (
        hark.Listener(OpenAIServer(f"openai:m@{server.url}", timeout=1)) as listener,
        pytest.raises(ModelError, match="within 1 s"),
    ):
        listener.ask(order, "Well?")
    over.set()
    server.close()
    assert len(server.asked) == 1  # it may be at work on it


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (400, {"error": {"message": "top_k", "type": "BadRequestError", "code": 400}}, UnsupportedError, "top_k"),
        (400, {"error": {"message": "too hot", "param": "temperature"}}, OptionError, "refuses temperature: too hot"),
        (400, {"error": {"message": "too many", "param": "max_completion_tokens"}}, OptionError, "max_new_tokens"),
        (400, {"error": "no wav", "error_type": "validation"}, UnsupportedError, "no wav"),
        (413, {"detail": "Too large"}, UnsupportedError, "Too large"),
        (422, {"detail": [{"loc": ["body", "seed"], "msg": "no int"}]}, UnsupportedError, "no int"),
        (400, {"object": "error", "message": "old vLLM", "code": 40303}, UnsupportedError, "old vLLM"),
        (403, {"error": {"message": "Not yours"}}, ModelError, "Not yours"),
        (500, {"error": {"message": "no mmproj, not supported", "type": "x"}}, ModelError, "not supported"),
        (500, b"<html><body>oops", ModelError, "status 500"),
        (307, b"", ModelError, "status 307"),
    ],
)  # fmt: skip
def test_errors_of_every_shape_keep_the_servers_words(
    serve: Any, order: hark.Audio, status: int, body: Any, kind: type[Exception], words: str
) -> None:
    listener, server = serve({CHAT: lambda ask: ask.reply(body, status)})
    with pytest.raises(kind, match=words) as error:
        listener.ask(order, "Well?")
    assert type(error.value) is kind
    assert "<" not in error.value.message  # type: ignore[attr-defined]
    assert len(server.asked) == 1


@pytest.mark.parametrize("task", [None, "transcribe"])
@pytest.mark.parametrize(
    "error",
    [
        {"message": "The model `m` does not exist.", "type": "NotFoundError", "param": "model", "code": 404},
        {"message": "Nope", "type": "invalid_request_error", "param": None, "code": "model_not_found"},
    ],
)
def test_a_missing_model_is_told_with_those_there_are(serve: Any, order: hark.Audio, error: Any, task: Any) -> None:
    listed = {"object": "list", "data": [{"id": name, "object": "model"} for name in ("org/one", "two")]}
    missing = refusing(404, **error)
    listener, server = serve({CHAT: missing, TRANSCRIBE: missing, MODELS: lambda ask: ask.reply(listed)})
    with pytest.raises(ModelNotFoundError) as told:
        listener.ask(order, None if task else "Well?", task=task)
    assert told.value.hint == "It has org/one, two."
    assert server.paths == [TRANSCRIBE if task else CHAT, MODELS]


def test_an_address_with_nothing_behind_it_is_told(serve: Any, order: hark.Audio) -> None:
    listener, _ = serve({})
    with pytest.raises(ModelNotFoundError, match=NONE) as error:
        listener.ask(order, "Well?")
    assert "/v1" in error.value.hint


# --- transcription ------------------------------------------------------------------------------------------------


def test_a_transcript_has_the_servers_segments_words_and_doubts(serve: Any, order: hark.Audio) -> None:
    listener, server = serve({TRANSCRIBE: lambda ask: ask.reply(verbose(ask.wavs[0], "one two three four"))})
    transcript = listener.transcribe(order, language="en", temperature=0.0)
    first, second = transcript.segments
    assert (first.text, second.text) == ("one two", "three four")
    assert [word.text for word in transcript.words] == ["one", "two", "three", "four"]
    assert first.words[0].start == 0.0
    assert second.end == second.words[-1].end == pytest.approx(order.duration, abs=0.01)
    assert (first.unsure, second.unsure, first.confidence) == (False, True, pytest.approx(0.905))
    assert transcript.language == "en"
    form = server.asked[0].form
    assert form.pop("file") == [order.to_wav()]
    assert form == {"model": [b"m"], "response_format": [b"verbose_json"], "temperature": [b"0.0"],
                    "language": [b"en"], "timestamp_granularities[]": [b"word", b"segment"]}  # fmt: skip


def test_the_language_is_a_code_and_words_within_segments_are_read(serve: Any, order: hark.Audio) -> None:
    words = [{"word": " ja", "start": 0.1, "end": 0.4}]
    reply = {
        "text": "ja",
        "language": "German",
        "segments": [{"text": " ja", "start": 0.2, "end": 9e9, "words": words}],
    }
    listener, _ = serve({TRANSCRIBE: lambda ask: ask.reply(reply)})
    transcript = listener.transcribe(order)
    assert transcript.language == "de"
    (segment,) = transcript.segments
    assert (segment.start, segment.words[0].start, segment.words[0].end) == (0.2, 0.2, 0.4)
    assert segment.end == pytest.approx(order.duration, abs=0.01)


OPENAI_EVENTS = [
    {"type": "transcript.text.delta", "delta": "Open"},
    {"type": "transcript.text.delta", "delta": " the door."},
    {"type": "transcript.text.done", "text": "Open the door.",
     "usage": {"type": "tokens", "input_tokens": 14, "output_tokens": 5, "total_tokens": 19}},
]  # fmt: skip
VLLM_EVENTS = [
    {"id": "trsc-1", "object": "transcription.chunk", "created": 1, "model": "m",
     "choices": [{"delta": {"content": text}, "finish_reason": finish}]}
    for text, finish in (("Open", None), (" the door.", None), ("", "stop"))
]  # fmt: skip
LLAMA = {"type": "transcript.text.done", "text": "Open the door.",
         "usage": {"type": "tokens", "input_tokens": 14, "output_tokens": 5, "total_tokens": 19,
                   "input_tokens_details": {"audio_tokens": 10, "text_tokens": 4}}}  # fmt: skip
WITHOUT_TIMES = {
    "openai": lambda ask: ask.stream(OPENAI_EVENTS, done=False),
    "vllm": lambda ask: ask.stream(VLLM_EVENTS),
    "llama.cpp": lambda ask: ask.reply(LLAMA),
    "json": lambda ask: ask.reply({"text": "Open the door.", "usage": {"type": "duration", "seconds": 3}}),
}


@pytest.mark.parametrize("dialect", WITHOUT_TIMES)
def test_a_model_without_times_is_asked_otherwise_and_that_is_remembered(
    serve: Any, order: hark.Audio, dialect: str
) -> None:
    def route(ask: Exchange) -> None:
        if ask.form["response_format"] == [b"verbose_json"]:
            refusing(400, "response_format 'verbose_json' is not compatible with model 'm'.")(ask)
        else:
            assert ask.form["stream"] == [b"true"]
            WITHOUT_TIMES[dialect](ask)

    listener, server = serve({TRANSCRIBE: route})
    for _ in range(2):
        deltas = list(listener.stream(order, task="transcribe"))
        assert "".join(delta.text for delta in deltas) == "Open the door."
    transcript = listener.transcribe(order)
    assert [segment.text for segment in transcript.segments] == ["Open the door."]
    assert transcript.segments[0].end == pytest.approx(order.duration, abs=0.01)
    if dialect in ("openai", "llama.cpp"):
        assert transcript.usage
        assert (transcript.usage.input_tokens, transcript.usage.output_tokens) == (14, 5)
    assert len(server.asked) == 4
    with pytest.raises(UnsupportedError, match="cannot give times"):
        listener.transcribe(order, timestamps="word")


def test_words_that_do_not_come_are_not_promised(serve: Any, order: hark.Audio) -> None:
    def route(ask: Exchange) -> None:
        reply = verbose(ask.wavs[0], "one two")
        ask.reply({key: value for key, value in reply.items() if key != "words"})

    listener, server = serve({TRANSCRIBE: route})
    assert len(listener.transcribe(order, timestamps="segment").segments) == 2
    assert "timestamp_granularities[]" not in server.asked[0].form
    with pytest.raises(UnsupportedError, match="each word"):
        listener.transcribe(order, timestamps="word")


def test_transcripts_come_as_they_are_written_and_closing_is_seen(serve: Any, order: hark.Audio) -> None:
    def slowly() -> Iterator[Any]:
        for number in range(1000):
            yield {"type": "transcript.text.delta", "delta": f"{number} "}
            time.sleep(0.01)

    listener, server = serve({TRANSCRIBE: lambda ask: ask.stream(slowly())})
    deltas = listener.stream(order, task="transcribe", timestamps="none")
    assert next(delta.text for delta in deltas if delta.text) == "0 "
    deltas.close()
    assert server.asked[0].gone.wait(3)


@pytest.mark.parametrize(
    "route",
    [
        lambda ask: ask.reply({"object": "nothing"}),
        lambda ask: ask.reply({"segments": [{"text": "a"}], "text": "a"}),
        lambda ask: ask.stream(OPENAI_EVENTS[:1], done=False),
        lambda ask: ask.stream([OPENAI_EVENTS[0], {"error": {"message": "out of memory", "type": "server_error"}}]),
    ],
)
def test_half_a_transcript_is_an_error(serve: Any, order: hark.Audio, route: Any) -> None:
    listener, _ = serve({TRANSCRIBE: route})
    with pytest.raises(ModelError, match=r"holds no text|shape|broke off|out of memory|not JSON"):
        listener.transcribe(order, timestamps="none")


def test_nothing_is_sent_where_nobody_speaks(serve: Any) -> None:
    listener, server = serve({})
    for options in ({}, {"max_new_tokens": 5}):
        transcript = listener.transcribe(hark.Audio.of(np.zeros(RATE, np.float32), RATE), **options)
        assert (transcript.text, transcript.duration) == ("", 1.0)
        assert "silence" in {notice.kind for notice in transcript.notices}
    assert server.asked == []


def test_a_server_that_recognises_no_words_says_so(serve: Any, order: hark.Audio) -> None:
    listener, _ = serve({TRANSCRIBE: lambda ask: ask.reply({"text": ""})})
    transcript = listener.transcribe(order)
    assert transcript.text == ""
    assert any("no words" in notice.text for notice in transcript.notices)


def test_a_long_recording_goes_in_stretches_that_end_in_pauses(serve: Any, order: hark.Audio) -> None:
    speech = order.samples()
    gap = np.zeros(30 * RATE, np.float32)
    clip = hark.Audio.of(np.concatenate([*(part for _ in range(20) for part in (gap, speech))]), RATE)
    assert clip.duration > 600
    listener, server = serve({TRANSCRIBE: lambda ask: ask.reply(verbose(ask.wavs[0], heard(ask.wavs)))})
    transcript = listener.transcribe(clip)
    sent = [seconds_of(ask.wavs[0]) for ask in server.asked]
    assert len(sent) == 2
    assert max(len(ask.body) for ask in server.asked) < 25 * 2**20
    assert sum(sent) == pytest.approx(clip.duration, abs=0.001)
    assert transcript.segments[2].start == pytest.approx(sent[0], abs=0.01)
    assert transcript.segments[-1].end == pytest.approx(clip.duration, abs=0.01)
    assert "split" in {notice.kind for notice in transcript.notices}


OLD_VLLM = {"object": "error", "message": "The model does not support Transcriptions API", "type": "BadRequestError",
            "param": None, "code": 400}  # fmt: skip


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, {"error": {"message": "File Not Found", "type": "not_found_error", "code": 404}}),
        (404, {"detail": "Not Found"}),
        (404, b"404 page not found"),
        (405, {"error": {"message": "Method Not Allowed"}}),
        (400, OLD_VLLM),
    ],
)
def test_a_server_without_the_endpoint_is_asked_in_words_and_that_is_said(
    serve: Any, order: hark.Audio, status: int, body: Any
) -> None:
    lacking = [lambda ask: ask.reply(body, status)]
    listener, server = serve({CHAT: saying("Open the door."), TRANSCRIBE: lacking})
    for _ in range(2):
        transcript = listener.transcribe(order, language="de")
        assert transcript.text == "Open the door."
        assert any(n.kind == "method" and "no transcribe endpoint" in n.text for n in transcript.notices)
    assert server.paths == [TRANSCRIBE, CHAT, CHAT]
    asked = server.asked[-1]
    assert asked.wavs == [order.to_wav()]
    assert "word for word" in asked.parts[1]["text"]
    assert "'de'" in asked.parts[2]["text"]
    with pytest.raises(UnsupportedError, match="cannot give times"):
        listener.transcribe(order, timestamps="segment")


@pytest.mark.parametrize(
    "options", [{"seed": 1}, {"max_new_tokens": 4}, {"top_p": 0.5}, {"stop": "x"}, {"system": "Write digits."}]
)
def test_what_the_endpoint_would_drop_is_asked_in_words(serve: Any, order: hark.Audio, options: Any) -> None:
    listener, server = serve({CHAT: saying("A."), TRANSCRIBE: lambda ask: ask.reply({"text": "B."})})
    answer = listener.ask(order, task="transcribe", **options)
    assert answer.text == "A."
    assert "method" in {notice.kind for notice in answer.notices}
    assert server.paths == [CHAT]


def test_translation_to_english_has_its_endpoint_and_other_languages_go_in_words(serve: Any, order: hark.Audio) -> None:
    listener, server = serve(
        {CHAT: saying("Die Tür."), TRANSLATE: lambda ask: ask.reply(verbose(ask.wavs[0], "The door"))}
    )
    english = listener.translate(order)
    assert (english.text, english.language) == ("The door", "en")
    assert "timestamp_granularities[]" not in server.asked[0].form
    assert "language" not in server.asked[0].form
    assert listener.translate(order, to="de").text == "Die Tür."
    assert "into de" in server.asked[1].parts[1]["text"]
    assert listener.translate(order, language="de").text == "Die Tür."
    assert "'de'" in server.asked[2].parts[2]["text"]
    with pytest.raises(UnsupportedError, match="cannot honour the option to"):
        listener.transcribe(order, to="de")
    with pytest.raises(UnsupportedError, match="cannot honour the option beams"):
        listener.ask(order, "Well?", beams=2)


def test_several_recordings_are_transcribed_one_after_the_other(serve: Any, order: hark.Audio) -> None:
    listener, server = serve({TRANSCRIBE: lambda ask: ask.reply({"text": heard(ask.wavs)})})
    answer = listener.ask([order, order[:2]], task="transcribe")
    assert answer.text.split("\n") == [heard([clip.to_wav()]) for clip in (order, order[:2])]
    assert answer.usage.audio_seconds == pytest.approx(order.duration + 2, abs=0.01)
    assert len(server.asked) == 2


def test_the_command_line_takes_it(serve: Any, examples: Path) -> None:
    from typer.testing import CliRunner

    from hark.cli import app

    listener, _ = serve({CHAT: saying("It is ", "a bell.")})
    name = listener.engine.name
    result = CliRunner().invoke(app, ["ask", "--json", "-m", name, str(examples / "order.flac"), "What is it?"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["generated_text"] == "It is a bell."
