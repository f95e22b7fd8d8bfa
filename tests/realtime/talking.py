"""A client of live sessions: OpenAI's own, with every event held to OpenAI's types."""

from __future__ import annotations

import base64
import contextlib
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import openai
import soxr
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

from hark.realtime.formats import Decoder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openai.resources.realtime.realtime import RealtimeConnection

    from serving import Running

RATE = 16000
PIECE = 1920  # bytes: 40 ms at 24 kHz
_EVENTS: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
DELTA = "response.output_text.delta"


class Talk:
    """A connection, and all that was told on it."""

    def __init__(self, connection: RealtimeConnection) -> None:
        self.connection = connection
        self.events: list[Any] = []

    def next(self, timeout: float | None = 20.0) -> Any:
        data = self.connection._connection.recv(timeout, decode=False)
        event = _EVENTS.validate_json(data, strict=True)
        self.events.append(event)
        return event

    def until(self, kind: str, *, errors: bool = False) -> list[Any]:
        """All events up to the next of a kind."""
        found = []
        while not found or found[-1].type != kind:
            found.append(self.next())
            assert errors or found[-1].type != "error", found[-1]
        return found

    def send(self, kind: str, **fields: Any) -> None:
        self.connection.send({"type": kind, **fields})

    def update(self, **session: Any) -> Any:
        self.send("session.update", session={"type": "realtime", **session})
        return self.until("session.updated")[-1].session

    def say(self, *parts: np.ndarray, kind: str = "audio/pcm") -> bytes:
        """Send sound as fast as it goes; gives its bytes."""
        data = coded(np.concatenate(parts), kind)
        for at in range(0, len(data), PIECE):
            self.send("input_audio_buffer.append", audio=base64.b64encode(data[at : at + PIECE]).decode())
        return data

    def refused(self, kind: str, **fields: Any) -> Any:
        """The error that an event is answered with."""
        self.send(kind, **fields)
        return self.until("error", errors=True)[-1].error

    def answer(self) -> str:
        """The text of the next answer that is complete."""
        done = self.until("response.done")[-1].response
        assert done.status == "completed", done
        return str(done.output[0].content[0].text)


@contextlib.contextmanager
def talking(server: Running, model: str = "echo", **query: str) -> Iterator[Talk]:
    """Open a session, and greet."""
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="unused", max_retries=0)
    with warnings.catch_warnings():  # the client uses websockets in a way that its newest version warns of
        warnings.filterwarnings("ignore", r"connect\(\) must be used", DeprecationWarning)
        options: Any = {"max_queue": None}  # else it waits for 10 s at its end where events were not taken
        connect = client.realtime.connect(model=model, extra_query=query, websocket_connection_options=options)
        with client, connect as connection:
            talk = Talk(connection)
            assert talk.next().type == "session.created"
            yield talk


def quiet(seconds: float) -> np.ndarray:
    return np.random.default_rng(3).normal(0, 0.0005, round(seconds * RATE)).astype(np.float32)


def coded(sound: np.ndarray, kind: str = "audio/pcm") -> bytes:
    """Sound (n,) at 16 kHz as it goes over a wire."""
    if kind == "audio/pcm":
        return (np.clip(soxr.resample(sound, RATE, 24000), -1, 1) * 32767).astype("<i2").tobytes()
    decoder = Decoder(kind)
    levels = decoder._decoded(bytes(range(256)))
    order = np.argsort(levels)
    at = np.searchsorted((levels[order][1:] + levels[order][:-1]) / 2, soxr.resample(sound, RATE, 8000))
    return order[at].astype(np.uint8).tobytes()


def heard(data: bytes, kind: str = "audio/pcm") -> np.ndarray:
    """What the server makes of the bytes of a stream."""
    decoder = Decoder(kind)
    return np.concatenate((decoder.feed(data), decoder.finish()))


def kinds(events: list[Any]) -> list[str]:
    return [event.type for event in events if event.type != DELTA]
