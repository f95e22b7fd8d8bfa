"""FastRTC's own `Stream` with a hark listener: its WebSocket, WebRTC, the telephone (scripts/test_fastrtc.sh)."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import runpy
import socket
import threading
import time
import warnings
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soxr

import hark
from hark.errors import OptionError
from hark.realtime.events import EventError
from hark.realtime.formats import Decoder

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    fastrtc = pytest.importorskip("fastrtc")
    from hark.realtime.fastrtc import Handler, PauseDetector, SpeechToText, replies, stream

import uvicorn
from fastapi import FastAPI
from websockets.sync.client import connect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

pytestmark = pytest.mark.filterwarnings("ignore")  # FastRTC stands on packages that warn of themselves


@contextlib.contextmanager
def running(app: FastAPI) -> Iterator[str]:
    """The address of a server."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    try:
        yield f"127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


@contextlib.contextmanager
def mounted(handler: Any) -> Iterator[tuple[str, Any]]:
    """The address of a server with a stream, and the stream."""
    app = FastAPI()
    made = stream(handler)
    made.mount(app)
    with running(app) as address:
        yield address, made


def mu_law(samples: NDArray[np.float32], rate: int) -> list[str]:
    """Sound as pieces of 20 ms in base64, mu-law (ITU-T G.711)."""
    sound = samples if rate == 16000 else soxr.resample(samples, 16000, rate)
    scaled = np.clip(np.rint(sound * 32768), -32635, 32635).astype(int)
    sign, level = np.where(scaled < 0, 0, 0x80), np.abs(scaled) + 0x84
    exponent = np.floor(np.log2(level)).astype(int) - 7
    data = ((sign | ((7 - exponent) << 4) | (15 - ((level >> (exponent + 3)) & 15))).astype(np.uint8)).tobytes()
    size = rate // 50
    return [base64.b64encode(data[at : at + size]).decode() for at in range(0, len(data), size)]


def spoken(clip: hark.Audio, before: float = 0.3, after: float = 1.0) -> NDArray[np.float32]:
    return np.concatenate((silence(before), clip.samples(16000), silence(after)))


def silence(seconds: float) -> NDArray[np.float32]:
    return np.zeros(round(seconds * 16000), np.float32)


def until(web: Any, wanted: Callable[[dict[str, Any]], bool], seconds: float = 20.0) -> list[dict[str, Any]]:
    """All messages up to the one that is wanted."""
    found, ends = [], time.monotonic() + seconds
    while not (found and wanted(found[-1])):
        found.append(json.loads(web.recv(timeout=ends - time.monotonic())))
    return found


def kind(name: str) -> Callable[[dict[str, Any]], bool]:
    return lambda message: message.get("type") == name


def test_mu_law_is_written_as_it_is_read() -> None:
    codes = Decoder("audio/pcmu")._decoded(bytes(range(256)))
    (piece,) = mu_law(codes, 16000)
    assert np.array_equal(Decoder("audio/pcmu")._decoded(base64.b64decode(piece)), codes)


def test_turns_over_the_websocket_are_answered_with_the_same_events(order: hark.Audio) -> None:
    settings = {"instructions": "Be brief.", "audio": {"input": {"turn_detection": {"silence_duration_ms": 400}}}}
    handler = Handler(hark.load("echo"), session=settings)
    with mounted(handler) as (address, made), connect(f"ws://{address}/websocket/offer") as web:
        web.send(json.dumps({"event": "start", "websocket_id": "one"}))
        for turn in range(2):
            for piece in mu_law(spoken(order), 16000):
                web.send(json.dumps({"event": "media", "media": {"payload": piece}}))
            found = until(web, kind("response.done"))
            kinds = [message["type"] for message in found]
            assert turn or kinds[:2] == ["session.created", "session.updated"]
            assert "input_audio_buffer.speech_started" in kinds
            text = "".join(message["delta"] for message in found if kind("response.output_text.delta")(message))
            assert text.startswith("echo heard")
            assert found[-1]["response"]["status"] == "completed"
        assert list(made.connections) == ["one"]


def test_the_example_runs(order: hark.Audio, examples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARK_MODEL", "echo")
    app = runpy.run_path(str(examples / "fastrtc_talk.py"))["app"]
    with running(app) as address, connect(f"ws://{address}/websocket/offer") as web:
        web.send(json.dumps({"event": "start", "websocket_id": "one"}))
        for piece in mu_law(spoken(order), 16000):
            web.send(json.dumps({"event": "media", "media": {"payload": piece}}))
        assert until(web, kind("response.done"))[-1]["response"]["status"] == "completed"


def test_who_leaves_ends_the_session(order: hark.Audio, monkeypatch: pytest.MonkeyPatch) -> None:
    from hark.realtime.session import Session

    closed = threading.Event()

    async def close(self: Session) -> None:
        closed.set()

    monkeypatch.setattr(Session, "close", close)
    with mounted(Handler(hark.load("echo"))) as (address, _):
        with connect(f"ws://{address}/websocket/offer") as web:
            web.send(json.dumps({"event": "start", "websocket_id": "one"}))
            until(web, kind("session.created"))
        assert closed.wait(5)


def test_an_idle_client_is_not_polled(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    emit = Handler.emit

    async def counted(self: Handler) -> Any:
        calls.append(1)
        return await emit(self)

    monkeypatch.setattr(Handler, "emit", counted)
    with mounted(Handler(hark.load("echo"))) as (address, _), connect(f"ws://{address}/websocket/offer") as web:
        web.send(json.dumps({"event": "start", "websocket_id": "one"}))
        until(web, kind("session.created"))
        for piece in mu_law(silence(1.0), 16000):
            web.send(json.dumps({"event": "media", "media": {"payload": piece}}))
        time.sleep(1)
    assert len(calls) == 1


def tone(text: str) -> Iterator[tuple[int, NDArray[np.int16]]]:
    """Ten seconds of a voice that knows one vowel."""
    assert text
    for _ in range(50):
        yield 16000, (8000 * np.sin(np.arange(3200) * 0.2)).astype(np.int16)


def test_a_telephone_is_heard_answered_and_may_interrupt(order: hark.Audio) -> None:
    events: list[tuple[str, dict[str, Any]]] = []
    handler = Handler(hark.load("echo"), speak=tone, on_event=lambda *event: events.append(event))
    with mounted(handler) as (address, _), connect(f"ws://{address}/telephone/handler") as web:

        def say(event: str, **fields: Any) -> None:
            web.send(json.dumps({"event": event, "streamSid": "MZ1", **fields}))

        def speak(samples: NDArray[np.float32]) -> None:
            for number, piece in enumerate(mu_law(samples, 8000)):
                say("media", media={"track": "inbound", "chunk": str(number), "timestamp": "0", "payload": piece})

        say("connected", protocol="Call", version="1.0.0")
        media = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
        say("start", sequenceNumber="1", start={"streamSid": "MZ1", "callSid": "CA1", "mediaFormat": media})
        speak(spoken(order))
        first = until(web, lambda message: message["event"] == "media")[-1]
        assert first["streamSid"] == "MZ1"
        heard = Decoder("audio/pcmu")._decoded(base64.b64decode(first["media"]["payload"]))
        assert np.abs(heard).max() == pytest.approx(8000 / 32768, rel=0.1)
        speak(spoken(order))
        assert until(web, lambda message: message["event"] == "clear")[-1] == {"event": "clear", "streamSid": "MZ1"}
        say("stop")
    assert {client for client, _ in events} == {"MZ1"}
    text = "".join(event["delta"] for _, event in events if kind("response.output_text.delta")(event))
    assert "echo heard" in text


def test_what_is_said_on_the_telephone_is_written_down(order: hark.Audio) -> None:
    said: list[str] = []
    done = threading.Event()

    def heed(_: str, event: dict[str, Any]) -> None:
        if event["type"].endswith("transcription.completed"):
            said.append(event["transcript"])
            done.set()

    handler = Handler(hark.load("builtin"), transcribes=True, on_event=heed)
    with mounted(handler) as (address, _), connect(f"ws://{address}/telephone/handler") as web:
        web.send(json.dumps({"event": "start", "streamSid": "MZ1", "start": {}}))
        for piece in mu_law(spoken(order), 8000):
            web.send(json.dumps({"event": "media", "streamSid": "MZ1", "media": {"payload": piece}}))
        assert done.wait(20)
        web.send(json.dumps({"event": "stop", "streamSid": "MZ1"}))
        with pytest.raises(Exception):  # noqa: B017, PT011 - the telephone company was told nothing it does not know
            web.recv(timeout=2)
    assert "coffee" in said[0]


async def call(address: str, samples: NDArray[np.float32]) -> list[dict[str, Any]]:
    """Say something by WebRTC, at its own pace, and give all events up to the answer's end."""
    import aiortc
    import av
    import httpx2

    class Voice(aiortc.mediastreams.AudioStreamTrack):
        def __init__(self) -> None:
            super().__init__()
            sound = np.concatenate((soxr.resample(samples, 16000, 48000), np.zeros(48000 * 20, np.float32)))
            whole = len(sound) // 960 * 960
            self.pieces = iter((sound[:whole] * 32767).astype(np.int16).reshape(-1, 960))
            self.number, self.began = 0, time.monotonic()

        async def recv(self) -> Any:
            frame = av.AudioFrame.from_ndarray(next(self.pieces)[None], format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = (
                48000,
                self.number * 960,
                Fraction(1, 48000),
            )
            self.number += 1
            await asyncio.sleep(max(0.0, self.began + self.number * 0.02 - time.monotonic()))
            return frame

    found: list[dict[str, Any]] = []
    done = asyncio.Event()
    peer = aiortc.RTCPeerConnection(aiortc.RTCConfiguration(iceServers=[]))
    channel = peer.createDataChannel("text")

    @channel.on("message")
    def _(message: str) -> None:
        found.append(json.loads(message))
        if kind("response.done")(found[-1]):
            done.set()

    peer.addTrack(Voice())
    await peer.setLocalDescription(await peer.createOffer())
    offer = {"sdp": peer.localDescription.sdp, "type": peer.localDescription.type, "webrtc_id": "one"}
    async with httpx2.AsyncClient() as client:
        answer = (await client.post(f"http://{address}/webrtc/offer", json=offer)).json()
    await peer.setRemoteDescription(aiortc.RTCSessionDescription(answer["sdp"], answer["type"]))
    try:
        await asyncio.wait_for(done.wait(), 20)
    finally:
        await peer.close()
    return found


def test_a_turn_over_webrtc_is_answered(order: hark.Audio) -> None:
    import aioice.ice

    if not aioice.ice.get_host_addresses(use_ipv4=True, use_ipv6=False):
        pytest.skip("this machine has no network interface, which FastRTC's WebRTC needs")
    with mounted(Handler(hark.load("echo"))) as (address, made):
        found = asyncio.run(call(address, spoken(order, before=0.5)))
        kinds = [message["type"] for message in found]
        assert kinds.index("session.created") < kinds.index("input_audio_buffer.speech_started")
        text = "".join(message["delta"] for message in found if kind("response.output_text.delta")(message))
        assert text.startswith("echo heard")
        ends = time.monotonic() + 5
        while made.pcs and time.monotonic() < ends:
            time.sleep(0.05)
        assert not made.pcs


def test_reply_on_pause_takes_the_pause_detector_and_the_replies(order: hark.Audio) -> None:
    told: list[str] = []
    done = threading.Event()
    reply = replies(hark.load("echo"))

    def counted(audio: Any) -> Iterator[Any]:
        for output in reply(audio):
            told.append(output.args[0])
            yield output
        done.set()

    handler = fastrtc.ReplyOnPause(counted, model=PauseDetector(), input_sample_rate=16000)
    with mounted(handler) as (address, _), connect(f"ws://{address}/websocket/offer") as web:
        web.send(json.dumps({"event": "start", "websocket_id": "one"}))
        for piece in mu_law(spoken(order, after=2.0), 16000):
            web.send(json.dumps({"event": "media", "media": {"payload": piece}}))
        assert done.wait(20)
    assert "".join(told).startswith("echo heard")


@pytest.mark.parametrize("rate", [8000, 16000, 24000, 48000])
@pytest.mark.parametrize("form", ["int16", "float32", "row", "stereo"])
def test_speech_is_told_from_silence(rate: int, form: str, order: hark.Audio) -> None:
    sound = soxr.resample(np.concatenate((silence(1.0), order.samples(16000))), 16000, rate)
    shaped = {
        "int16": (sound * 32767).astype(np.int16),
        "float32": sound,
        "row": (sound * 32767).astype(np.int16)[None],
        "stereo": np.stack((sound, sound)),
    }[form]
    seconds, chunks = PauseDetector().vad((rate, shaped), None)
    assert 1.5 < seconds < order.duration
    assert chunks[0]["start"] == pytest.approx(1.0 * rate, abs=0.5 * rate)
    assert chunks[-1]["end"] <= len(sound)
    assert sum(chunk["end"] - chunk["start"] for chunk in chunks) == pytest.approx(seconds * rate, abs=2 * len(chunks))
    assert PauseDetector().vad((rate, np.zeros(rate, np.int16)), None) == (0, [])


def test_speech_to_text(order: hark.Audio) -> None:
    with hark.load("builtin") as listener:
        said = SpeechToText(listener).stt((16000, (order.samples(16000) * 32767).astype(np.int16)[None]))
        assert "coffee" in said
        assert SpeechToText(listener).stt((48000, np.zeros((1, 0), np.int16))) == ""


def test_what_cannot_be_honoured_is_refused_at_once() -> None:
    with pytest.raises(EventError, match="voice"):
        Handler(hark.load("echo"), session={"voice": "marin"})
    with pytest.raises(OptionError, match="model_options"):
        PauseDetector().vad((16000, np.zeros(16000, np.int16)), {"threshold": 0.9})  # type: ignore[arg-type]


def test_nobody_is_reached_for(monkeypatch: pytest.MonkeyPatch) -> None:
    reached = []
    monkeypatch.setattr(socket.socket, "connect", lambda _, address: reached.append(address))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *address, **_: reached.append(address))
    stream(Handler(hark.load("echo")))
    fastrtc.ReplyOnPause(replies(hark.load("echo")), model=PauseDetector())
    time.sleep(0.5)  # what gradio tells is told in a thread
    assert reached == []
