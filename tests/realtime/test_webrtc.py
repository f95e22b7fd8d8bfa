"""Live sessions over WebRTC, with a client on aiortc: how they go, and how they end."""

from __future__ import annotations

import asyncio
import base64
import threading
import time
from typing import TYPE_CHECKING, Any

import httpx2
import numpy as np
import pytest

pytest.importorskip("aiortc")

import aioice.ice
import openai
import soxr
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

from calling import Caller
from hark.server import live
from serving import Running, serving
from tiny.openai_server import CHAT, Exchange, LoopbackServer, chat_chunks

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    import hark

BRISK = {"audio": {"input": {"turn_detection": {"type": "server_vad", "silence_duration_ms": 300}}}}
_EVENTS: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with serving("echo", "builtin", max_sessions=4) as running:
        yield running
        assert running.service.live.count == 0


@pytest.fixture
def words(order: hark.Audio) -> np.ndarray:
    """The first words of the order."""
    return order.samples(16000)[:19200]


def quiet(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * 16000), np.float32)


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 30))


async def ended(server: Running, seconds: float = 5.0) -> None:
    """All calls are over, and nothing is left of them."""
    until = time.monotonic() + seconds
    while server.service.live.count or server.service.live.calls:
        assert time.monotonic() < until, "a session goes on"
        await asyncio.sleep(0.02)


async def answered(caller: Caller) -> None:
    """There is an answer that nothing interrupted: on a machine that stalls, one turn may become two."""
    while (await caller.until("response.done"))[-1]["response"]["status"] != "completed":
        pass


def told(events: list[dict[str, Any]]) -> list[str]:
    return [one["type"] for one in events if one["type"] != "response.output_text.delta"]


def test_turns_are_answered_one_after_the_other(server: Running, words: np.ndarray) -> None:
    async def talk() -> None:
        async with Caller(server.url) as caller:
            assert (await caller.dial(BRISK, model="echo")).status_code == 201
            session = (await caller.until("session.created"))[-1]["session"]
            assert session["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 300
            await caller.speaker.say(quiet(0.6), words)
            events = await caller.until("response.done")
            assert told(events) == [
                "input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped",
                "input_audio_buffer.committed", "conversation.item.added", "conversation.item.done", "response.created",
                "response.output_item.added", "conversation.item.added", "response.content_part.added",
                "response.output_text.done", "response.content_part.done", "response.output_item.done",
                "conversation.item.done", "response.done",
            ]  # fmt: skip
            first = events[-1]["response"]["output"][0]["content"][0]["text"]
            await caller.speaker.say(words)
            second = (await caller.until("response.done"))[-1]["response"]["output"][0]["content"][0]["text"]
            assert first.startswith("echo heard user: [1.")
            assert first in second
            for event in caller.events:
                _EVENTS.validate_python({name: value for name, value in event.items() if name != "at"}, strict=True)

    run(talk())


def test_times_are_those_of_the_track_whatever_gets_lost(server: Running, words: np.ndarray) -> None:
    async def talk() -> None:
        async with Caller(server.url) as caller:
            await caller.dial(BRISK)
            await caller.speaker.say(quiet(0.5), words, quiet(0.5))
            first = (await caller.until("input_audio_buffer.speech_started"))[-1]
            caller.speaker.skip(2.0)  # a hole in time, as packets leave that get lost
            await caller.speaker.say(words, quiet(0.3))
            second = (await caller.until("input_audio_buffer.speech_started"))[-1]
            apart = second["audio_start_ms"] - first["audio_start_ms"]
            assert apart == pytest.approx(1000 * (len(words) / 16000 + 0.5 + 2.0), abs=70)

    run(talk())


def test_speech_interrupts_the_answer(words: np.ndarray) -> None:
    def answer(ask: Exchange) -> None:
        def slowly() -> Iterator[Any]:
            for chunk in chat_chunks(*(f"word{number} " for number in range(300))):
                time.sleep(0.02)
                yield chunk

        ask.stream(slowly())

    model = LoopbackServer({CHAT: answer})

    async def talk(url: str) -> None:
        async with Caller(url) as caller:
            await caller.dial(BRISK)
            await caller.speaker.say(quiet(0.5), words)
            await caller.until("response.output_text.delta")
            speaking = asyncio.ensure_future(caller.speaker.say(words))
            done = (await caller.until("response.done"))[-1]["response"]
            assert (done["status"], done["status_details"]["reason"]) == ("cancelled", "turn_detected")
            assert not speaking.done()
            assert len(done["output"][0]["content"][0]["text"].split()) < 150
            await speaking
            await caller.until("response.output_text.delta")  # what was said then is answered

    with serving(f"slow=openai:m@{model.url}") as server:
        run(talk(server.url))
        assert model.asked[0].gone.wait(5)
    assert len(model.asked[1].wavs) == 2
    model.close()


def test_a_transcription_of_a_model_that_the_session_names(server: Running, order: hark.Audio) -> None:
    async def talk() -> None:
        async with Caller(server.url) as caller:
            assert (await caller.dial({"type": "transcription", "model": "builtin"})).status_code == 201
            assert (await caller.until("session.created"))[-1]["session"]["type"] == "transcription"
            await caller.speaker.say(quiet(0.5), order.samples(16000))
            done = (await caller.until("conversation.item.input_audio_transcription.completed"))[-1]
            assert "coffee" in done["transcript"]

    run(talk())


def test_several_calls_at_once_and_no_more_than_allowed(server: Running, words: np.ndarray) -> None:
    async def talk(seconds: float) -> None:
        async with Caller(server.url) as caller:
            assert (await caller.dial(BRISK)).status_code == 201
            await caller.speaker.say(quiet(seconds), words)
            await answered(caller)
            everybody.append(caller)
            while len(everybody) < 5:
                await asyncio.sleep(0.02)

    async def all_of_them() -> None:
        talks = [asyncio.ensure_future(talk(0.5 + 0.1 * number)) for number in range(4)]
        while len(everybody) < 4:
            await asyncio.sleep(0.02)
            assert not any(one.done() and one.result() for one in talks)
        async with Caller(server.url) as late:
            assert (await late.dial()).status_code == 429
            gone = await post_hang_up(everybody[0].location)
            assert gone.status_code == 200
            assert (await late.dial()).status_code == 201
            await late.until("session.created")
        everybody.append(late)
        await asyncio.gather(*talks)
        await ended(server)

    everybody: list[Caller] = []
    run(all_of_them())


async def post_hang_up(location: str) -> httpx2.Response:
    async with httpx2.AsyncClient() as client:
        return await client.post(f"{location}/hangup")


def test_openai_s_client_begins_and_ends_a_call(server: Running) -> None:
    async def talk() -> None:
        client = openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="unused", max_retries=0)
        async with client, Caller(server.url) as caller:
            made = await client.realtime.calls.create(
                sdp=await caller.offer(), session={"type": "realtime", "model": "echo", "instructions": "Be brief."}
            )
            await caller.take(made.text)
            assert (await caller.until("session.created"))[-1]["session"]["instructions"] == "Be brief."
            call = made.response.headers["location"].rpartition("/")[2]
            await client.realtime.calls.hangup(call)
            await caller.until("closed")
            with pytest.raises(openai.NotFoundError):
                await client.realtime.calls.hangup(call)

    run(talk())


def test_a_call_is_deleted(server: Running) -> None:
    async def talk() -> None:
        async with Caller(server.url) as caller, httpx2.AsyncClient() as client:
            await caller.dial()
            await caller.until("session.created")
            assert (await client.delete(caller.location)).status_code == 200
            await caller.until("closed")
            assert (await client.delete(caller.location)).status_code == 404

    run(talk())


def test_a_client_that_leaves_leaves_nothing_behind(server: Running) -> None:
    async def talk() -> None:
        async with Caller(server.url) as caller:
            await caller.dial()
            await caller.until("session.created")
            await asyncio.sleep(0.2)
            assert server.service.live.count == 1
        await ended(server)

    run(talk())
    assert not [one for one in threading.enumerate() if "decoder" in one.name]


def test_one_that_vanishes_is_missed(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aioice.ice, "CONSENT_INTERVAL", 0.05)
    monkeypatch.setattr(aioice.ice, "CONSENT_FAILURES", 2)

    async def talk() -> None:
        async with Caller(server.url) as caller:
            await caller.dial()
            await caller.until("session.created")
            caller.vanish()
            await ended(server, 10)

    run(talk())


def test_one_that_never_connects_is_not_waited_for(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_STALLED_SECONDS", 0.3)

    async def talk() -> None:
        async with Caller(server.url) as caller, httpx2.AsyncClient() as client:
            headers = {"Content-Type": "application/sdp"}
            content = await caller.offer()
            sent = await client.post(f"{server.url}/v1/realtime/calls", content=content, headers=headers)
            assert sent.status_code == 201
            assert server.service.live.count == 1
            await ended(server)

    run(talk())


def test_a_track_that_stops_ends_its_turn(server: Running, words: np.ndarray) -> None:
    async def talk() -> None:
        async with Caller(server.url) as caller:
            await caller.dial(BRISK)
            await caller.speaker.say(quiet(0.5), words[:16000])
            caller.speaker.mute = True  # in the middle of a word
            await answered(caller)

    run(talk())


def test_sound_may_come_by_the_channel_and_a_call_ends_when_nothing_comes(words: np.ndarray) -> None:
    async def talk(url: str) -> None:
        async with Caller(url, sound=False) as caller:
            await caller.dial({"audio": {"input": {"turn_detection": None}}})
            await caller.until("session.created")
            data = (soxr.resample(words, 16000, 24000) * 32767).astype("<i2").tobytes()
            caller.send("input_audio_buffer.append", audio=base64.b64encode(data).decode())
            caller.send("input_audio_buffer.commit")
            caller.send("response.create")
            done = (await caller.until("response.done"))[-1]["response"]
            assert "[1.2 s, 16000 Hz" in done["output"][0]["content"][0]["text"]
            begun = time.monotonic()
            await caller.until("closed")
            assert 0.5 < time.monotonic() - begun < 5

    with serving("echo", session_idle_seconds=1.0) as server:
        run(talk(server.url))


def test_errors_leave_the_call_open(server: Running) -> None:
    async def talk() -> None:
        async with Caller(server.url) as caller:
            await caller.dial()
            await caller.until("session.created")
            caller.channel.send("{")
            caller.channel.send(b"\xff\xfe")
            caller.send("session.update", session={"type": "realtime", "voice": "alloy"})
            caller.send("session.update", session={"type": "realtime", "instructions": "Be brief."})
            events = await caller.until("session.updated")
            assert [one["error"]["code"] for one in events[:-1]] == [
                "invalid_json",
                "invalid_json",
                "unknown_parameter",
            ]

    run(talk())


def test_an_event_that_the_client_cannot_take_is_an_error(server: Running) -> None:
    async def talk() -> None:
        async with Caller(server.url, sound=False) as caller:
            caller.most_bytes = 4000
            await caller.dial()
            await caller.until("session.created")
            said = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a" * 5000}]}
            caller.send("conversation.item.create", item=said)
            event = (await caller.until("error"))[-1]
            assert "conversation.item.added is larger" in event["error"]["message"]

    run(talk())


def test_a_server_that_stops_hangs_up(words: np.ndarray) -> None:
    async def talk() -> None:
        with serving("echo") as server:
            caller = Caller(server.url)
            await caller.dial()
            await caller.until("session.created")
            begun = time.monotonic()
            await asyncio.to_thread(stop, server)
        await caller.until("closed")
        assert time.monotonic() - begun < 5
        await caller.peer.close()

    def stop(server: Running) -> None:
        asyncio.run_coroutine_threadsafe(server.service.live.close(), loop_of(server)).result(10)

    def loop_of(server: Running) -> asyncio.AbstractEventLoop:
        (task,) = server.service.live.calls.values()
        return task.get_loop()

    run(talk())
