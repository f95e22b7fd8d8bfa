"""A server of hark on loopback, in a thread of the test's own process."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import uvicorn

from hark.server.app import create_app
from hark.server.config import Config, Served
from hark.server.protocol import WebSocketProtocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hark.server.service import Service


@dataclass
class Running:
    """A server that answers at `url` (without a slash at its end)."""

    url: str
    service: Service


@contextlib.contextmanager
def serving(*models: str | Served, **config: Any) -> Iterator[Running]:
    """Serve models (`NAME` or `NAME=MODEL`; `echo` where none is given) until the block ends."""
    served = tuple(model if isinstance(model, Served) else _served(model) for model in models or ("echo",))
    app = create_app(Config(models=served, port=0, **config))
    how: Any = {"host": "127.0.0.1", "port": 0, "log_level": "warning", "lifespan": "on", "ws": WebSocketProtocol}
    server = uvicorn.Server(uvicorn.Config(app, **how))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    (port,) = {socket.getsockname()[1] for one in server.servers for socket in one.sockets}
    try:
        yield Running(f"http://127.0.0.1:{port}", app.state.service)
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


def _served(given: str) -> Served:
    name, _, model = given.partition("=")
    return Served(name=name, model=model or name)
