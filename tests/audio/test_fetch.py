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

PUBLIC = "93.184.215.14"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Type: audio/wav; x=1\r\n\r\nsound"


class Stream(httpcore2.NetworkStream):
    """A connection that answers as told, and remembers what it was asked."""

    def __init__(self, answer: bytes, network: Network) -> None:
        self.answer, self.network = answer, network

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        part, self.answer = self.answer[:max_bytes], self.answer[max_bytes:]
        return part

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.network.sent += buffer

    def close(self) -> None:
        return

    def start_tls(self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None) -> Stream:
        self.network.tls_names.append(server_hostname)
        return self


class Network(httpcore2.NetworkBackend):
    """Records connections instead of making them."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers) or [ANSWER]
        self.connected: list[tuple[str, int]] = []
        self.tls_names: list[str | None] = []
        self.sent = b""

    def connect_tcp(self, host: str, port: int, *_: Any, **__: Any) -> Stream:
        self.connected.append((host, port))
        return Stream(self.answers.pop(0), self)


def get(url: str, network: Network, *addresses: str) -> bytes:
    out = io.BytesIO()
    fetch(url, out, resolver=lambda _host, _port: list(addresses), network=network)
    return out.getvalue()


PRIVATE_NUMBERS = """0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 127.0.0.1 127.255.255.254 168.63.129.16 169.254.169.254
172.16.0.1 172.31.255.255 192.0.0.8 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1
239.255.255.255 240.0.0.1 255.255.255.255 :: ::1 ::7f00:1 ::ffff:127.0.0.1
::ffff:10.0.0.1 ::ffff:169.254.169.254 64:ff9b::7f00:1
64:ff9b::a9fe:a9fe 64:ff9b:1::7f00:1 100::1 2001::1 2001:10::1 2001:db8::1 2002:7f00:1:: 3fff::1 5f00::1 fc00::1
fd00:ec2::254 fe80::1 fe80::1%eth0 fec0::1 ff02::1 ff0e::1""".split()
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


REFUSED = """file:///etc/passwd ftp://audio.test/a gopher://audio.test/_x dict://audio.test/ unix:///run/docker.sock
data:audio/wav;base64,AAAA javascript:1 //audio.test/a audio.test/a http:///a http://
http://user@audio.test/ http://user:s3cret@audio.test/a.wav https://audio.test:pw@evil.test/ http://audio.test:8080/
http://audio.test:22/ http://audio.test:0/ https://audio.test:6379/ http://localhost/
http://LOCALHOST/ http://a.localhost/
http://localhost./ http://printer.local/ http://metadata.google.internal/ http://nas.lan/ http://audio.test./
http://2130706433/ http://0177.0.0.1/ http://0x7f000001/ http://0x7f.1/ http://127.1/ http://0/ http://127.0.0.1./
http://0x7F.0.0.1/ http://017700000001/ http://127.0.1/ http://1.2.3.4.5/ http://a.b.1/ http://[::1]/ http://[::]/
http://[::ffff:127.0.0.1]/ http://[fe80::1%25eth0]/ http://[::1%lo]/ http://audio.test\\@127.0.0.1/
http://audio.test:999999/ http://[/ http://127.0.0.1%2f@audio.test/""".split()
LOOK_ALIKE = ["http://\u2460\u2461\u2466.0.0.1/", "http://\uff11\uff12\uff17.0.0.1/", "http://localho\u017ft/"]


@pytest.mark.parametrize(
    "url",
    [
        *LOOK_ALIKE,
        *REFUSED,
        "http://audio.test/\r\nHost: evil",
        "http://audio.test/a b",
        " http://a.test",
        "http://a.test/" + "x" * 9000,
    ],
)
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
