"""hark in front of realtime servers: of OpenAI's dialect, of vLLM's, and of another hark."""

from __future__ import annotations

import base64
import http
import socket
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import openai
import pytest
import soxr
from typer.testing import CliRunner

import hark
from hark.cli import app
from hark.errors import ModelError, ModelNotFoundError, OptionError, SettingsError, UnsupportedError
from hark.realtime.partial import live
from serving import serving
from tiny import realtime_server
from tiny.realtime_server import Client, Scripted, words_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# openai's client uses websockets in a way that its newest version warns of.
pytestmark = pytest.mark.filterwarnings(r"ignore:connect\(\) must be used:DeprecationWarning")
KIND = "conversation.item.input_audio_transcription."


@pytest.fixture(scope="module")
def two_turns(order: hark.Audio, hesitant: hark.Audio) -> hark.Audio:
    """Two sentences, three seconds of silence between them."""
    return hark.Audio.of(np.concatenate((order.samples(), np.zeros(48000, np.float32), hesitant.samples())), 16000)


@pytest.fixture(params=["vllm", "openai"])
def server(request: pytest.FixtureRequest) -> Iterator[Scripted]:
    with Scripted(getattr(realtime_server, request.param)) as running:
        yield running


def listener(server: Scripted) -> hark.Listener:
    return hark.load(f"realtime:some/model@{server.url}")


def test_what_is_said_is_sent_and_its_text_comes_back_with_times(server: Scripted, two_turns: hark.Audio) -> None:
    transcript = listener(server).transcribe(two_turns)
    assert [len(segment.text.split()) for segment in transcript.segments] == [3, 3]
    first, second = transcript.segments
    assert first.end < 4
    assert 6 < second.start < 7.5
    assert transcript.usage
    assert (transcript.usage.input_tokens, transcript.usage.output_tokens) == (22, 6)
    assert transcript.duration == pytest.approx(two_turns.duration, abs=0.01)


def test_vllm_gets_its_dialect(order: hark.Audio) -> None:
    with Scripted(realtime_server.vllm) as server:
        transcript = listener(server).transcribe(order)
    (client,) = server.clients
    append, commit = "input_audio_buffer.append", "input_audio_buffer.commit"
    assert client.kinds == ["session.update", commit, append, commit]
    assert client.told[0] == {"type": "session.update", "model": "some/model"}
    assert (client.told[1].get("final"), client.told[-1]["final"]) == (None, True)
    segment = transcript.segments[0]
    sent = np.frombuffer(client.sound, "<i2")
    said = order.samples(16000)[round(segment.start * 16000) : round(segment.end * 16000)]
    assert np.abs(sent / 32768 - said).max() < 1e-4
    assert segment.text.split() == words_of(client.sound)


def test_openai_gets_its_dialect_over_one_connection(two_turns: hark.Audio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    with Scripted(realtime_server.openai) as server:
        transcript = listener(server).transcribe(two_turns, language="en")
    (client,) = server.clients
    assert client.path == "/v1/realtime?intent=transcription"
    assert client.headers["authorization"] == "Bearer sk-secret"
    append, commit = "input_audio_buffer.append", "input_audio_buffer.commit"
    assert client.kinds == ["session.update", append, commit, append, commit]
    assert client.told[0]["session"] == {
        "type": "transcription",
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "transcription": {"model": "some/model", "language": "en"},
                "turn_detection": None,
            }
        },
    }
    seconds = sum(segment.end - segment.start for segment in transcript.segments)
    assert len(client.sound) / 2 / 24000 == pytest.approx(seconds, abs=0.01)


def test_text_comes_while_sound_still_goes_up(two_turns: hark.Audio) -> None:
    def script(client: Client) -> None:
        client.say("session.created", id="sess-1", created=1)
        while client.hear()["type"] != "input_audio_buffer.append":
            pass
        client.say("transcription.delta", delta="early")
        time.sleep(0.2)
        while not client.hear().get("final"):
            pass
        client.say("transcription.done", text="early and late")

    with Scripted(script) as server:
        texts = [d.text for d in listener(server).stream(two_turns, task="transcribe") if d.text]
    assert texts == ["early", " and late", " early", " and late"]


def test_silence_is_sent_to_nobody(server: Scripted) -> None:
    transcript = listener(server).transcribe(hark.Audio.of(np.zeros(32000, np.float32), 16000))
    assert transcript.text == ""
    assert [notice.kind for notice in transcript.notices] == ["silence"]
    assert server.clients == []


def test_text_that_is_worded_otherwise_in_the_end_is_told(order: hark.Audio) -> None:
    events = [("delta", {"delta": "for coffees"}), ("completed", {"transcript": "Four coffees."})]
    with Scripted(lambda client: openai_ends(client, *events)) as server:
        transcript = listener(server).transcribe(order)
    assert transcript.text == "Four coffees."
    assert [notice.kind for notice in transcript.notices] == ["method"]


def test_text_may_come_all_at_once(order: hark.Audio) -> None:
    with Scripted(lambda client: openai_ends(client, ("completed", {"transcript": " whole "}))) as server:
        assert listener(server).ask(order, task="transcribe").text.strip() == "whole"


def test_another_hark_is_asked(order: hark.Audio) -> None:
    with serving("builtin") as behind:
        there = hark.load(f"realtime:builtin@{behind.url}/v1").transcribe(order)
    here = hark.load("builtin").transcribe(order)
    assert there.text == here.text
    assert "coffee" in there.text


def test_hark_serves_what_another_hark_hears(order: hark.Audio, examples: Path) -> None:
    with serving("builtin") as behind, serving(f"far=realtime:builtin@{behind.url}/v1") as front:
        client = openai.OpenAI(base_url=f"{front.url}/v1", api_key="none", max_retries=0)
        with (examples / "order.flac").open("rb") as file:
            said = client.audio.transcriptions.create(model="far", file=file).text
    assert "coffee" in said


def echoing(client: Client) -> None:
    """As vLLM does, a word for each half second that came."""
    client.say("session.created", id="sess-1", created=1)
    heard = told = 0
    while not (event := client.hear()).get("final"):
        heard += len(base64.b64decode(event.get("audio", "")))
        while heard // 16000 > told:
            told += 1
            client.say("transcription.delta", delta=f" word{told}")
    client.say("transcription.done", text="".join(f" word{n + 1}" for n in range(told)) + " over")


def test_live_speech_goes_up_as_it_comes(order: hark.Audio) -> None:
    samples = order.samples(16000)
    with Scripted(echoing) as server:
        turn = live(listener(server))
        settled = []
        for start in range(0, len(samples), 3200):
            settled.append(turn.hear(samples[start : start + 3200]).settled)
            time.sleep(0.01)
        last = turn.finish(samples[:0])
        turn.close()
        (client,) = server.clients
    assert next(one for one in settled if one) == "word1"
    assert len(set(settled)) > 4
    assert all(last.settled.startswith(one) for one in settled)
    assert last.settled.endswith(f"word{len(samples) // 8000} over")
    assert [segment.text for segment in last.segments] == [last.settled]
    assert last.segments[0].end == pytest.approx(order.duration, abs=0.001)
    assert len(client.sound) == 2 * len(samples)


def test_a_turn_that_nobody_wants_any_more_leaves_the_server(order: hark.Audio) -> None:
    gone = threading.Event()

    def script(client: Client) -> None:
        try:
            echoing(client)
        finally:
            gone.set()

    with Scripted(script) as server:
        turn = live(listener(server))
        turn.hear(order.samples(16000)[:16000])
        turn.close()
        assert gone.wait(5)


def test_nothing_said_is_lost_while_a_server_is_not_there_yet(order: hark.Audio) -> None:
    samples, tries = order.samples(16000), []

    def later(connection: Any, request: Any) -> Any:
        tries.append(request)
        return connection.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, "loading") if len(tries) == 1 else None

    with Scripted(echoing, process_request=later) as server:
        turn = live(listener(server))
        with pytest.raises(ModelError, match="loading"):
            turn.hear(samples[:16000])
        turn.hear(samples[16000:])
        assert turn.finish(samples[:0]).settled.endswith("over")
        turn.close()
        assert len(server.clients[0].sound) == 2 * len(samples)


def test_hark_serves_live_sessions_of_another_server(order: hark.Audio) -> None:
    with Scripted(echoing) as behind, serving(f"far=realtime:m@{behind.url}") as front:
        client = openai.OpenAI(base_url=f"{front.url}/v1", api_key="none", max_retries=0)
        with client.realtime.connect(model="far", extra_query={"intent": "transcription"}) as connection:
            events = said_over(connection, order)
    deltas = [event.delta for event in events if event.type == f"{KIND}delta"]
    assert len(deltas) > 3
    assert events[-1].transcript == "".join(deltas)
    assert deltas[0] == "word1"
    first = [event.type for event in events].index(f"{KIND}delta")
    assert "input_audio_buffer.speech_stopped" not in [event.type for event in events[:first]]


def said_over(connection: Any, clip: hark.Audio) -> list[Any]:
    """All events of a turn that is said at four times its pace."""
    sound = np.concatenate((soxr.resample(clip.samples(16000), 16000, 24000), np.zeros(24000)))
    data = (sound * 32767).astype("<i2").tobytes()
    for start in range(0, len(data), 4800):
        piece = data[start : start + 4800]
        connection.input_audio_buffer.append(audio=base64.b64encode(piece).decode())
        time.sleep(0.025)
    events = []
    while not events or events[-1].type != f"{KIND}completed":
        events.append(connection.recv())
        assert events[-1].type not in ("error", f"{KIND}failed"), events[-1]
    return events


def test_on_the_command_line(server: Scripted, examples: Path) -> None:
    name = f"realtime:m@{server.url}"
    result = CliRunner().invoke(app, ["transcribe", str(examples / "order.flac"), "-m", name, "--format", "srt"])
    assert result.exit_code == 0, result.output
    assert "00:00:0" in result.output


def test_one_who_leaves_ends_the_connection(order: hark.Audio) -> None:
    gone = threading.Event()

    def script(client: Client) -> None:
        client.say("session.created", id="sess-1", created=1)
        try:
            while True:
                client.hear()
                client.say("transcription.delta", delta="word ")
        finally:
            gone.set()

    with Scripted(script) as server:
        steps = listener(server).stream(order, task="transcribe")
        assert next(step.text for step in steps if step.text)
        steps.close()  # type: ignore[attr-defined]
        assert gone.wait(5)


def vllm_ends(client: Client, kind: str, **fields: Any) -> None:
    """Greet as vLLM does, hear all, and end it with an event."""
    client.say("session.created", id="sess-1", created=1)
    while not client.hear().get("final"):
        pass
    client.say(kind, **fields)
    client.hear()


def openai_refuses(client: Client, **about: Any) -> None:
    """Greet as OpenAI does, and refuse the settings."""
    client.say("session.created", session={"type": "transcription"})
    client.hear()
    client.say("error", error={"type": "invalid_request_error", **about})
    client.hear()


def openai_ends(client: Client, *events: tuple[str, dict[str, Any]]) -> None:
    """Greet as OpenAI does, hear a turn, and tell of it."""
    client.say("session.created", session={"type": "transcription"})
    client.hear()
    client.say("session.updated")
    while client.hear()["type"] != "input_audio_buffer.commit":
        pass
    for kind, fields in events:
        client.say(f"{KIND}{kind}", **fields)
    client.hear()


def leaves(client: Client) -> None:
    client.say("session.created", id="sess-1", created=1)
    client.hear()
    client.socket.close(1011, "out of order")


def babbles(client: Client, text: str) -> None:
    client.socket.send(text)
    client.hear()


_KLINGON = {"message": "Not Klingon.", "param": "session.audio.input.transcription.language"}
_LOST = {"type": "server_error", "message": "The audio was lost."}


@pytest.mark.parametrize(
    ("script", "error", "said"),
    [
        (partial(vllm_ends, kind="error", error="CUDA out of memory", code="processing_error"), ModelError, "CUDA out"),
        (partial(vllm_ends, kind="transcription.done", text=None), ModelError, "without text"),
        (partial(openai_refuses, code="model_not_found", message="No such model."), ModelNotFoundError, "No such"),
        (partial(openai_refuses, **_KLINGON), OptionError, "Klingon"),
        (lambda client: openai_ends(client, ("failed", {"error": _LOST})), ModelError, "The audio was lost"),
        (leaves, ModelError, "1011 out of order"),
        (partial(babbles, text="<html>"), ModelError, "no event"),
        (partial(babbles, text="[]"), ModelError, "no event"),
    ],
)
def test_failures_are_told(script: Any, error: type[Exception], said: str, order: hark.Audio) -> None:
    with Scripted(script) as server, pytest.raises(error, match=said) as raised:
        listener(server).transcribe(order)
    assert type(raised.value) is error


def test_vllm_cannot_be_told_the_language(order: hark.Audio) -> None:
    with Scripted(realtime_server.vllm) as server, pytest.raises(UnsupportedError, match="language"):
        listener(server).transcribe(order, language="en")


def test_nobody_there(order: hark.Audio) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        name = f"realtime:m@ws://127.0.0.1:{taken.getsockname()[1]}/v1"
        with pytest.raises(ModelError, match="was not reached"):
            hark.load(name).transcribe(order)


def test_a_silent_server_is_not_waited_for_without_end(order: hark.Audio) -> None:
    from hark.engines.realtime_server import RealtimeServer

    with Scripted(lambda client: client.hear() and None) as server:
        engine = RealtimeServer(f"realtime:m@{server.url}", timeout=0.3)
        with pytest.raises(ModelError, match=r"did not answer within 0\.3 s"):
            hark.Listener(engine).transcribe(order)


def test_a_server_that_wants_a_key_is_understood(order: hark.Audio, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(connection: Any, request: Any) -> Any:
        body = '{"error": {"message": "Incorrect key: %s", "code": "invalid_api_key"}}'
        said = body % request.headers.get("authorization", "none")
        return connection.respond(http.HTTPStatus.UNAUTHORIZED, said)

    with Scripted(realtime_server.openai, process_request=locked) as server:
        monkeypatch.delenv("OPENAI_API_KEY", raising=False)
        with pytest.raises(ModelError, match="does not let you in") as raised:
            listener(server).transcribe(order)
        assert "OPENAI_API_KEY" in raised.value.hint
        monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
        with pytest.raises(ModelError, match="does not let you in") as raised:
            listener(server).transcribe(order)
        assert "sk-secret" not in str(raised.value)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-\nsecret")
        with pytest.raises(SettingsError):
            listener(server).transcribe(order)


@pytest.mark.parametrize(
    "name", ["realtime:", "realtime:m@ftp://host", "realtime:m@ws://user:pw@host/v1", "realtime:m@ws://host/v1?key=1"]
)
def test_names_that_cannot_be_used_are_refused_before_any_network(name: str) -> None:
    with pytest.raises(ModelNotFoundError) as raised:
        hark.load(name)
    assert "realtime:MODEL@ws://" in raised.value.hint


def test_it_is_no_model_that_writes_answers() -> None:
    with pytest.raises(ModelNotFoundError, match="text model"):
        hark.load("builtin", answer_with="realtime:m@ws://127.0.0.1:9/v1")
