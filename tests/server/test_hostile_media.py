"""Recordings that are broken or mean harm, sent to a running server: it answers, opens nothing, and goes on."""

from __future__ import annotations

import base64
import contextlib
import ctypes
import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import hostile
import hostile_parts
import httpx2
import numpy as np
import psutil
import pytest

from hark.audio.audio import Audio
from hark.audio.isolated_pool import Decoders, Limits
from hark.server.threads import is_unwanted
from serving import Running, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_IN_ACCESS, _IN_OPEN = 0x1, 0x20  # inotify(7)
_SECONDS = 10.0  # for one recording; nearly all take a hundredth of a second
DOORS = ("upload", "chat", "raw")


@dataclass
class Watched:
    """A file and an address; `touched` tells whether anybody came."""

    canary: Path
    url: str
    tcp: socket.socket
    udp: socket.socket
    inotify: int

    def touched(self) -> list[str]:
        found = []
        with contextlib.suppress(BlockingIOError):
            self.tcp.accept()[0].close()
            found.append("connection")
        with contextlib.suppress(BlockingIOError):
            self.udp.recv(2000)
            found.append("datagram")
        with contextlib.suppress(BlockingIOError):
            os.read(self.inotify, 65536)
            found.append("file")
        return found


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    if sys.platform != "linux":
        pytest.skip("files are watched by inotify")
    canary = tmp_path_factory.mktemp("secret") / "canary.wav"
    canary.write_bytes(hostile.good())
    libc = ctypes.CDLL(None, use_errno=True)
    inotify = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    assert libc.inotify_add_watch(inotify, os.fsencode(canary.parent), _IN_OPEN | _IN_ACCESS) > 0
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        tcp.listen(200)
        udp.bind(tcp.getsockname())
        tcp.setblocking(False)
        udp.setblocking(False)
        yield Watched(canary, f"http://127.0.0.1:{tcp.getsockname()[1]}/a.wav", tcp, udp, inotify)
    os.close(inotify)


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with serving("echo", max_seconds=900.0, deadline_seconds=30.0) as running:
        running.service.media.warm()
        yield running


@pytest.fixture(scope="module")
def client(server: Running) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=server.url, timeout=60) as found:
        yield found


def send(client: httpx2.Client, name: str, data: bytes, door: str = "upload") -> httpx2.Response:
    if door == "upload":
        return client.post("/v1/audio/transcriptions", files={"file": (name, data)}, data={"model": "echo"})
    if door == "raw":
        return client.post("/", content=data, headers={"content-type": "audio/wav"})
    clip = {"type": "audio_url", "audio_url": {"url": "data:audio/wav;base64," + base64.b64encode(data).decode()}}
    content = [clip, {"type": "text", "text": "What is it?"}]
    return client.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": content}]})


def check(client: httpx2.Client, name: str, data: bytes, door: str) -> str | None:
    """What is wrong with the answer to a recording."""
    begun = time.monotonic()
    try:
        answer = send(client, name, data, door)
    except httpx2.HTTPError as error:
        return f"{name} by {door}: {error!r}"
    seconds = time.monotonic() - begun
    if answer.status_code not in (200, 400, 413) or seconds > _SECONDS:
        return f"{name} by {door}: {answer.status_code} after {seconds:.1f} s: {answer.text[:300]}"
    return None


def serves(client: httpx2.Client) -> None:
    answer = send(client, "good.wav", hostile.good())
    assert answer.status_code == 200, answer.text
    assert "1.0 s" in answer.text, answer.text


@pytest.mark.parametrize("kind", hostile.corpus("", "http://127.0.0.1:1/"))
def test_the_server_answers_opens_nothing_and_goes_on(
    kind: str, server: Running, client: httpx2.Client, watched: Watched
) -> None:
    files = hostile.corpus(str(watched.canary), watched.url)[kind]()
    wrong = [check(client, name, data, DOORS[n % 3]) for n, (name, data) in enumerate(files.items())]
    assert not [one for one in wrong if one]
    assert watched.touched() == []
    assert len(server.service.media.decoders.pids) <= server.service.media.decoders.size
    serves(client)


def test_the_corpus_would_be_noticed(watched: Watched, tmp_path: Path) -> None:
    """FFmpeg as it comes opens what the playlists name: those who watch see it."""
    for name in ("path.a.m3u8", "url.a.m3u8", "path.a.ffconcat"):
        path = tmp_path / name
        path.write_bytes(hostile.playlists(str(watched.canary), watched.url)[name])
        options = {"protocol_whitelist": "file,http,tcp,crypto,data", "safe": "0", "allowed_extensions": "ALL"}
        code = f"import av; av.open({str(path)!r}, options={options | {'extension_picky': '0'}!r}, timeout=0.5)"
        subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, timeout=20)
        assert watched.touched() == ["connection" if name.startswith("url") else "file"], name


def test_hours_of_gaps_and_of_silence_are_stopped(server: Running, client: httpx2.Client) -> None:
    """By the limit on seconds, not by the clock."""
    files = {name: hostile.bombs()[name] for name in ("hours.flac", "hidden.flac")}
    for name, data in (files | {"gaps.mkv": hostile.lying()["gaps.mkv"]}).items():
        assert len(data) < 1_000_000
        answer = send(client, name, data)
        assert answer.status_code == 413
        assert "longer than the limit of 900 seconds" in answer.text


def test_fuzz(server: Running, client: httpx2.Client) -> None:
    """Good recordings with random damage, other ones in each run of many, for as long as the test may take."""
    random = np.random.default_rng(int(os.environ.get("HARK_FUZZ_SEED", "20")))
    until = time.monotonic() + float(os.environ.get("HARK_FUZZ_SECONDS", "2"))
    names = sorted(hostile.seeds())
    number = 0
    while time.monotonic() < until:
        name, data = names[number % len(names)], hostile.mutated(hostile.seeds()[names[number % len(names)]], random)
        wrong = check(client, f"{number}.{name}", data, DOORS[number % 3])
        assert wrong is None, f"{wrong} {base64.b64encode(data[:3000]).decode()}"
        number += 1
    assert number > 20
    serves(client)


def test_harm_beside_good_recordings(server: Running) -> None:
    """Eighty at once: each answer is that of its own recording."""
    bad = [*hostile.lying().items(), *hostile.bombs().items()][::3][:20]
    wavs = {f"{number}.wav": hostile_parts.pcm_wav(count=16000 + 800 * number) for number in range(40)}
    heard = {name: Audio.of(data).duration for name, data in wavs.items()}

    def ask(item: tuple[str, bytes]) -> tuple[str, httpx2.Response]:
        return item[0], send(client, *item)

    connections = httpx2.Limits(max_connections=80)
    with (
        httpx2.Client(base_url=server.url, timeout=60, limits=connections) as client,
        ThreadPoolExecutor(80) as pool,
    ):
        answers = list(pool.map(ask, [item for pair in zip(wavs.items(), bad * 2, strict=True) for item in pair]))
    for name, answer in answers:
        assert answer.status_code in ((200,) if name in heard else (200, 400, 413)), (name, answer.text)
        if name in heard:
            assert f"{heard[name]:.1f} s" in answer.text, (name, answer.text)


LONG = hostile_parts.endless_flac(3500)


@contextlib.contextmanager
def long_decoding(**limits: Any) -> Iterator[tuple[Running, Callable[[], psutil.Process]]]:
    """A server with one process that decodes, and what finds that process while it is at work and stops it."""
    with serving("echo") as server:
        decoders = server.service.media.decoders = Decoders(Limits(**limits), size=1, unwanted=is_unwanted)
        decoders.warm()

        def stopped() -> psutil.Process:
            until = time.monotonic() + 20
            while time.monotonic() < until:
                process = psutil.Process(decoders.pids[0])
                if process.rlimit(psutil.RLIMIT_NOFILE)[0] == 0:
                    process.suspend()
                    return process
                time.sleep(0.001)
            raise AssertionError

        yield server, stopped


def test_a_process_that_is_killed_takes_one_request_with_it() -> None:
    with (
        long_decoding() as (server, stopped),
        ThreadPoolExecutor() as pool,
        httpx2.Client(base_url=server.url, timeout=60) as client,
    ):
        broken = pool.submit(send, client, "long.flac", LONG)
        process = stopped()
        others = [pool.submit(send, client, "good.wav", hostile.good()) for _ in range(5)]
        process.kill()
        assert broken.result().status_code == 400
        assert "long.flac broke the decoder" in broken.result().text
        assert [other.result().status_code for other in others] == [200] * 5


def test_a_process_that_hangs_is_killed_and_told() -> None:
    with (
        long_decoding(wall_seconds=0.5) as (server, stopped),
        ThreadPoolExecutor() as pool,
        httpx2.Client(base_url=server.url, timeout=60) as client,
    ):
        slow = pool.submit(send, client, "long.flac", LONG)
        process = stopped()
        assert slow.result().status_code == 400
        assert "long.flac took longer than 0.5 s" in slow.result().text
        assert not process.is_running()
        serves(client)


def test_a_client_that_leaves_frees_the_process() -> None:
    with (
        long_decoding() as (server, stopped),
        ThreadPoolExecutor() as pool,
        httpx2.Client(base_url=server.url, timeout=1.0) as impatient,
        httpx2.Client(base_url=server.url, timeout=60) as client,
    ):
        left = pool.submit(send, impatient, "long.flac", LONG)
        process = stopped()
        with pytest.raises(httpx2.TimeoutException):
            left.result()
        serves(client)
        assert not process.is_running()


def test_limits_on_clips_and_their_sum() -> None:
    clip = {
        "type": "audio_url",
        "audio_url": {"url": "data:audio/wav;base64," + base64.b64encode(hostile.good()).decode()},
    }

    def ask(client: httpx2.Client, count: int) -> httpx2.Response:
        content = [*[clip] * count, {"type": "text", "text": "What is it?"}]
        return client.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": content}]})

    with serving("echo", max_clips=4, max_seconds=2.5) as server, httpx2.Client(base_url=server.url) as client:
        assert ask(client, 2).status_code == 200
        assert (ask(client, 3).status_code, "2.5 seconds in all" in ask(client, 3).text) == (413, True)
        assert (ask(client, 5).status_code, "There are 5 recordings; the limit is 4" in ask(client, 5).text) == (
            413,
            True,
        )
        long = send(client, "long.wav", hostile_parts.pcm_wav(count=80000))
        assert (long.status_code, "2.5 seconds" in long.text) == (413, True)


def test_a_full_disk_is_the_server_s_fault_and_passes(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from hark.audio import isolated_pool

    with serving("echo") as server, httpx2.Client(base_url=server.url, timeout=60) as client:
        with monkeypatch.context() as patch:
            patch.setattr(isolated_pool, "_empty", lambda _: os.open("/dev/full", os.O_RDWR))
            answer = send(client, "good.wav", hostile.good())
        assert answer.status_code == 500
        assert "no room to decode good.wav" in caplog.text
        serves(client)
