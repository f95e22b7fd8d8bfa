"""A session by itself, with no transport: what a model cannot do, what is kept of a conversation, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from talking import RATE, quiet

from hark.answers.answer import Delta, Usage
from hark.engines.echo import Echo
from hark.errors import ModelError
from hark.listener import Listener
from hark.realtime import items
from hark.realtime.session import Session
from hark.server.threads import steps

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator

    import hark
    from hark.conversation.conversation import Conversation
    from hark.engines.engine import Options


class Alone:
    """A model that nobody else uses."""

    def __init__(self, engine: Echo) -> None:
        self.listener = Listener(engine)

    async def run(self, work: Callable[[Listener], Iterator[Any]]) -> AsyncGenerator[Any]:
        async with contextlib.aclosing(steps(lambda: work(self.listener))) as found:
            async for step in found:
                yield step


class Client:
    """A session of an engine, and what it told."""

    def __init__(self, engine: Echo, **how: Any) -> None:
        self.told: list[dict[str, Any]] = []
        self.new = asyncio.Event()
        self.session = Session(Alone(engine), "m", self._take, **how)

    async def _take(self, event: dict[str, Any]) -> None:
        self.told.append(event)
        self.new.set()

    async def send(self, kind: str, **fields: Any) -> None:
        await self.session.receive(json.dumps({"type": kind, **fields}))

    async def say(self, *parts: np.ndarray) -> None:
        sound = np.concatenate(parts)
        for at in range(0, len(sound), 640):
            await self.session.hear(sound[at : at + 640])

    async def until(self, kind: str, count: int = 1) -> dict[str, Any]:
        async with asyncio.timeout(10):
            while len(found := self.of(kind)) < count:
                self.new.clear()
                await self.new.wait()
        return found[count - 1]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.told if event["type"] == kind]


def able(**can: Any) -> Echo:
    engine = Echo()
    engine.can = replace(Echo.can, **can)
    return engine


def text(done: dict[str, Any]) -> str:
    return str(done["response"]["output"][0]["content"][0]["text"])


ONE = [{"several_turns": False}, {"several_clips": False}, {"several_turns": False, "several_clips": False}]


@pytest.mark.parametrize("can", ONE)
def test_a_model_of_one_turn_is_asked_the_last_and_the_client_told(order: hark.Audio, can: dict[str, bool]) -> None:
    async def talk() -> None:
        client = Client(able(**can))
        spoken = order.samples(RATE)
        await client.say(quiet(0.5), spoken, quiet(1.0))
        await client.until("response.done")
        await client.say(spoken[: 2 * RATE], quiet(1.0))
        second = await client.until("response.done", 2)
        assert second["response"]["status"] == "completed"
        assert text(second).count("sha256") == 1
        assert "assistant" not in text(second)
        gone = [event["item_id"] for event in client.of("conversation.item.deleted")]
        assert gone == [event["item"]["id"] for event in client.of("conversation.item.added")[:2]]
        await client.session.close()

    asyncio.run(talk())


def test_two_turns_in_a_row_are_one_question_where_several_recordings_are_heard(order: hark.Audio) -> None:
    async def talk() -> None:
        client = Client(able(several_turns=False))
        await client.send(
            "session.update", session={"audio": {"input": {"turn_detection": {"create_response": False}}}}
        )
        await client.say(quiet(0.5), order.samples(RATE), quiet(1.0), order.samples(RATE), quiet(1.0))
        await client.send("response.create")
        assert text(await client.until("response.done")).count("sha256") == 2
        assert not client.of("conversation.item.deleted")

    asyncio.run(talk())


def test_who_only_writes_down_is_no_partner_but_writes(order: hark.Audio) -> None:
    async def talk() -> None:
        client = Client(able(free_prompt=False))
        await client.send("session.update", session={"audio": {"input": {"transcription": {}}}})
        await client.say(quiet(0.5), order.samples(RATE), quiet(1.0))
        done = await client.until("response.done")
        assert done["response"]["status"] == "failed"
        error = done["response"]["status_details"]["error"]
        assert error["type"] == "invalid_request_error"
        assert "can only transcribe" in error["message"]
        written = await client.until("conversation.item.input_audio_transcription.completed")
        assert written["transcript"].startswith("echo heard")

    asyncio.run(talk())


@pytest.mark.parametrize(
    ("can", "update", "param"),
    [
        ({"system_prompt": False}, {"instructions": "Be brief."}, "session.instructions"),
        ({"options": frozenset()}, {"max_output_tokens": 5}, "session.max_output_tokens"),
        ({"languages": frozenset({"en"})}, {"audio": {"input": {"transcription": {"language": "de"}}}},
         "session.audio.input.transcription.language"),
    ],
)  # fmt: skip
def test_what_is_beyond_the_model_is_refused_when_it_is_wished(
    can: dict[str, Any], update: dict[str, Any], param: str
) -> None:
    async def talk() -> None:
        client = Client(able(**can))
        await client.send("session.update", session=update)
        assert client.told[-1]["error"]["param"] == param
        assert not client.of("session.updated")

    asyncio.run(talk())


def test_memory_is_bounded_and_the_client_told(order: hark.Audio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(items, "MOST_CLIPS", 3)

    async def talk() -> None:
        client = Client(Echo(), transcribes=True)
        for _ in range(5):
            await client.say(quiet(0.3), order.samples(RATE)[: 2 * RATE], quiet(0.8))
        await client.until("conversation.item.input_audio_transcription.completed", 5)
        added = [event["item"]["id"] for event in client.of("conversation.item.added")]
        gone = [event["item_id"] for event in client.of("conversation.item.deleted")]
        assert gone == added[:2]
        for name in added:
            await client.send("conversation.item.retrieve", item_id=name)
        assert len(client.of("conversation.item.retrieved")) == 3

    asyncio.run(talk())


def test_a_turn_longer_than_the_model_hears_is_cut_and_answered_whole(order: hark.Audio) -> None:
    async def talk() -> None:
        client = Client(able(max_seconds=2.0))
        await client.say(quiet(0.5), *[order.samples(RATE)] * 2, quiet(1.0))
        committed = len(client.of("input_audio_buffer.committed"))
        assert committed >= 3
        ended = [event["audio_end_ms"] for event in client.of("input_audio_buffer.speech_stopped")]
        begun = [event["audio_start_ms"] for event in client.of("input_audio_buffer.speech_started")]
        assert all(end - start <= 2050 for start, end in zip(begun, ended, strict=True))
        async with asyncio.timeout(10):
            while client.told[-1]["type"] != "response.done" or client.told[-1]["response"]["status"] != "completed":
                client.new.clear()
                await client.new.wait()
        assert text(client.told[-1]).count("sha256") == committed

    asyncio.run(talk())


class Gated(Echo):
    """Answers in words until it is closed, one for each time that it is let on; writes down as an echo."""

    def __init__(self, fails: Exception | None = None) -> None:
        self.let, self.closed, self.said, self.fails = threading.Semaphore(0), threading.Event(), 0, fails

    def generate(self, conversation: Conversation, options: Options) -> Iterator[Delta]:
        if options.task == "transcribe":
            yield from super().generate(conversation, options)
            return
        try:
            for number in range(1000):
                assert self.let.acquire(timeout=10)
                if self.fails:
                    raise self.fails
                self.said += 1
                yield Delta(f"word{number} ", usage=Usage(1.0, input_tokens=5, cached_tokens=3, cached_clips=1))
        finally:
            self.closed.set()


def test_the_model_stops_within_a_word_of_an_interruption(order: hark.Audio) -> None:
    async def talk() -> None:
        engine = Gated()
        client = Client(engine)
        used: list[Usage] = []
        client.session.on_usage = used.append
        await client.say(quiet(0.5), order.samples(RATE), quiet(1.0))
        engine.let.release(3)
        await client.until("response.output_text.delta", 3)
        await client.say(order.samples(RATE)[: 2 * RATE])
        done = await client.until("response.done")  # at once, though the model is in the middle of a word
        assert (done["response"]["status"], engine.closed.is_set()) == ("cancelled", False)
        assert text(done) == "word0 word1 word2 "
        engine.let.release(1)
        assert await asyncio.to_thread(engine.closed.wait, 5)
        assert engine.said <= 4
        assert done["response"]["usage"]["input_token_details"] == {"cached_tokens": 3, "cached_clips": 1}
        assert [one.cached_clips for one in used] == [1]
        await client.session.close()

    asyncio.run(talk())


@pytest.mark.parametrize("failure", [ModelError("It failed at /home/anna/weights."), ValueError("secret")])
def test_a_failure_is_told_without_what_lies_inside(order: hark.Audio, failure: Exception) -> None:
    async def talk() -> None:
        engine = Gated(failure)
        engine.let.release(2)
        client = Client(engine)
        for count in (1, 2):
            await client.say(quiet(0.5), order.samples(RATE), quiet(1.0))
            done = await client.until("response.done", count)
            assert done["response"]["status"] == "failed"
            told = json.dumps(done)
            assert done["response"]["status_details"]["error"]["type"] == "server_error"
            assert "anna" not in told
            assert "secret" not in told

    asyncio.run(talk())


def test_a_session_that_ends_leaves_nothing_behind(order: hark.Audio) -> None:
    async def talk() -> None:
        engine = Gated()
        before = asyncio.all_tasks()
        client = Client(engine)
        sound = {"transcription": {}, "turn_detection": {"interrupt_response": False}}
        await client.send("session.update", session={"audio": {"input": sound}})
        await client.say(quiet(0.5), order.samples(RATE), quiet(1.0), order.samples(RATE))
        engine.let.release(1)
        await client.until("response.output_text.delta")
        engine.let.release(1000)
        begun = time.monotonic()
        await client.session.close()
        assert time.monotonic() - begun < 2
        assert asyncio.all_tasks() == before
        assert await asyncio.to_thread(engine.closed.wait, 5)

    asyncio.run(talk())


def test_speech_that_is_cleared_is_not_written_down(order: hark.Audio) -> None:
    async def talk() -> None:
        client = Client(Echo(), transcribes=True)
        await client.say(quiet(0.5), order.samples(RATE)[: 3 * RATE])
        await client.until("input_audio_buffer.speech_started")
        await client.send("input_audio_buffer.clear")
        await client.say(quiet(2.0))
        assert not client.of("input_audio_buffer.committed")
        assert not client.of("conversation.item.input_audio_transcription.completed")
        await client.session.close()

    asyncio.run(talk())


def test_a_turn_by_hand_is_written_down_while_it_is_said(order: hark.Audio) -> None:
    async def talk() -> None:
        client = Client(Echo(), transcribes=True)
        await client.send("session.update", session={"audio": {"input": {"turn_detection": None}}})
        for _ in range(2):
            await client.say(order.samples(RATE))
            await client.send("input_audio_buffer.commit")
        await client.until("conversation.item.input_audio_transcription.completed", 2)
        whole = {e["item_id"]: e for e in client.of("conversation.item.input_audio_transcription.completed")}
        committed = [event["item_id"] for event in client.of("input_audio_buffer.committed")]
        told = client.of("conversation.item.input_audio_transcription.delta")
        assert {event["item_id"] for event in told} == set(committed)
        assert "".join(e["delta"] for e in told if e["item_id"] == committed[1]) == whole[committed[1]]["transcript"]
        # Which of two turns is written down first is left open, as in OpenAI's protocol.
        starts = {e["item_id"]: e["start"] for e in client.of("conversation.item.input_audio_transcription.segment")}
        assert [starts[one] for one in committed] == [0.0, pytest.approx(order.duration, abs=0.01)]
        await client.session.close()

    asyncio.run(talk())
