"""What every request passes on its way in: no more than the house holds, no larger and no slower than allowed."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, HTTPConnection

from hark.errors import BusyError, DeadlineError, RequestError, TooLargeError
from hark.server import errors
from hark.server.service import ClientLeftError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from hark.server.config import Config
    from hark.server.service import Service

_MB = 2**20
_JSON_AT_ONCE = 16  # as many bodies of JSON as large as may be, together: unlike files, they lie in memory
_FIELDS_MB = 1.0  # what a form may hold beside its file
_LINGER_SECONDS = 5.0
_UNREAD_SECONDS = 10.0  # after the deadline, for what was written to be read
_LEFT = (ClientDisconnect, ClientLeftError)


class Begun:
    """Notes when a request began, and takes HEAD for GET: the ASGI server leaves out the body; monitors ask so."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] == "http":
            scope.setdefault("state", {})["begun"] = asyncio.get_running_loop().time()
            if scope["method"] == "HEAD":
                scope = {**scope, "method": "GET"}
        await self.app(scope, receive, send)


class Lingering:
    """Reads on for a while where the answer came before the body was over.

    A connection that is closed while its client still sends is reset, and many clients lose the answer that they were
    sent; one that stays open would have to take all that is refused. So the answer goes out whole, what comes is thrown
    away for some seconds, and then the connection is closed (nginx calls it a lingering close).
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        headers = Headers(scope=scope) if scope["type"] == "http" else {}
        if headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers:
            await self.app(scope, receive, send)
            return
        more, last = True, None

        async def read() -> Message:
            nonlocal more
            message = await receive()
            more = more and bool(message.get("more_body"))
            return message

        async def write(message: Message) -> None:
            nonlocal last
            if more and message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", []), (b"connection", b"close")]}
            elif more and not message.get("more_body"):
                message, last = {**message, "more_body": True}, {"type": "http.response.body"}
            await send(message)

        await self.app(scope, read, write)
        if last is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LINGER_SECONDS):
                    while more:
                        await read()
            await send(last)


class Admission:
    """Tells clients to come again when the house is full, before their bodies are read."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.app, self.service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        if self.service.full:
            # Never 503: huggingface.js sends all of it again at once, for ever.
            scope["state"]["rejected"] = "full"
            error = BusyError("The server is busy.", hint="Come again in a moment.")
            await errors.response(HTTPConnection(scope), error)(scope, receive, send)
            return
        self.service.inside += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.service.inside -= 1


class Limits:
    """Counts bodies while they arrive, and ends requests whose time is up, whichever side is slow."""

    def __init__(self, app: ASGIApp, config: Config) -> None:
        self.app, self.config = app, config
        self.held = _Held(int(config.max_json_mb * _JSON_AT_ONCE * _MB))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope["path"] = scope["path"].rstrip("/") or "/"  # a redirect would make all of it come again
        headers = Headers(scope=scope)
        limit = self._limit(headers.get("content-type", ""))
        said = headers.get("content-length", "0")
        if not said.isdigit() or int(said[:20]) > limit.bytes:
            error = limit.error if said.isdigit() else RequestError("Content-Length is no number.")
            await errors.response(HTTPConnection(scope), error)(scope, receive, send)
            return
        until = scope["state"]["begun"] + self.config.deadline_seconds
        passing = _Passing(receive, send, limit, until, self.held)
        try:
            await self.app(scope, passing.receive, passing.send)
        except Exception as error:
            if not isinstance(error, _LEFT) and not isinstance(error.__cause__, _LEFT):
                raise
            # Nobody is there to be answered, and nothing went wrong.
        finally:
            self.held.bytes -= passing.held

    def _limit(self, content_type: str) -> _Limit:
        if "json" in content_type.partition(";")[0]:
            return _Limit(self.config.max_json_mb, "JSON", "Upload the recording as a file instead.", in_memory=True)
        form = content_type.startswith("multipart/")
        return _Limit(self.config.max_upload_mb, "file", "Send less at once.", _FIELDS_MB if form else 0.0)


class _Limit:
    def __init__(self, mb: float, what: str, hint: str, beside: float = 0.0, *, in_memory: bool = False) -> None:
        self.bytes, self.in_memory = int((mb + beside) * _MB), in_memory
        self.error = TooLargeError(f"The {what} is over the server's limit of {mb:g} MB.", hint=hint)


class _Held:
    """The bodies that lie in memory, of all requests together."""

    def __init__(self, most: int) -> None:
        self.bytes, self.most = 0, most

    def take(self, more: int) -> None:
        """Count some more.

        Raises:
            BusyError: it would be too much.
        """
        if self.bytes + more > self.most:
            raise BusyError("The server holds as much JSON as it can.", hint="Come later, or upload files.")
        self.bytes += more


class _Passing:
    """The two directions of one request."""

    def __init__(self, receive: Receive, send: Send, limit: _Limit, until: float, house: _Held) -> None:
        self._receive, self._send, self.limit, self.until, self.house = receive, send, limit, until, house
        self.taken, self.held, self.more = 0, 0, True

    async def receive(self) -> Message:
        if not self.more:  # only whether the client leaves is of interest now
            return await self._receive()
        try:
            async with asyncio.timeout_at(self.until):
                message = await self._receive()
        except TimeoutError:
            raise DeadlineError("The body took too long to arrive.", hint="Send less at once.") from None
        size = len(message.get("body", b""))
        if self.limit.in_memory:
            self.house.take(size)
            self.held += size
        self.taken += size
        self.more = bool(message.get("more_body"))
        if self.taken > self.limit.bytes:
            raise self.limit.error
        return message

    async def send(self, message: Message) -> None:
        left = max(0.0, self.until - asyncio.get_running_loop().time())
        try:
            async with asyncio.timeout(left + _UNREAD_SECONDS):
                await self._send(message)
        except TimeoutError:  # it holds the connection open, and reads nothing
            raise ClientLeftError from None
