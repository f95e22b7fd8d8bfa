"""Realtime servers on loopback that speak OpenAI's dialect, or vLLM's, and keep what they were told."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import threading
from typing import TYPE_CHECKING, Any, Self

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

if TYPE_CHECKING:
    from collections.abc import Callable

    from websockets.sync.server import ServerConnection

    Script = Callable[["Client"], None]


class Client:
    """One connection."""

    def __init__(self, socket: ServerConnection) -> None:
        self.socket = socket
        assert socket.request
        self.path, self.headers = socket.request.path, socket.request.headers
        self.told: list[dict[str, Any]] = []

    def say(self, kind: str, **fields: Any) -> None:
        self.socket.send(json.dumps({"type": kind, **fields}))

    def hear(self) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(self.socket.recv())
        self.told.append(event)
        return event

    @property
    def kinds(self) -> list[str]:
        """The types of all events; those that come several times in a row once."""
        kinds = [event["type"] for event in self.told]
        return [kind for number, kind in enumerate(kinds) if number == 0 or kind != kinds[number - 1]]

    @property
    def sound(self) -> bytes:
        """All audio that came."""
        return b"".join(base64.b64decode(event["audio"], validate=True) for event in self.told if "audio" in event)


class Scripted:
    """A server whose connections go as a script says; a context manager."""

    def __init__(self, script: Script, **how: Any) -> None:
        self.clients: list[Client] = []

        def served(socket: ServerConnection) -> None:
            self.clients.append(Client(socket))
            with contextlib.suppress(ConnectionClosed):
                script(self.clients[-1])

        self._server = serve(served, "127.0.0.1", 0, **how)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.url = f"ws://127.0.0.1:{self._server.socket.getsockname()[1]}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(10)


def words_of(sound: bytes) -> list[str]:
    """Three words that depend on every sample."""
    digest = hashlib.sha256(sound).hexdigest()
    return [digest[:6], digest[6:12], digest[12:18]]


def vllm(client: Client) -> None:
    """As vLLM does: nothing is heard before a commit, and nothing after one that is final."""
    client.say("session.created", id="sess-1", created=1)
    started, sound = False, b""
    while True:
        event = client.hear()
        if event["type"] == "input_audio_buffer.append" and started:
            sound += base64.b64decode(event["audio"])
            client.say("transcription.delta", delta="")
        elif event["type"] == "input_audio_buffer.commit" and event.get("final"):
            words = words_of(sound)
            for number, word in enumerate(words):
                client.say("transcription.delta", delta=f" {word}" if number else word)
            usage = {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14}
            client.say("transcription.done", text=" ".join(words), usage=usage)
        elif event["type"] == "input_audio_buffer.commit":
            assert "session.update" in client.kinds
            started = True


def openai(client: Client) -> None:
    """As OpenAI does in a transcription session whose turns are committed."""
    client.say("session.created", event_id="event_1", session={"type": "transcription", "id": "sess_1"})
    sound, number = b"", 0
    while True:
        event = client.hear()
        if event["type"] == "session.update":
            client.say("session.updated", event_id="event_2", session=event["session"])
        elif event["type"] == "input_audio_buffer.append":
            sound += base64.b64decode(event["audio"])
        elif event["type"] == "input_audio_buffer.commit":
            number += 1
            turn_of_openai(client, f"item_{number}", words_of(sound))
            sound = b""


def turn_of_openai(client: Client, item: str, words: list[str]) -> None:
    kind = "conversation.item.input_audio_transcription."
    client.say("input_audio_buffer.committed", item_id=item, previous_item_id=None)
    for place, word in enumerate(words):
        client.say(f"{kind}delta", item_id=item, content_index=0, delta=f" {word}" if place else word)
    usage = {"type": "tokens", "input_tokens": 11, "output_tokens": 3, "total_tokens": 14}
    client.say(f"{kind}completed", item_id=item, content_index=0, transcript=" ".join(words), usage=usage)
