"""Downloads from servers that behave, drip, pour and lie.

The servers are started here, on 127.0.0.1, each allowed by its own host and port; nothing else is connected to.
"""

from __future__ import annotations

import io
import socket
import time
from typing import TYPE_CHECKING

import pytest

from hark.audio import fetch as fetching
from hark.audio.audio import Audio
from hark.audio.fetch import fetch
from hark.errors import AudioEmptyError, FetchError, FetchRefusedError
from tiny.website import Server, website

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def server(tone: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with website(tone.read_bytes()) as running:
        monkeypatch.setenv("HARK_FETCH_PRIVATE", running.host)
        yield running


@pytest.fixture
def address(server: Server) -> Callable[[str], str]:
    return lambda path: f"http://127.0.0.1:{server.server_port}/{path}"


def test_audio_is_fetched_once_and_only_when_it_is_heard(
    server: Server, address: Callable[[str], str], tone: Path
) -> None:
    audio = Audio.of(address("good?key=secret"))
    assert server.hits == []
    assert audio == Audio.of(tone)
    assert audio.duration == 1
    assert len(audio.samples()) == len(audio[0.5:].samples()) * 2
    assert server.hits == ["/good?key=secret"]
    assert "secret" not in audio.name


def test_progress_is_reported(address: Callable[[str], str], tone: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    token = fetching.progress.set(lambda received, expected: seen.append((received, expected)))
    try:
        fetch(address("good"), io.BytesIO())
    finally:
        fetching.progress.reset(token)
    size = tone.stat().st_size
    assert seen[0] == (0, size)
    assert seen[-1] == (size, size)


def test_what_was_fetched_is_told(address: Callable[[str], str], tone: Path) -> None:
    got = fetch(address("good?a=b"), io.BytesIO())
    assert (got.url, got.size, got.media_type) == (address("good"), tone.stat().st_size, "audio/wav")


def test_only_the_host_and_port_named_are_exempt(
    server: Server, address: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "HARK_FETCH_PRIVATE", f"127.0.0.1:{server.server_port + 1} other.test 127.0.0.2:{server.server_port}"
    )
    with pytest.raises(FetchRefusedError) as caught:
        fetch(address("good"), io.BytesIO())
    assert "HARK_FETCH_PRIVATE" in caught.value.hint
    assert server.hits == []


def test_a_redirect_from_an_allowed_server_to_another_port_is_refused(
    server: Server, address: Callable[[str], str]
) -> None:
    with pytest.raises(FetchRefusedError):
        fetch(address("inward"), io.BytesIO())
    assert server.hits == ["/inward"]


@pytest.mark.parametrize(
    ("path", "why"),
    [("none", "404"), ("zip", "compressed"), ("huge", "larger"), ("short", "failed"), ("noise", "failed")],
)
def test_answers_that_cannot_be_used(path: str, why: str, address: Callable[[str], str]) -> None:
    out = io.BytesIO()
    with pytest.raises(FetchError, match=why) as caught:
        fetch(address(path), out)
    assert "SECRET" not in str(caught.value)
    assert len(out.getvalue()) < 1000


def test_an_endless_answer_ends_at_the_limit(address: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARK_FETCH_MAX_BYTES", "1000000")
    out = io.BytesIO()
    with pytest.raises(FetchError, match="larger") as caught:
        fetch(address("endless"), out)
    assert "HARK_FETCH_MAX_BYTES" in caught.value.hint
    assert len(out.getvalue()) <= 1_000_000


@pytest.mark.parametrize("path", ["drip", "driphead"])
def test_a_drip_ends_at_the_deadline(path: str, address: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARK_FETCH_SECONDS", "0.5")
    begin = time.monotonic()
    with pytest.raises(FetchError, match=r"within 0\.5 s") as caught:
        fetch(address(path), io.BytesIO())
    assert 0.4 < time.monotonic() - begin < 3
    assert "HARK_FETCH_SECONDS" in caught.value.hint


def test_nothing_listens(address: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
    monkeypatch.setenv("HARK_FETCH_PRIVATE", f"127.0.0.1:{port}")
    with pytest.raises(FetchError, match="connection failed"):
        fetch(f"http://127.0.0.1:{port}/", io.BytesIO())


def test_an_empty_answer_is_no_audio(address: Callable[[str], str]) -> None:
    with pytest.raises(AudioEmptyError):
        Audio.of(address("nothing")).samples()
