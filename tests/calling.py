"""A client of WebRTC that speaks into a call, on aiortc."""

from __future__ import annotations

import asyncio
import fractions
import json
import re
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Self

import av
import httpx2
import numpy as np
import soxr
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError

from hark.realtime.webrtc import keep_to

if TYPE_CHECKING:
    from numpy.typing import NDArray

_RATE = 48000
_FRAME = 960  # samples: 20 ms


class Speaker(MediaStreamTrack):
    """A microphone: what it is told to say, at the pace of the clock, and silence else."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._frames: deque[NDArray[np.int16]] = deque()
        self._begun: float | None = None
        self._sent = 0
        self._quiet = asyncio.Event()
        self._skipped = 0  # samples
        self.mute = False

    def skip(self, seconds: float) -> None:
        """Leave out some time, as if packets were lost; what is said then is later by it."""
        self._skipped += round(seconds * _RATE)

    async def recv(self) -> av.AudioFrame:
        if self.readyState != "live":
            raise MediaStreamError
        loop = asyncio.get_running_loop()
        self._begun = loop.time() if self._begun is None else self._begun
        await asyncio.sleep(self._begun + self._sent * _FRAME / _RATE - loop.time())
        while self.mute:  # nothing is sent at all
            await asyncio.sleep(0.02)
        if not self._frames:
            self._quiet.set()
        samples = self._frames.popleft() if self._frames else np.zeros(_FRAME, np.int16)
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate, frame.time_base = _RATE, fractions.Fraction(1, _RATE)
        frame.pts = self._sent * _FRAME + self._skipped
        self._sent += 1
        return frame

    async def say(self, *sounds: NDArray[np.float32]) -> float:
        """Say samples (n,) at 16 kHz; returns when all are sent, with the time of it (`time.perf_counter`)."""
        sound = soxr.resample(np.concatenate(sounds), 16000, _RATE)
        data = (np.clip(sound, -1, 1) * 32767).astype(np.int16)
        self._frames.extend(np.pad(data, (0, -len(data) % _FRAME)).reshape(-1, _FRAME))
        self._quiet.clear()
        await self._quiet.wait()
        return time.perf_counter()


class Caller:
    """One call to a server of hark: `events` are those that came, each with when it did (`at`)."""

    def __init__(self, url: str, *, sound: bool = True, headers: dict[str, str] | None = None) -> None:
        self.url, self.headers = url, headers or {}
        self.peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.speaker = Speaker()
        if sound:
            self.peer.addTrack(self.speaker)
        self.channel = self.peer.createDataChannel("oai-events")
        self.channel.on("message", self._message)
        self.channel.on("close", lambda: self._inbox.put_nowait(None))
        self.events: list[dict[str, Any]] = []
        self.location = ""
        self.most_bytes = 0  # that the channel is said to take, if not the usual
        self._inbox = asyncio.Queue[dict[str, Any] | None]()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.peer.close()

    async def offer(self) -> str:
        if not self.peer.localDescription:
            offer = await self.peer.createOffer()
            for one in (*self.peer.getSenders(), self.peer.sctp):
                keep_to(one.transport.transport.iceGatherer._connection, ["127.0.0.1"])
            await self.peer.setLocalDescription(offer)
        return self.peer.localDescription.sdp

    async def dial(self, session: dict[str, Any] | None = None, **query: str) -> httpx2.Response:
        """Send the offer, with what is wanted of the session, and take the answer if there is one."""
        offer = await self.offer()
        if self.most_bytes:
            offer = re.sub(r"max-message-size:\d+", f"max-message-size:{self.most_bytes}", offer)
        body: dict[str, Any] = {"content": offer, "headers": {"Content-Type": "application/sdp"} | self.headers}
        if session is not None:
            form = {"sdp": (None, offer, "application/sdp"), "session": (None, json.dumps(session), "application/json")}
            body = {"files": form, "headers": self.headers}
        async with httpx2.AsyncClient() as client:
            answer = await client.post(f"{self.url}/v1/realtime/calls", params=query, **body)
        if answer.status_code == 201:
            self.location = self.url + answer.headers["location"]
            await self.take(answer.text)
        return answer

    async def take(self, answer: str) -> None:
        await self.peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    def vanish(self) -> None:
        """Be gone without a word, as when the network is."""
        connection = self.peer.sctp.transport.transport.iceGatherer._connection
        for protocol in connection._protocols:
            protocol.transport.abort()

    def send(self, kind: str, **fields: Any) -> None:
        self.channel.send(json.dumps({"type": kind, **fields}))

    async def until(self, kind: str, seconds: float = 15.0) -> list[dict[str, Any]]:
        """All events up to one of a kind; `closed` is the end of the call."""
        found: list[dict[str, Any]] = []
        async with asyncio.timeout(seconds):
            while True:
                event = await self._inbox.get()
                if event is None:
                    assert kind == "closed", [one["type"] for one in found]
                    return found
                found.append(event)
                if event["type"] == kind:
                    return found

    def _message(self, message: str) -> None:
        event = json.loads(message) | {"at": time.perf_counter()}
        self.events.append(event)
        self._inbox.put_nowait(event)


async def first_texts(url: str, speech: NDArray[np.float32], turns: int = 3, model: str = "echo") -> list[float]:
    """Seconds from the last of some speech (n,) at 16 kHz, said as a turn, to the first text of the answer."""
    found = []
    async with Caller(url) as caller:
        answer = await caller.dial(model=model)
        answer.raise_for_status()
        await caller.until("session.created")
        await caller.speaker.say(np.zeros(8000, np.float32))
        for _ in range(turns):
            end = await caller.speaker.say(speech)
            first = await caller.until("response.output_text.delta")
            found.append(first[-1]["at"] - end)
            await caller.until("response.done")
            await caller.speaker.say(np.zeros(8000, np.float32))
    return found
