"""HTTP and WebSockets as they come over a connection: uvicorn's, with bounds on what it leaves unbounded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

if TYPE_CHECKING:
    import asyncio

    from uvicorn._types import ASGISendEvent

HEADER_BYTES = 64 * 1024
HEADER_SECONDS = 20.0
LAST_WORDS_SECONDS = 5.0


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
        if self._unread > HEADER_BYTES and busy:  # of what may follow a body in chunks
            self.transport.abort()
        elif self._unread > HEADER_BYTES:
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
        self._timer = self.loop.call_later(HEADER_SECONDS, self.transport.abort)

    def _relax(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """Uvicorn's WebSockets, with an end that does not wait for a client that reads nothing."""

    _last: asyncio.TimerHandle | None = None

    def shutdown(self) -> None:
        """End the connection, as the server ends."""
        if self.transport.is_closing():  # uvicorn's raises an error here, and ends no other connection
            self.transport.abort()
        else:
            super().shutdown()

    async def send(self, message: ASGISendEvent) -> None:
        """Send a message; a refusal that was sent whole is no failure, for which uvicorn takes it."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body"):
            self.handshake_complete = True

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        """Let the client read what is left, but not for ever."""
        super().on_task_complete(task)
        self._last = self.loop.call_later(LAST_WORDS_SECONDS, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is left."""
        super().connection_lost(exc)
        if self._last is not None:
            self._last.cancel()
