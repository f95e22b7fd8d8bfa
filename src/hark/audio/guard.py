"""The gate of every download: names are looked up here, every answer checked, and the checked number connected to.

The URL keeps its host name, so that the Host header, SNI and the check of the certificate are as always; only the
connection is pinned. A second look-up, which could answer something else (DNS rebinding), never happens.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import httpcore2
import httpx2

from hark.audio.addresses import closed_name, disguised, is_plain, is_public, shown
from hark.audio.hosts import Hosts, host_name, shortest
from hark.errors import FetchError, FetchRefusedError

_CONNECT_SECONDS = 10.0
_GLANCE_SECONDS = 0.2  # how often a wait looks whether somebody still wants the bytes
_PORTS = {"http": 80, "https": 443}
_HINT = "A server of your own is allowed by naming it: the setting fetch_private (HARK_FETCH_PRIVATE=host:port)."

Resolver = Callable[[str, int], list[str]]


def resolve(host: str, port: int) -> list[str]:
    """All addresses of a host, from the system's resolver.

    Raises:
        OSError: there is no such host.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What holds beside the settings where somebody else than the person at the machine names the address.

    Attributes:
        hosts: the only ones that are fetched from, redirects included; a private one has to be named here as well as
            in `fetch_private`, as no `*` stands for it.
        max_bytes, seconds: no more than these, nor than the settings say.
        unwanted: asked during a download; when it is true the download ends.
    """

    hosts: Hosts | None = None
    max_bytes: int | None = None
    seconds: float | None = None
    unwanted: Callable[[], bool] | None = None


class Guard(httpcore2.NetworkBackend):
    """Lets requests through to addresses that may be fetched, until a deadline."""

    def __init__(
        self,
        private: Iterable[str],
        deadline: float,
        resolver: Resolver = resolve,
        network: httpcore2.NetworkBackend | None = None,
        rules: Rules | None = None,
    ) -> None:
        self._private = frozenset(entry.lower() for entry in private)
        self._deadline, self._resolver, self._network = deadline, resolver, network or httpcore2.SyncBackend()
        self._rules = rules or Rules()

    def left(self) -> float:
        """Seconds until the deadline."""
        return self._deadline - time.monotonic()

    def check_time(self) -> None:
        """End a download that takes too long in all, however steadily it drips, or that nobody wants any more.

        Raises:
            httpcore2.ReadTimeout: the deadline has passed, or it is unwanted.
        """
        if self.left() <= 0 or (self._rules.unwanted is not None and self._rules.unwanted()):
            raise httpcore2.ReadTimeout("deadline")

    def check_url(self, url: str) -> None:
        """Look at all that can be told from the text of a URL.

        Raises:
            FetchRefusedError: it may not be fetched.
        """
        hidden = disguised(url)
        if hidden:
            raise _refused(url, hidden, "Write the address plainly.")
        try:
            parsed = httpx2.URL(url)
        except (httpx2.InvalidURL, ValueError, TypeError) as error:
            raise _refused(url, "is malformed", "Write the address plainly.") from error
        if parsed.scheme not in _PORTS:
            raise _refused(url, f"is of the kind {parsed.scheme or '(none)'!r}", "Use http:// or https://.")
        if parsed.userinfo:
            raise _refused(url, "holds a user name or password", "Download it yourself, and give the file.")
        host, port = host_name(parsed), _PORTS[parsed.scheme] if parsed.port is None else parsed.port
        allowed = self._rules.hosts
        if allowed is not None and not allowed.covers(host, port):
            raise _refused(url, "names a host that is not allowed here", "Send the audio itself.")
        if self._named(host, port):
            return
        if port not in _PORTS.values() and not (allowed is not None and allowed.opens(host, port)):
            raise _refused(url, f"names the port {port}", f"Only 80 and 443 are fetched from. {_HINT}")
        why = closed_name(host)
        if why:
            raise _refused(url, why, _HINT)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        """Connect to one of the host's addresses, after all of them were checked."""
        addresses = self._checked(shortest(host), port)
        failure: Exception = httpcore2.ConnectError("no address")
        for address in addresses:
            self.check_time()
            wait = min(timeout or _CONNECT_SECONDS, _CONNECT_SECONDS, self.left())
            try:
                return _Timed(self._network.connect_tcp(address, port, wait, local_address, socket_options), self)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure

    def connect_unix_socket(self, path: str, timeout: float | None = None, socket_options: Any = None) -> Any:  # noqa: ARG002
        """Never: no URL leads to a socket on this machine."""
        raise FetchRefusedError("A socket on this machine is not fetched from.", hint="Use http:// or https://.")

    def _checked(self, host: str, port: int) -> list[str]:
        named = self._named(host, port)
        why = None if named else closed_name(host)
        if why:
            raise FetchRefusedError(f"The host {host} {why}.", hint=_HINT)
        try:
            addresses = [host] if is_plain(host) else self._resolver(host, port)
        except (OSError, UnicodeError) as error:
            raise FetchError(f"There is no host {host}.", hint="Check the address and the connection.") from error
        if not addresses:
            raise FetchError(f"There is no host {host}.", hint="Check the address and the connection.")
        if not named and not all(is_public(address) for address in addresses):
            raise FetchRefusedError(f"The host {host} leads to a private address.", hint=_HINT)
        return addresses

    def _named(self, host: str, port: int) -> bool:
        if self._rules.hosts is not None and not self._rules.hosts.names(host, port):
            return False
        bracketed = f"[{host}]" if ":" in host else host
        return bool(self._private & {host, bracketed, f"{bracketed}:{port}"})


class _Timed(httpcore2.NetworkStream):
    """A connection each of whose steps ends by the guard's deadline, headers and handshake included."""

    def __init__(self, stream: httpcore2.NetworkStream, guard: Guard) -> None:
        self._stream, self._guard = stream, guard

    def _wait(self, timeout: float | None) -> float:
        self._guard.check_time()
        left = self._guard.left()
        return left if timeout is None else min(timeout, left)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        until = time.monotonic() + self._wait(timeout)
        while True:
            wait = min(_GLANCE_SECONDS, self._wait(until - time.monotonic()))
            try:
                return self._stream.read(max_bytes, max(wait, 0.001))
            except httpcore2.ReadTimeout:
                if time.monotonic() >= until:
                    raise

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._wait(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        return _Timed(self._stream.start_tls(ssl_context, server_hostname, self._wait(timeout)), self._guard)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class Pinned(httpx2.BaseTransport):
    """Sends httpx2's requests through a connection pool whose only way out is the guard: no proxy, no HTTP/2."""

    def __init__(self, guard: Guard) -> None:
        self._pool = httpcore2.ConnectionPool(network_backend=guard, max_connections=1, http2=False)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request; the caller reads and closes the answer."""
        url = request.url
        answer = self._pool.handle_request(
            httpcore2.Request(
                method=request.method,
                url=httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx2.Response(
            answer.status, headers=answer.headers, stream=_Body(answer), extensions=answer.extensions
        )

    def close(self) -> None:
        """Close the connection."""
        self._pool.close()


class _Body(httpx2.SyncByteStream):
    def __init__(self, answer: httpcore2.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        return self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()


def _refused(url: str, why: str, hint: str) -> FetchRefusedError:
    return FetchRefusedError(f"{shown(url)} is not fetched: it {why}.", hint=hint)
