"""Dialogues and transcriptions over a WebSocket, with OpenAI's own client."""

from __future__ import annotations

import asyncio
import base64
import re
from typing import TYPE_CHECKING, Any

import openai
import pytest
from talking import PIECE, coded, kinds, quiet, talking

from serving import Running, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    import hark

# openai's client uses websockets in a way that its newest version warns of.
pytestmark = pytest.mark.filterwarnings(r"ignore:connect\(\) must be used:DeprecationWarning")
TURN = [
    "input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped", "input_audio_buffer.committed",
    "conversation.item.added", "conversation.item.done", "response.created", "response.output_item.added",
    "conversation.item.added", "response.content_part.added", "response.output_text.done",
    "response.content_part.done", "response.output_item.done", "conversation.item.done", "response.done",
]  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with serving("echo", "builtin") as running:
        yield running


def test_a_turn_is_heard_and_answered(server: Running, order: hark.Audio) -> None:
    with talking(server) as talk:
        shown = talk.update(instructions="Be brief.")
        assert (shown.model, shown.instructions, shown.output_modalities) == ("echo", "Be brief.", ["text"])
        talk.say(quiet(0.5), order.samples(16000), quiet(1.0))
        events = talk.until("response.done")
        assert kinds(events) == TURN
        text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
        assert re.fullmatch(r"echo heard system: Be brief\. \| user: \[3\.\d s, 16000 Hz, sha256 \w{8}\]", text)
        response = events[-1].response
        assert (response.status, response.output[0].content[0].text) == ("completed", text)
        assert (response.usage.input_tokens, response.usage.output_tokens) == (2, len(text.split()))


def test_items_know_what_is_before_them_and_the_conversation_goes_on(server: Running, order: hark.Audio) -> None:
    with talking(server) as talk:
        sound = order.samples(16000)
        talk.say(quiet(0.5), sound, quiet(1.0))
        talk.until("response.done")
        talk.say(sound[: 2 * 16000], quiet(1.0))
        talk.until("response.done")
        by_kind: dict[str, list[Any]] = {}
        for event in talk.events:
            by_kind.setdefault(event.type, []).append(event)
        added, done = (
            [(one.item.id, one.previous_item_id) for one in by_kind[f"conversation.item.{kind}"]]
            for kind in ("added", "done")
        )
        assert added == done
        names = [name for name, _ in added]
        assert [before for _, before in added] == [None, *names[:-1]]
        begun = [event.item_id for event in by_kind["input_audio_buffer.speech_started"]]
        assert begun == names[::2] == [event.item_id for event in by_kind["input_audio_buffer.committed"]]
        last = talk.events[-1].response.output[0].content[0].text
        assert re.search(r"user: \[.*\] \| assistant: echo heard user: \[.*\] \| user: \[", last)


def test_transcription_settles_and_never_changes(server: Running, order: hark.Audio) -> None:
    with talking(server, "builtin", intent="transcription") as talk:
        assert talk.events[0].session.type == "transcription"
        talk.say(quiet(0.5), order.samples(16000), quiet(1.0))
        events = talk.until("conversation.item.input_audio_transcription.completed")
        said = "".join(e.delta for e in events if e.type.endswith("transcription.delta"))
        assert said == events[-1].transcript
        assert "coffee" in said
        assert events[-1].usage.seconds == pytest.approx(3.6, abs=0.2)
        assert not any(kind.startswith("response") for kind in kinds(events))
        (segment,) = [event for event in events if event.type.endswith("transcription.segment")]
        begun, over = (next(e for e in events if e.type.endswith(kind)) for kind in ("started", "stopped"))
        assert begun.audio_start_ms / 1000 <= segment.start < segment.end <= over.audio_end_ms / 1000
        assert segment.text == said
        talk.send("conversation.item.retrieve", item_id=events[-1].item_id)
        shown = talk.until("conversation.item.retrieved")[-1].item
        assert shown.content[0].transcript == said


def test_a_dialogue_is_written_down_beside_its_answers_by_another_model(server: Running, order: hark.Audio) -> None:
    with talking(server) as talk:
        talk.update(audio={"input": {"transcription": {"model": "builtin", "language": "en"}}})
        talk.say(quiet(0.5), order.samples(16000), quiet(1.0))
        wanted = {"response.done", "conversation.item.input_audio_transcription.completed"}
        while wanted - {event.type for event in talk.events}:
            assert talk.next().type != "error"
        (text,) = [e.transcript for e in talk.events if e.type.endswith("transcription.completed")]
        assert "large coffee" in text


def test_the_asynchronous_client_is_served_alike(server: Running, order: hark.Audio) -> None:
    async def talk() -> list[str]:
        told = []
        async with (
            openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="unused") as client,
            client.realtime.connect(model="echo") as connection,
        ):
            data = coded(order.samples(16000)) + bytes(48000)
            for at in range(0, len(data), PIECE):
                await connection.input_audio_buffer.append(audio=base64.b64encode(data[at : at + PIECE]).decode())
            async for event in connection:
                told.append(event.type)
                if event.type == "response.done":
                    break
        return told

    assert [kind for kind in asyncio.run(talk()) if not kind.endswith(".delta")] == ["session.created", *TURN]


def test_sessions_at_the_same_time_do_not_mix(server: Running, order: hark.Audio, hesitant: hark.Audio) -> None:
    with talking(server) as one, talking(server) as other, talking(server) as third:
        one.say(quiet(0.5), order.samples(16000), quiet(1.0))
        other.say(quiet(0.5), hesitant.samples(16000), quiet(1.0))
        third.say(quiet(0.5), order.samples(16000), quiet(1.0))
        first, second, again = one.answer(), other.answer(), third.answer()
        assert first == again != second
