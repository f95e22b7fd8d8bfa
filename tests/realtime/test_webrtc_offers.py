"""Calls over WebRTC that are refused, and what may be reached through those that are not."""

from __future__ import annotations

import asyncio
import fractions
import json
import re
import socket
import sys
from typing import TYPE_CHECKING, Any

import httpx2
import numpy as np
import pytest

pytest.importorskip("aiortc")

import av
from aiortc import RTCRtpReceiver

from calling import Caller
from hark.cli.serve_options import _OPTIONS, config
from hark.errors import OptionError, RequestError
from hark.realtime.ice import LOOPBACK, IceServer, Network
from hark.realtime.offers import checked
from hark.realtime.webrtc import JITTER_BUFFER, Call, Sound, TooManyError
from hark.server import keys
from serving import Running, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

CALLS = "/v1/realtime/calls"
KEY = "hk-of-a-test-that-is-long-enough"


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with serving("echo") as running:
        yield running
        assert running.service.live.count == 0


@pytest.fixture(scope="module")
def offer() -> str:
    async def made() -> str:
        async with Caller("") as caller:
            return await caller.offer()

    return asyncio.run(made())


def post(server: Running, content: Any, **headers: str) -> httpx2.Response:
    given = {"Content-Type": "application/sdp"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx2.post(server.url + CALLS, content=content, headers=given)


def candidates(sdp: str) -> set[str]:
    return set(re.findall(r"a=candidate:\S+ \d+ udp \d+ (\S+)", sdp))


def _without(line: str) -> Any:
    return lambda sdp: re.sub(rf"(?m)^a={line}.*\r\n", "", sdp)


def _twice(kind: str) -> Any:
    def changed(sdp: str) -> str:
        part = sdp[sdp.index(f"m={kind}") :].partition("\r\nm=")[0].rstrip() + "\r\n"
        return re.sub(r"(a=group:BUNDLE .*)\r", "\\g<1> 7\r", sdp) + re.sub(r"a=mid:\d", "a=mid:7", part)

    return changed


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda sdp: "", "no data channel"),
        (lambda sdp: "hello", "no data channel"),
        (lambda sdp: "\x00" * 100, "no data channel"),
        (lambda sdp: "m=audio", "cannot be read"),
        (lambda sdp: re.sub(r"m=audio \d+", "m=audio x", sdp), "cannot be read"),
        (lambda sdp: sdp.replace("a=setup:actpass", "a=setup:loud"), "cannot be read"),
        (lambda sdp: sdp.replace("m=app", "a=fmtp:3 x=1\r\nm=app"), "cannot be read"),
        (lambda sdp: sdp.replace("a=mid:1", "a=mid:0"), "not bundled"),
        (lambda sdp: sdp.partition("m=application")[0].replace("BUNDLE 0 1", "BUNDLE 0"), "no data channel"),
        (lambda sdp: sdp.replace("m=audio", "m=video"), "cannot be read|more than one track"),
        (_twice("audio"), "more than one track"),
        (_twice("application"), "no data channel, or several"),
        (lambda sdp: sdp.replace("opus/48000/2", "speex/8000"), "not Opus"),
        (_without("group"), "not bundled"),
        (_without("mid"), "not bundled"),
        (lambda sdp: sdp.replace("BUNDLE 0 1", "BUNDLE 7 0 1"), "not bundled"),
        (_without("sendrecv"), "no direction"),
        (_without("setup"), "no fingerprint"),
        (_without("fingerprint"), "no fingerprint"),
        (_without("ice-pwd"), "no ice-ufrag"),
        (_without("sctp-port"), "no sctp-port"),
        (_without("rtcp-mux"), "cannot be answered"),
        (lambda sdp: sdp + "a=candidate:1 1 udp 1 10.0.0.1 9 typ host\r\n" * 201, "over 200 candidates"),
    ],
)
def test_what_is_no_offer_is_refused(server: Running, offer: str, change: Any, said: str) -> None:
    refused = post(server, change(offer).encode())
    error = refused.json()["error"]
    assert (refused.status_code, error["param"]) == (400, "sdp"), refused.text
    assert re.search(said, error["message"]), error["message"]


def test_bodies_of_another_kind_or_size_are_refused(server: Running, offer: str) -> None:
    assert post(server, offer + "a=x\r\n" * 20_000).status_code == 413
    assert post(server, (b"a" * 65536 for _ in range(20))).status_code == 413
    assert post(server, b"\xff\xfe").status_code == 400
    assert post(server, offer, Content_Type="application/json").status_code == 400
    assert httpx2.get(server.url + CALLS).status_code == 405


@pytest.mark.parametrize(
    ("session", "status", "param"),
    [
        ("{", 400, "session"),
        ("[]", 400, "session"),
        ({"type": "realtime", "voice": "alloy"}, 400, "session.voice"),
        ({"type": "realtime", "audio": {"output": {"voice": "marin"}}}, 400, "session.audio.output"),
        ({"type": "realtime", "output_modalities": ["audio"]}, 400, "session.output_modalities.0"),
        ({"type": "conversation"}, 400, "session.type"),
        ({"type": "realtime", "model": "gpt-realtime"}, 404, "model"),
        ({"type": "realtime", "model": 3}, 400, "session.model"),
    ],
)
def test_sessions_that_cannot_be_had_are_refused(
    server: Running, offer: str, session: Any, status: int, param: str
) -> None:
    said = session if isinstance(session, str) else json.dumps(session)
    files = {"sdp": (None, offer, "application/sdp"), "session": (None, said, "application/json")}
    refused = httpx2.post(server.url + CALLS, files=files)
    assert (refused.status_code, refused.json()["error"]["param"]) == (status, param), refused.text


def test_fields_and_options_that_nobody_reads_are_refused(server: Running, offer: str) -> None:
    for files in ({"session": (None, "{}")}, {"sdp": (None, offer), "voice": (None, "alloy")}):
        assert httpx2.post(server.url + CALLS, files=files).status_code == 400
    for query in ({"voice": "alloy"}, {"intent": "song"}):
        sent = httpx2.post(server.url + CALLS, params=query, content=offer, headers={"Content-Type": "application/sdp"})
        assert sent.status_code == 400


def test_calls_want_the_key_and_no_other_page(offer: str) -> None:
    with serving("echo", keys=(keys.of(KEY),)) as server:
        assert post(server, offer).status_code == 401
        assert post(server, offer, Authorization="Bearer wrong").status_code == 401
        assert httpx2.delete(f"{server.url}{CALLS}/rtc_1").status_code == 401
        assert post(server, "", Authorization=f"Bearer {KEY}").status_code == 400
    with serving("echo") as server:
        assert post(server, offer, Origin="https://elsewhere.example").status_code == 403


def test_without_its_packages_a_call_says_what_to_install(
    server: Running, offer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "aiortc", None)
    refused = post(server, offer)
    assert refused.status_code == 501
    assert "packages that are not installed" in refused.json()["error"]["message"]


def test_a_server_on_loopback_is_reached_there_only(offer: str) -> None:
    async def answered(network: Network) -> set[str]:
        call = Call(network)
        try:
            return candidates(await call.answer(offer, "127.0.0.1"))
        finally:
            await call.close()

    assert asyncio.run(answered(Network.of("127.0.0.1"))) == {"127.0.0.1"}
    assert asyncio.run(answered(Network.of("localhost"))) <= set(LOOPBACK)
    assert asyncio.run(answered(Network.of("0.0.0.0", ("127.0.0.2",)))) == {"127.0.0.2"}
    assert asyncio.run(answered(Network.of("0.0.0.0"))) != set()


def test_packets_go_to_nobody_but_the_client(server: Running) -> None:
    """Whoever may call could else have the server knock at any port of its network."""

    async def talk() -> list[bool]:
        with socket.socket(type=socket.SOCK_DGRAM) as own, socket.socket(type=socket.SOCK_DGRAM) as foreign:
            own.bind(("127.0.0.1", 0))
            foreign.bind(("127.0.0.2", 0))
            async with Caller(server.url) as caller:
                sdp = re.sub(r"a=(candidate|end-of).*\r\n", "", await caller.offer())
                for one in (own, foreign):
                    host, port = one.getsockname()
                    sdp += f"a=candidate:{port} 1 udp 2130706431 {host} {port} typ host\r\n"
                sdp = _to_first(sdp)
                async with httpx2.AsyncClient() as client:
                    headers = {"Content-Type": "application/sdp"}
                    answer = await client.post(server.url + CALLS, content=sdp, headers=headers)
                    assert answer.status_code == 201
                    await asyncio.sleep(0.5)
                    await client.delete(server.url + answer.headers["location"])
            return [_arrived(one) for one in (own, foreign)]

    assert asyncio.run(talk()) == [True, False]


def _to_first(sdp: str) -> str:
    """Candidates count where the first part of a bundle names them."""
    head, *parts = re.split(r"(?m)^(?=m=)", sdp)
    named = "".join(re.findall(r"a=candidate.*\r\n", sdp))
    return "".join([head, parts[0] + named, *parts[1:]])


def _arrived(one: socket.socket) -> bool:
    one.setblocking(False)
    try:
        return bool(one.recv(2048))
    except BlockingIOError:
        return False


def test_names_of_candidates_are_not_asked_for() -> None:
    """A name that ends in .local would be asked of everybody on the network."""
    network = Network.of("0.0.0.0", servers=("stun:stun.example.org:3478",))
    assert network.knows("10.1.2.3", "192.168.1.7")
    assert not network.knows("9b36eaac-bb2e-49bb-bb78-21c41c499900.local", "192.168.1.7")
    alone = Network.of("0.0.0.0")
    assert alone.knows("192.168.1.7", "::ffff:192.168.1.7")
    assert not alone.knows("10.1.2.3", "192.168.1.7")
    assert not alone.knows("10.1.2.3", None)


def test_ice_servers_are_read_as_their_uris_are_written() -> None:
    assert IceServer.of("stun:stun.example.org:3478") == IceServer("stun:stun.example.org:3478")
    relay = IceServer.of("turns:ann:s3cr:t@turn.example.org?transport=tcp")
    assert relay == IceServer("turns:turn.example.org?transport=tcp", "ann", "s3cr:t")


@pytest.mark.parametrize(
    "text",
    ["stun.example.org", "stun:", "stun:a:b@example.org", "stun:example.org?transport=udp", "turn:example.org",
     "turns:a:b@example.org?transport=udp", "turn:a:b@example.org?transport=quic", "stun:example.org:3478/x"],
)  # fmt: skip
def test_ice_servers_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(OptionError):
        IceServer.of(text)


def test_a_server_is_not_started_with_addresses_that_are_none() -> None:
    values = dict.fromkeys(("model", *_OPTIONS)) | {"port": 0, "host": "127.0.0.1"}
    two = ["stun:a.example.org", "stun:b.example.org"]
    for wrong in ({"ice_addresses": ["home"]}, {"ice_servers": ["example.org"]}, {"ice_servers": two}):
        with pytest.raises(OptionError):
            config(values | wrong)
    assert config(values | {"ice_addresses": ["192.0.2.7"]}).ice_addresses == ("192.0.2.7",)


def frame(at: int, value: int = 1000) -> Any:
    made = av.AudioFrame.from_ndarray(np.full((1, 1920), value, np.int16), format="s16", layout="stereo")
    made.sample_rate, made.pts, made.time_base = 48000, at, fractions.Fraction(1, 48000)
    return made


def test_packets_are_held_back_no_longer_than_their_order_needs(offer: str) -> None:
    """The buffer is a private part of aiortc: of another name, in a newer version, it would be as it was."""

    async def held() -> int:
        call = Call(Network())
        await call.answer(offer, None)
        (receiver,) = call._peer.getReceivers()
        assert vars(RTCRtpReceiver("audio", receiver.transport)).keys() == vars(receiver).keys()
        await call.close()
        return int(getattr(receiver, JITTER_BUFFER).capacity)

    assert asyncio.run(held()) == 8


def test_lost_packets_are_silence_of_their_length() -> None:
    sound = Sound()
    pieces = [sound.of(frame(at), at / 48000) for at in (0, 960, 960 * 50, 960 * 51)]
    assert sum(map(len, pieces)) == pytest.approx(16000 * 52 * 0.02, abs=400)  # the resampler holds a little back
    assert np.abs(np.concatenate(pieces)[1600:14000]).max() < 1e-3


def test_silence_that_was_made_up_for_late_packets_is_not_made_up_again() -> None:
    sound = Sound()
    assert len(sound.quiet(0.5)) == 0
    lengths = [len(sound.of(frame(0), 0.0)), len(sound.quiet(0.5)), len(sound.of(frame(960 * 26), 0.52))]
    assert sum(lengths) == pytest.approx(16000 * 27 * 0.02, abs=400)


def test_more_sound_than_there_was_time_for_is_refused() -> None:
    sound = Sound()

    def flood() -> None:
        for number in range(50 * 40):
            sound.of(frame(960 * number), number / 5000)

    with pytest.raises(TooManyError):
        flood()


def test_an_offer_keeps_only_what_may_be_written_to(offer: str) -> None:
    kept, sounds = checked("a=candidate:\r\n" + offer, Network(), "203.0.113.9")
    assert sounds
    assert candidates(kept) == set()
    assert "end-of-candidates" not in kept
    with pytest.raises(RequestError):
        checked("v=0\r\n", Network(), None)
