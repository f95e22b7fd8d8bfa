"""Dialogues and transcriptions over a WebSocket, with OpenAI's own client."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np
import openai
import pytest
import soxr

from serving import Running, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    import hark

# openai's client uses websockets in a way that its newest version warns of.
pytestmark = pytest.mark.filterwarnings(r"ignore:connect\(\) must be used:DeprecationWarning")


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with serving("echo", "builtin") as running:
        yield running


def pcm(*parts: np.ndarray) -> list[str]:
    """Sound as pieces of 40 ms, PCM at 24 kHz, in base64."""
    sound = soxr.resample(np.concatenate(parts), 16000, 24000)
    data = (np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes()
    return [base64.b64encode(data[at : at + 1920]).decode() for at in range(0, len(data), 1920)]


def quiet(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * 16000), np.float32)


def client(server: Running) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="unused")


def until(connection: Any, kind: str) -> list[Any]:
    """All events up to one of a kind."""
    events = []
    while True:
        event = connection.recv()
        events.append(event)
        assert event.type != "error", event
        if event.type == kind:
            return events


def test_a_turn_is_heard_and_answered(server: Running, order: hark.Audio) -> None:
    with client(server).realtime.connect(model="echo") as connection:
        assert connection.recv().type == "session.created"
        connection.session.update(session={"type": "realtime", "instructions": "Be brief."})
        assert connection.recv().type == "session.updated"
        for piece in pcm(quiet(0.5), order.samples(16000), quiet(1.0)):
            connection.input_audio_buffer.append(audio=piece)
        events = until(connection, "response.done")
        assert [event.type for event in events if event.type != "response.output_text.delta"] == [
            "input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped", "input_audio_buffer.committed",
            "conversation.item.added", "conversation.item.done", "response.created", "response.output_item.added",
            "conversation.item.added", "response.content_part.added", "response.output_text.done",
            "response.content_part.done", "response.output_item.done", "conversation.item.done", "response.done",
        ]  # fmt: skip
        text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
        assert text.startswith("echo heard")
        assert events[-1].response.status == "completed"


def test_transcription_settles_and_never_changes(server: Running, order: hark.Audio) -> None:
    with client(server).realtime.connect(model="builtin", extra_query={"intent": "transcription"}) as connection:
        assert connection.recv().session.type == "transcription"
        for piece in pcm(quiet(0.5), order.samples(16000), quiet(1.0)):
            connection.input_audio_buffer.append(audio=piece)
        events = until(connection, "conversation.item.input_audio_transcription.completed")
        said = "".join(e.delta for e in events if e.type.endswith("transcription.delta"))
        assert said == events[-1].transcript
        assert "coffee" in said
