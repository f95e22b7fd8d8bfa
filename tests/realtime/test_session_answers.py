"""Answers of a live session: interrupted, queued, cancelled, apart from the conversation, and what is refused."""

from __future__ import annotations

import base64
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from talking import RATE, coded, kinds, quiet, talking

from serving import Running, serving
from tiny.openai_server import CHAT, Exchange, LoopbackServer, chat_chunks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from talking import Talk

    import hark

WORDS = 200


class Slow:
    """A model behind a server that says a word every 20 ms, and knows how often it was left."""

    def __init__(self) -> None:
        self.server = LoopbackServer({CHAT: self.answer})

    def answer(self, ask: Exchange) -> None:
        def words() -> Iterator[Any]:
            chunks = chat_chunks(*(f"word{number} " for number in range(WORDS)))
            for chunk in chunks:
                time.sleep(0.02)
                yield chunk

        ask.stream(words())

    def clips(self, number: int) -> int:
        """How many recordings the model was given when it was asked for the n-th time."""
        return len(self.server.asked[number].wavs)


@pytest.fixture(scope="module")
def slow() -> Iterator[Slow]:
    made = Slow()
    yield made
    made.server.close()


@pytest.fixture(autouse=True)
def _forget(slow: Slow) -> None:
    slow.server.asked.clear()


@pytest.fixture(scope="module")
def server(slow: Slow) -> Iterator[Running]:
    with serving("echo", f"slow=openai:m@{slow.server.url}") as running:
        yield running


def text(role: str, said: str) -> dict[str, Any]:
    kind = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "role": role, "content": [{"type": kind, "text": said}]}


def clip(sound: hark.Audio) -> dict[str, Any]:
    audio = base64.b64encode(coded(sound.samples(RATE))).decode()
    return {"type": "message", "role": "user", "content": [{"type": "input_audio", "audio": audio}]}


def begin(talk: Talk, order: hark.Audio) -> None:
    """Speak until the answer has begun."""
    talk.say(quiet(0.5), order.samples(RATE), quiet(0.7))
    talk.until("response.output_text.delta")


def test_speech_ends_the_answer_and_the_model(server: Running, slow: Slow, order: hark.Audio) -> None:
    with talking(server, "slow") as talk:
        begin(talk, order)
        talk.say(order.samples(RATE)[: 2 * RATE])
        events = talk.until("response.done")
        assert "input_audio_buffer.speech_started" in kinds(events)
        response = events[-1].response
        assert (response.status, response.status_details.type) == ("cancelled", "cancelled")
        assert response.status_details.reason == "turn_detected"
        assert response.output[0].status == "incomplete"
        told = [e for e in talk.events if e.type == "response.output_text.delta"]
        assert "".join(event.delta for event in told) == response.output[0].content[0].text
        assert 0 < len(told) < WORDS / 2
        assert slow.server.asked[0].gone.wait(5)
        talk.say(quiet(1.0))
        talk.until("response.output_text.delta")
        assert slow.clips(1) == 2


def test_no_turn_is_lost_however_fast_they_come(server: Running, slow: Slow, order: hark.Audio) -> None:
    with talking(server, "slow") as talk:
        talk.say(quiet(0.5), *[order.samples(RATE), quiet(1.0)] * 4)
        committed = 0
        while committed < 4:
            committed += talk.next().type == "input_audio_buffer.committed"
        done = talk.until("response.output_text.delta")
        # The last answer is about all of them. A cancelled question may still reach the model behind a newer one.
        while max(len(ask.wavs) for ask in slow.server.asked) < 4:
            done += talk.until("response.done")
            done += talk.until("response.output_text.delta")
        statuses = [e.response.status for e in talk.events if e.type == "response.done"]
        assert set(statuses) <= {"cancelled"}
        talk.send("response.cancel")
        assert talk.until("response.done")[-1].response.status_details.reason == "client_cancelled"
        assert talk.refused("response.cancel").code == "response_cancel_not_active"


def test_who_may_not_interrupt_is_answered_next(server: Running, slow: Slow, order: hark.Audio) -> None:
    with talking(server, "slow") as talk:
        talk.update(audio={"input": {"turn_detection": {"interrupt_response": False}}})
        begin(talk, order)
        talk.say(*[order.samples(RATE), quiet(0.7)] * 2)
        first = talk.until("response.done")[-1].response
        assert first.status == "completed"
        assert kinds(talk.events).count("input_audio_buffer.committed") == 3
        talk.until("response.output_text.delta")
        assert slow.clips(1) == 3
        roles = [message["role"] for message in slow.server.asked[1].json["messages"]]
        assert roles == ["user", "assistant", "user"]  # the answer stands behind what it answers
        assert len(slow.server.asked) == 2


def test_an_answer_apart_is_given_beside_the_other(server: Running, slow: Slow, order: hark.Audio) -> None:
    with talking(server, "slow") as talk:
        begin(talk, order)
        asked = {"conversation": "none", "metadata": {"topic": "aside"}, "instructions": "Say it in one word."}
        talk.send("response.create", response={**asked, "input": [clip(order), text("user", "What is it?")]})
        apart = talk.until("response.created")[-1].response
        assert (apart.conversation_id, apart.metadata) == (None, {"topic": "aside"})
        deadline = time.monotonic() + 10
        while len(slow.server.asked) < 2 and time.monotonic() < deadline:
            talk.next()
        messages = slow.server.asked[1].json["messages"]
        assert [message["role"] for message in messages] == ["system", "user"]
        talk.send("response.cancel", response_id=apart.id)
        ended = talk.until("response.done")[-1].response
        assert (ended.id, ended.status, ended.metadata) == (apart.id, "cancelled", {"topic": "aside"})
        items = [e for e in talk.events if e.type == "conversation.item.added"]
        assert [item.item.role for item in items] == ["user", "assistant"]
        talk.send("response.cancel")
        assert talk.until("response.done")[-1].response.id != apart.id


def test_answers_one_after_the_other(server: Running, order: hark.Audio) -> None:
    with talking(server, "slow") as talk:
        begin(talk, order)
        error = talk.refused("response.create", event_id="mine")
        assert (error.code, error.event_id) == ("conversation_already_has_active_response", "mine")
        talk.send("response.cancel")
        talk.send("response.create")  # at once: it waits for the other to end
        assert talk.until("response.done")[-1].response.status == "cancelled"
        assert talk.until("response.created")[-1].response.status == "in_progress"
        talk.until("response.output_text.delta")


def test_items_are_put_in_shown_and_taken_out(server: Running, order: hark.Audio) -> None:
    with talking(server) as talk:
        for item, before in ((clip(order) | {"id": "a"}, None), (text("user", "Who speaks?") | {"id": "c"}, None)):
            talk.send("conversation.item.create", item=item, previous_item_id=before)
            talk.until("conversation.item.done")
        talk.send("conversation.item.create", item=text("assistant", "Yes.") | {"id": "b"}, previous_item_id="a")
        assert talk.until("conversation.item.done")[-1].previous_item_id == "a"
        talk.send("conversation.item.create", item=text("system", "First.") | {"id": "z"}, previous_item_id="root")
        assert talk.until("conversation.item.done")[-1].previous_item_id is None
        talk.send("response.create")
        seconds = f"{order.duration:.1f}"
        answer = talk.answer()
        assert answer.startswith(f"echo heard system: First. | user: [{seconds} s")
        assert answer.endswith("assistant: Yes. | user: Who speaks?")
        talk.send("conversation.item.retrieve", item_id="a")
        shown = talk.until("conversation.item.retrieved")[-1].item
        assert (shown.id, shown.role, shown.content[0].type) == ("a", "user", "input_audio")
        for name in ("b", "c"):
            talk.send("conversation.item.delete", item_id=name)
            assert talk.until("conversation.item.deleted")[-1].item_id == name
        apart = {"conversation": "none", "input": [{"type": "item_reference", "id": "a"}, text("user", "Again?")]}
        talk.send("response.create", response=apart)
        assert "Again?" in talk.answer()


def test_a_limit_of_tokens_is_kept_and_told(server: Running, order: hark.Audio) -> None:
    with talking(server) as talk:
        talk.send("conversation.item.create", item=clip(order))
        talk.send("response.create", response={"max_output_tokens": 3})
        response = talk.until("response.done")[-1].response
        assert (response.status, response.status_details.reason) == ("incomplete", "max_output_tokens")
        assert response.output[0].content[0].text == "echo heard user:"
        assert (response.max_output_tokens, response.usage.output_tokens) == (3, 3)


SESSION = "session.update"
WRONG: list[tuple[str, dict[str, Any], str | None, str]] = [
    ("no.such.event", {}, "type", "invalid_value"),
    ("input_audio_buffer.append", {}, "audio", "missing_required_parameter"),
    ("input_audio_buffer.append", {"audio": 7}, "audio", "invalid_value"),
    ("input_audio_buffer.append", {"audio": "!"}, "audio", "invalid_value"),
    ("input_audio_buffer.append", {"audio": "AAAA", "rate": 8000}, "rate", "unknown_parameter"),
    ("input_audio_buffer.commit", {}, None, "input_audio_buffer_commit_empty"),
    ("conversation.item.delete", {"item_id": "none"}, "item_id", "item_not_found"),
    ("conversation.item.create", {"item": text("user", "x"), "previous_item_id": "none"}, "previous_item_id",
     "item_not_found"),
    ("conversation.item.create", {"item": text("user", "x") | {"type": "function_call"}}, "item.type",
     "invalid_value"),
    ("conversation.item.create", {"item": {**text("user", "x"), "role": "assistant"}}, "item.content.0.type",
     "invalid_value"),
    ("conversation.item.create", {"item": text("user", "x") | {"content": []}}, "item.content", "invalid_value"),
    ("response.create", {}, "response", "invalid_value"),
    ("response.create", {"response": {"output_modalities": ["audio"]}}, "response.output_modalities.0",
     "invalid_value"),
    ("response.create", {"response": {"voice": "alloy"}}, "response.voice", "unknown_parameter"),
    ("response.create", {"response": {"input": [{"type": "item_reference", "id": "none"}]}}, "response.input.0.id",
     "item_not_found"),
    ("response.cancel", {}, "response_id", "response_cancel_not_active"),
    (SESSION, {"session": {"voice": "alloy"}}, "session.voice", "unknown_parameter"),
    (SESSION, {"session": {"type": "transcription"}}, "session.type", "invalid_value"),
    (SESSION, {"session": {"model": "another"}}, "session.model", "invalid_value"),
    (SESSION, {"session": {"tools": [{"type": "function"}]}}, "session.tools", "invalid_value"),
    (SESSION, {"session": {"audio": {"output": {"voice": "alloy"}}}}, "session.audio.output", "unknown_parameter"),
    (SESSION, {"session": {"audio": {"input": {"transcription": {"model": "whisper-1"}}}}},
     "session.audio.input.transcription.model", "model_not_found"),
    (SESSION, {"session": {"audio": {"input": {"transcription": {"prompt": "names"}}}}},
     "session.audio.input.transcription.prompt", "invalid_value"),
    (SESSION, {"session": {"audio": {"input": {"noise_reduction": {"type": "near_field"}}}}},
     "session.audio.input.noise_reduction", "invalid_value"),
    (SESSION, {"session": {"audio": {"input": {"turn_detection": {"type": "semantic_vad", "threshold": 0.5}}}}},
     "session.audio.input.turn_detection.threshold", "unknown_parameter"),
    (SESSION, {"session": {"audio": {"input": {"format": {"type": "audio/pcm", "rate": 16000}}}}},
     "session.audio.input.format.rate", "invalid_value"),
]  # fmt: skip


def test_what_is_wrong_is_told_and_the_session_goes_on(server: Running, order: hark.Audio) -> None:
    with talking(server) as talk:
        for number, (kind, fields, param, code) in enumerate(WRONG):
            error = talk.refused(kind, **fields, event_id=f"event {number}")
            assert (error.param, error.code, error.event_id) == (param, code, f"event {number}"), kind
            assert error.type == "invalid_request_error"
        for broken in ("{", "[]", "", '"x"', "[" * 100_000, '{"type": {}}'):
            talk.connection._connection.send(broken)
            assert talk.until("error", errors=True)[-1].error.type == "invalid_request_error"
        talk.connection._connection.send(b"\x00\xff")
        assert talk.until("error", errors=True)[-1].error.code == "invalid_json"
        assert "15 MiB" in talk.refused("input_audio_buffer.append", audio="A" * (15 * 2**20 + 4)).message
        talk.say(quiet(0.5), order.samples(RATE), quiet(1.0))
        assert "user: [" in talk.answer()


def test_a_long_piece_holds_nobody_up(server: Running, order: hark.Audio) -> None:
    """Three minutes in one event, while another session is answered."""
    with talking(server) as long, talking(server) as talk:
        long.update(audio={"input": {"turn_detection": {"create_response": False}}})
        sound = np.concatenate((np.zeros(176 * RATE, np.float32), order.samples(RATE), quiet(1.0)))
        piece = base64.b64encode(coded(sound)).decode()
        long.send("input_audio_buffer.append", audio=piece)
        talk.say(quiet(0.5), order.samples(RATE), quiet(1.0))
        assert "user: [" in talk.answer()
        assert long.until("input_audio_buffer.speech_started")[-1].audio_start_ms == pytest.approx(176_000, abs=800)


def test_what_is_more_than_a_turn_is_refused_and_the_rest_kept(server: Running) -> None:
    with talking(server) as talk:
        talk.update(audio={"input": {"turn_detection": None}})
        minute = base64.b64encode(bytes(60 * 48000)).decode()
        for _ in range(5):
            talk.send("input_audio_buffer.append", audio=minute)
        assert "300 s" in talk.refused("input_audio_buffer.append", audio=minute).message
        talk.send("input_audio_buffer.commit")
        talk.until("conversation.item.done")
        talk.send("response.create")
        assert "[300.0 s of silence" in talk.answer()
