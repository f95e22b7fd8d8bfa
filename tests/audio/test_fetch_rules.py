"""Rules where somebody else names the address: an allow list over all that holds, limits, and an end at any time."""

from __future__ import annotations

import io
import tempfile
import threading
import time
from typing import TYPE_CHECKING

import pytest

from hark.audio.audio import Audio
from hark.audio.fetch import fetch
from hark.audio.guard import Rules
from hark.audio.hosts import Hosts
from hark.errors import FetchError, FetchRefusedError, OptionError
from tiny.website import ANSWER, PUBLIC, Network, Server, website

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def reached(
    url: str, *allowed: str, addresses: tuple[str, ...] = (PUBLIC,), answers: tuple[bytes, ...] = ()
) -> Network:
    """The network after a URL was fetched under an allow list, or refused."""
    network = Network(*answers)
    rules = Rules(hosts=Hosts.of(allowed))
    try:
        fetch(url, io.BytesIO(), rules=rules, resolver=lambda *_: list(addresses), network=network)
    except FetchRefusedError:
        network.answers = []  # nothing was to come
    return network


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("http://a.test/", "a.test"),
        ("https://A.TEST/", "a.test"),
        ("http://a.test/", "A.Test"),
        ("http://x.a.test/", "*.a.test"),
        ("http://y.x.a.test/", "*.a.test"),
        ("http://any.test/", "*"),
        ("http://a.test:8443/", "a.test:8443"),
        ("http://x.a.test:8443/", "*.a.test:8443"),
        ("http://b\u00fccher.test/", "b\u00fccher.test"),
        ("http://b\u00fccher.test/", "xn--bcher-kva.test"),
        ("http://xn--bcher-kva.test/", "B\u00dcCHER.test"),
        ("http://a\u3002test/", "a.test"),  # a full stop too; `a.test` is what is looked up
        (f"http://{PUBLIC}/", PUBLIC),
        (f"http://{PUBLIC}/", "*"),
        ("http://[2606:4700:0::1111]/", "[2606:4700::1111]"),
    ],
)
def test_hosts_that_are_allowed(url: str, allowed: str) -> None:
    assert len(reached(url, "other.test", allowed).connected) == 1


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("http://b.test/", "a.test"),
        ("http://a.test.b.test/", "a.test"),
        ("http://xa.test/", "a.test"),
        ("http://x.a.test/", "a.test"),
        ("http://a.test/", "*.a.test"),
        ("http://xa.test/", "*.a.test"),
        ("http://a.test./", "a.test"),
        ("http://a.test./", "*"),
        ("http://a.test:8080/", "a.test"),
        ("http://a.test:8080/", "*"),
        ("http://a.test/", "a.test:8443"),
        ("http://a.test@b.test/", "a.test"),
        ("http://b.test/a.test", "a.test"),
        ("http://\u0430.test/", "a.test"),  # a Cyrillic letter
        ("http://2130706433/", "*"),
        ("http://localhost/", "*"),
        ("http://localhost/", "localhost"),
        ("http://127.0.0.1/", "127.0.0.1"),
        ("http://10.0.0.1:8080/", "10.0.0.1:8080"),
        ("http://169.254.169.254/", "*"),
        ("http://[::ffff:a9fe:a9fe]/", "*"),
    ],
)
def test_hosts_that_are_not(url: str, allowed: str) -> None:
    assert reached(url, allowed).connected == []


def test_nothing_is_allowed_by_an_empty_list() -> None:
    assert reached("http://a.test/").connected == []


def test_an_allowed_name_may_not_lead_to_a_private_number() -> None:
    assert reached("http://a.test/", "a.test", "*", addresses=("10.0.0.5",)).connected == []
    assert reached("http://a.test/", "a.test", addresses=(PUBLIC, "169.254.169.254")).connected == []


def test_what_is_private_has_to_be_named_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARK_FETCH_PRIVATE", "10.0.0.5:8080 inner.test")
    assert reached("http://10.0.0.5:8080/", "*", "*:8080").connected == []
    assert reached("http://10.0.0.5:8080/", "10.0.0.5").connected == []
    assert reached("http://10.0.0.5:8080/", "10.0.0.5:8080").connected == [("10.0.0.5", 8080)]
    assert reached("http://inner.test/", "*", "*.test", addresses=("10.0.0.9",)).connected == []
    assert reached("http://inner.test/", "inner.test", addresses=("10.0.0.9",)).connected == [("10.0.0.9", 80)]


def test_redirects_stay_among_the_allowed_hosts() -> None:
    away = b"HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n"
    for to in (b"http://b.test/", b"//b.test/", b"http://a.test:8080/", b"http://a.test./", b"http://xa.test/"):
        assert len(reached("http://a.test/", "a.test", answers=(away % to, ANSWER)).connected) == 1, to
    both = reached("http://a.test/", "a.test", "b.test", answers=(away % b"https://b.test/", ANSWER))
    assert both.connected == [(PUBLIC, 80), (PUBLIC, 443)]


@pytest.mark.parametrize(
    "entry",
    ["", "http://a.test", "a.test/", "a.*.test", "*a.test", "*.*", "a.test.", "a.test:0", "a.test:70000", "a test",
     "::1", "[::1", "*[::1]", "u@a.test", "*.", ":80", "a.test\n"],
)  # fmt: skip
def test_entries_that_are_no_hosts(entry: str) -> None:
    with pytest.raises(OptionError) as caught:
        Hosts.of(["a.test", entry])
    assert "*.example.org" in caught.value.hint


@pytest.fixture
def site(tone: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with website(tone.read_bytes()) as running:
        monkeypatch.setenv("HARK_FETCH_PRIVATE", running.host)
        yield running


def test_limits_are_the_lesser_ones(site: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FetchError, match="larger"):
        fetch(f"{site.url}/good", io.BytesIO(), rules=Rules(max_bytes=1000))
    with pytest.raises(FetchError, match=r"within 0\.2 s"):
        fetch(f"{site.url}/drip", io.BytesIO(), rules=Rules(seconds=0.2))
    monkeypatch.setenv("HARK_FETCH_MAX_BYTES", "1000")
    with pytest.raises(FetchError, match="larger"):
        fetch(f"{site.url}/good", io.BytesIO(), rules=Rules(max_bytes=10**9))


@pytest.mark.parametrize("path", ["hang", "drip", "driphead", "endless"])
def test_a_download_that_nobody_wants_ends(site: Server, path: str) -> None:
    unwanted = threading.Event()
    threading.Timer(0.3, unwanted.set).start()
    begin = time.monotonic()
    with pytest.raises(FetchError):
        fetch(f"{site.url}/{path}", io.BytesIO(), rules=Rules(unwanted=unwanted.is_set))
    assert 0.25 < time.monotonic() - begin < 1.5


def test_a_download_that_fails_leaves_no_file(
    site: Server, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    audio = Audio.of(f"{site.url}/short")
    with pytest.raises(FetchError):
        audio.samples()
    assert list(folder.iterdir()) == []
    assert Audio.of(f"{site.url}/good").duration == 1
