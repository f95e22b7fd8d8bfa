"""What may be fetched: every disguise of a private address is refused, and nothing private is ever connected to.

Addresses are tested as policy: a resolver made up here, a network that only records. No connection is made at all.
"""

from __future__ import annotations

import io
import socket
from typing import Any

import httpcore2
import pytest

from hark.audio.addresses import is_public
from hark.audio.fetch import fetch
from hark.errors import FetchError, FetchRefusedError
from tiny.disguises import DISGUISED, PRIVATE_NUMBERS
from tiny.website import ANSWER, PUBLIC, Network, Stream


def get(url: str, network: Network, *addresses: str) -> bytes:
    out = io.BytesIO()
    fetch(url, out, resolver=lambda _host, _port: list(addresses), network=network)
    return out.getvalue()


PUBLIC_NUMBERS = """1.1.1.1 8.8.8.8 93.184.215.14 100.63.255.255 172.32.0.1 192.0.1.1 223.255.255.255
2606:4700::1111 2a00:1450::1 ::ffff:8.8.8.8 64:ff9b::808:808""".split()


@pytest.mark.parametrize("address", PRIVATE_NUMBERS)
def test_private_numbers_are_never_connected_to(address: str) -> None:
    assert not is_public(address)
    network = Network()
    literal = f"[{address}]" if ":" in address else address
    for url, answers in (("http://audio.test/a.wav", [address]), (f"http://{literal}/a.wav", [address])):
        with pytest.raises(FetchError):
            get(url, network, *answers)
    with pytest.raises(FetchRefusedError):  # one private answer among public ones is enough
        get("https://audio.test/a.wav", network, PUBLIC, address)
    assert network.connected == []


@pytest.mark.parametrize("address", PUBLIC_NUMBERS)
def test_public_numbers_are_connected_to(address: str) -> None:
    network = Network()
    assert get("http://audio.test/a.wav", network, address) == b"sound"
    assert network.connected == [(address, 80)]


@pytest.mark.parametrize("url", DISGUISED)
def test_disguises_are_refused_before_any_look_up(url: str) -> None:
    asked: list[str] = []

    def resolver(host: str, _port: int) -> list[str]:
        asked.append(host)
        return [PUBLIC]

    network = Network()
    with pytest.raises(FetchRefusedError) as caught:
        fetch(url, io.BytesIO(), resolver=resolver, network=network)
    assert caught.value.hint
    assert (asked, network.connected) == ([], [])
    assert "s3cret" not in str(caught.value)


def test_the_name_stays_in_host_and_sni_while_the_number_is_connected_to() -> None:
    network = Network()
    assert get("https://audio.test/x/a.wav?key=1", network, PUBLIC) == b"sound"
    assert network.connected == [(PUBLIC, 443)]
    assert network.tls_names == ["audio.test"]
    assert network.sent.startswith(b"GET /x/a.wav?key=1 HTTP/1.1\r\nHost: audio.test\r\n")
    assert b"accept-encoding: identity" in network.sent.lower()
    for header in (b"authorization", b"cookie", b"referer"):
        assert header not in network.sent.lower()


def test_one_look_up_per_connection_so_that_a_name_cannot_rebind() -> None:
    answers = [[PUBLIC], ["127.0.0.1"]]
    network = Network()
    fetch("http://audio.test/", io.BytesIO(), resolver=lambda *_: answers.pop(0), network=network)
    assert network.connected == [(PUBLIC, 80)]
    assert len(answers) == 1
    with pytest.raises(FetchRefusedError):
        fetch("http://audio.test/", io.BytesIO(), resolver=lambda *_: answers.pop(0), network=network)
    assert len(network.connected) == 1


def redirect(to: str) -> bytes:
    return f"HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n".encode("latin-1")


def test_redirects_are_followed_and_checked_again() -> None:
    network = Network(redirect("/b.wav"), redirect("https://other.test/c.wav"), ANSWER)
    assert get("http://audio.test/a.wav", network, PUBLIC) == b"sound"
    assert network.connected == [(PUBLIC, 80), (PUBLIC, 80), (PUBLIC, 443)]
    assert network.tls_names == ["other.test"]
    for to in (
        "http://127.0.0.1/",
        "http://[::1]/",
        "file:///etc/passwd",
        "http://u:p@b.test/",
        "http://b.test:22/",
        "//localhost/",
        "gopher://b.test",
        "http://0x7f.1",
        "http://b.test\\@c",
    ):
        network = Network(redirect(to))
        with pytest.raises(FetchRefusedError):
            get("http://audio.test/a.wav", network, PUBLIC)
        assert len(network.connected) == 1, to


def test_a_redirect_to_a_name_with_a_private_number_is_refused() -> None:
    network = Network(redirect("http://inner.test/"))
    with pytest.raises(FetchRefusedError):
        fetch(
            "http://audio.test/",
            io.BytesIO(),
            resolver=lambda host, _: ["10.0.0.5"] if host == "inner.test" else [PUBLIC],
            network=network,
        )
    assert network.connected == [(PUBLIC, 80)]


def test_redirects_end() -> None:
    network = Network(*[redirect("http://audio.test/")] * 20)
    with pytest.raises(FetchRefusedError, match="redirects"):
        get("http://audio.test/", network, PUBLIC)
    assert len(network.connected) == 6


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    network = Network()
    get("http://audio.test/", network, PUBLIC)
    assert network.connected == [(PUBLIC, 80)]


def test_fetching_can_be_turned_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARK_FETCH", "0")
    network = Network()
    with pytest.raises(FetchRefusedError, match="turned off") as caught:
        get("http://audio.test/", network, PUBLIC)
    assert "HARK_FETCH" in caught.value.hint
    assert network.connected == []


def test_no_such_host() -> None:
    def resolver(_host: str, _port: int) -> list[str]:
        raise socket.gaierror(-2, "Name or service not known")

    with pytest.raises(FetchError, match="no host"):
        fetch("http://nowhere.test/", io.BytesIO(), resolver=resolver, network=Network())


def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    class Half(Network):
        def connect_tcp(self, host: str, port: int, *args: Any, **more: Any) -> Stream:
            if host == "2606:4700::1111":
                self.connected.append((host, port))
                raise httpcore2.ConnectError("unreachable")
            return super().connect_tcp(host, port, *args, **more)

    network = Half()
    assert get("http://audio.test/", network, "2606:4700::1111", PUBLIC) == b"sound"
    assert [host for host, _ in network.connected] == ["2606:4700::1111", PUBLIC]
