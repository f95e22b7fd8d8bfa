"""A server as a process: bound before it is announced, slow to nobody's harm, ended in order."""

from __future__ import annotations

import contextlib
import gc
import logging
import math
import os
import resource
import signal
import threading
import time
from typing import TYPE_CHECKING, NoReturn

import uvicorn

from hark.server import logs
from hark.server.app import create_app
from hark.server.listening import address, bind
from hark.server.memory import keep_pages
from hark.server.protocol import Protocol, WebSocketProtocol
from hark.server.threads import in_thread

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator
    from types import FrameType

    from hark.server.config import Config
    from hark.server.service import Service

_KEEP_ALIVE_SECONDS = 65  # longer than reverse proxies keep theirs, so that none sends to a closing connection
_LATE_SECONDS = 10.0  # past all deadlines, for models and processes to be closed
_FORCED_SECONDS = 1.0


def run(config: Config, announce: Callable[[str], None]) -> None:
    """Serve until a signal ends it; `announce` gets the address as soon as requests are taken.

    The first SIGTERM or SIGINT lets requests finish, the second ends at once (with status 128 and the signal's number).

    Raises:
        OptionError: it cannot listen there, or would be open to others without a key.
    """
    logs.configure(as_json=config.log_json, content=config.log_content)
    _many_files()
    keep_pages()
    sockets = bind(config)
    try:
        app = create_app(config)
        settings = uvicorn.Config(
            app, http=Protocol, ws=WebSocketProtocol, log_config=None, access_log=False, server_header=False,
            lifespan="on", proxy_headers=bool(config.trusted_proxies), forwarded_allow_ips=list(config.trusted_proxies),
            ws_per_message_deflate=False,  # base64 of sound hardly gets smaller
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
        await in_thread(self.service.media.warm)  # else the first request waits for the processes that decode
        if self.service.config.warm:
            await self.service.models.warm()
        await super().startup(sockets)
        gc.freeze()  # what is there now stays: looking through it for cycles again and again would stop all requests
        self.announce()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take the end of the terminal for the wish to end, too, unless it is ignored (`nohup`)."""
        hangup = getattr(signal, "SIGHUP", None)
        here = threading.current_thread() is threading.main_thread()
        if here and hangup is not None and signal.getsignal(hangup) is not signal.SIG_IGN:
            signal.signal(hangup, self.handle_exit)
        with super().capture_signals():
            yield

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


def _many_files() -> None:
    """Allow as many open files as the system lets: each connection is one, and each recording that was decoded."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS says "no limit", and takes less
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _end_after(seconds: float, status: int) -> None:
    """End the process even if something in it does not: a model in the middle of a step, a library's thread."""

    def end() -> NoReturn:
        logging.shutdown()
        os._exit(status)  # processes of ours end when they see their pipes closed

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
