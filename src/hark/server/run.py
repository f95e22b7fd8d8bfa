"""A server as a process: bound before it is announced, slow to nobody's harm, ended in order."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import logging
import math
import os
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, NoReturn

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from hark.errors import OptionError
from hark.server import logs
from hark.server.app import create_app

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator
    from types import FrameType

    from hark.listener import Listener
    from hark.server.config import Config
    from hark.server.service import Service

_HEADER_BYTES = 64 * 1024
_HEADER_SECONDS = 20.0
_KEEP_ALIVE_SECONDS = 65  # longer than reverse proxies keep theirs, so that none sends to a closing connection
_LATE_SECONDS = 10.0  # past all deadlines, for models and processes to be closed
_FORCED_SECONDS = 1.0
_ABSENT = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def run(config: Config, announce: Callable[[str], None]) -> None:
    """Serve until a signal ends it; `announce` gets the address as soon as requests are taken.

    The first SIGTERM or SIGINT lets requests finish, the second ends at once (with status 128 and the signal's number).

    Raises:
        OptionError: it cannot listen there, or would be open to others without a key.
    """
    logs.configure(as_json=config.log_json, content=config.log_content)
    sockets = bind(config)
    try:
        app = create_app(config)
        settings = uvicorn.Config(
            app, http=Protocol, log_config=None, access_log=False, server_header=False, lifespan="on",
            proxy_headers=bool(config.trusted_proxies), forwarded_allow_ips=list(config.trusted_proxies),
            timeout_keep_alive=_KEEP_ALIVE_SECONDS, timeout_graceful_shutdown=math.ceil(config.shutdown_seconds),
        )  # fmt: skip
        server = _Server(settings, app.state.service, lambda: announce(address(config.host, sockets[0])))
        server.run(sockets)
    finally:
        for one in sockets:
            one.close()
    if server.forced:
        raise SystemExit(128 + server.forced)


class _Server(uvicorn.Server):
    """Uvicorn's, with an end that can be seen coming, and that comes."""

    def __init__(self, settings: uvicorn.Config, service: Service, announce: Callable[[], None]) -> None:
        super().__init__(settings)
        self.service, self.announce = service, announce
        self.told: float | None = None
        self.forced = 0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to take requests, and say so."""
        if self.service.config.warm:
            lane = self.service.models.lane(None)
            async with contextlib.aclosing(lane.run(_warmed)) as done:
                [step async for step in done]
        await super().startup(sockets)
        self.announce()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take a signal: the first is a wish, the second an order."""
        del frame
        if self.told is None:
            self.told = time.monotonic()
            self.service.ready = False
            allowed = self.service.config.drain_seconds + self.service.config.shutdown_seconds
            _end_after(allowed + _LATE_SECONDS, 1)
            return
        self.should_exit = self.force_exit = True
        self.forced = sig
        _end_after(_FORCED_SECONDS, 128 + sig)

    async def on_tick(self, counter: int) -> bool:
        """Is it time to end?"""
        if self.told is not None and time.monotonic() - self.told >= self.service.config.drain_seconds:
            logs.log.info("Stopping; what runs may take %g s more.", self.service.config.shutdown_seconds)
            self.should_exit = True
        return await super().on_tick(counter)


def _warmed(listener: Listener) -> Iterator[None]:
    listener.engine.warm()
    yield


def _end_after(seconds: float, status: int) -> None:
    """End the process even if something in it does not: a model in the middle of a step, a library's thread."""

    def end() -> NoReturn:
        logging.shutdown()
        os._exit(status)  # processes of ours end when they see their pipes closed

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


class Protocol(HttpToolsProtocol):
    """Uvicorn's HTTP, with bounds on headers: without them they may be endless, or take for ever to come."""

    _timer: asyncio.TimerHandle | None = None
    _unread = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a request."""
        super().connection_made(transport)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        super().connection_lost(exc)
        self._relax()

    def data_received(self, data: bytes) -> None:
        """Read on, and tell whether a request has become of it."""
        self._unread += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        busy = self.cycle is not None and not self.cycle.response_complete
        if self._unread > _HEADER_BYTES and busy:  # of what may follow a body in chunks
            self.transport.abort()
        elif self._unread > _HEADER_BYTES:
            self.send_400_response("The headers are too large.")
        elif busy or self.transport.get_protocol() is not self:
            self._relax()
        elif self._timer is None:
            self._watch()

    def on_headers_complete(self) -> None:
        """Begin to count anew."""
        self._unread = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Begin to count anew."""
        self._unread = 0
        super().on_body(body)

    def _watch(self) -> None:
        self._timer = self.loop.call_later(_HEADER_SECONDS, self.transport.abort)

    def _relax(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def bind(config: Config) -> list[socket.socket]:
    """Take the address of a server, each of those that its name has.

    Raises:
        OptionError: it would be open to others without a key; or the address is taken, not allowed, or not here.
    """
    where = f"{config.host} port {config.port}"
    try:
        found = socket.getaddrinfo(config.host or None, config.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise OptionError(f"There is no address {config.host!r} here.") from error
    refuse_open(config, {str(info[4][0]) for info in found})
    bound: list[socket.socket] = []
    for family, _, _, _, place in found:
        port = bound[0].getsockname()[1] if bound else config.port
        try:
            bound.append(_listening(family, (place[0], port, *place[2:])))
        except OSError as error:
            if error.errno in _ABSENT and len(found) > 1 and (bound or place != found[-1][4]):
                continue  # the name has an address of IPv6, the machine has not
            for other in bound:
                other.close()
            raise OptionError(
                f"The server cannot listen at {where}: {error.strerror}.",
                hint="Give another --port (0 takes a free one), or an address of this machine as --host.",
            ) from error
    return bound


def _listening(family: int, place: tuple[Any, ...]) -> socket.socket:
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind(place)
        one.listen()  # that another listens there shows only now
    except OSError:
        one.close()
        raise
    return one


def refuse_open(config: Config, addresses: set[str]) -> None:
    """Refuse to be open to other machines without a key, unless that is wanted.

    Raises:
        OptionError: it would be.
    """
    if config.keys or config.no_auth:
        return
    with contextlib.suppress(ValueError):
        literal = config.host == "localhost" or ipaddress.ip_address(config.host).is_loopback
        if literal and all(ipaddress.ip_address(one.partition("%")[0]).is_loopback for one in addresses):
            return
    raise OptionError(
        f"At {config.host or 'all addresses'} everybody who reaches this machine could use the server.",
        hint="Give keys (HARK_API_KEYS, --api-keys-file, --api-key; `hark serve key` makes one), or --no-auth.",
    )


def address(host: str, bound: socket.socket) -> str:
    """The URL of a server, as people of this machine type it."""
    port = bound.getsockname()[1]
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{name}:{port}"
