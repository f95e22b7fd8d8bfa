"""The log: a line for each request, and what went wrong; neither content nor keys, unless content was asked for."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import re
import sys
import time
import traceback
import uuid
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection

from hark.errors import (
    BusyError,
    HarkError,
    MissingExtraError,
    ModelBrokenError,
    ModelError,
    ModelNotFoundError,
    OutputError,
    SettingsError,
)
from hark.server import errors

if TYPE_CHECKING:
    from types import TracebackType

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger("hark.server")
_current: ContextVar[str | None] = ContextVar("request_id", default=None)

_ID = re.compile(r"[A-Za-z0-9._:=-]{1,128}")
_PLAIN_WORD = re.compile(r"[!#-<>-~]+")  # neither space nor quote nor =
_PLAIN = (MissingExtraError, ModelBrokenError, ModelNotFoundError, OutputError, SettingsError)  # quote no content
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE})
_MOST = 10_000  # characters of an answer that are logged, where content is


def configure(*, as_json: bool = False, content: bool = False) -> None:
    """Send the log of this process to stderr, a line each."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter((_Json if as_json else _Text)(content=content))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    log.setLevel(logging.INFO)


class RequestLog:
    """Gives each request an id, tells it the client (`x-request-id`), and writes a line when the request is over."""

    def __init__(self, app: ASGIApp, content: bool = False) -> None:
        self.app, self.content = app, content

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        state["request_id"] = _request_id(Headers(scope=scope).get("x-request-id", ""))
        _current.set(state["request_id"])  # also for what threads and libraries write while they serve it
        seen = _Seen(state["request_id"], content=self.content)
        begun = time.perf_counter()
        try:
            await self.app(scope, receive, seen.passing(send))
        finally:
            _write(scope, seen, time.perf_counter() - begun)


class _Seen:
    """What is to be told of an answer."""

    def __init__(self, request_id: str, *, content: bool) -> None:
        self.request_id, self.content = request_id, content
        self.status: int | None = None
        self.text = bytearray()

    def passing(self, send: Send) -> Send:
        async def passed(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.status = message["status"]
                MutableHeaders(scope=message)["x-request-id"] = self.request_id
            elif self.content and message["type"] == "http.response.body" and len(self.text) < _MOST:
                self.text += message.get("body", b"")[:_MOST]
            await send(message)

        return passed


def _write(scope: Scope, seen: _Seen, seconds: float) -> None:
    state = scope["state"]
    heard = state.get("audio_seconds")
    fields = {
        "method": scope.get("method", "WS"),
        "path": _path(scope),
        "status": seen.status,
        "ms": round(seconds * 1000, 1),
        "audio_seconds": None if heard is None else round(heard, 2),
        "key": state.get("key"),
        "id": seen.request_id,
    }
    if seen.content:
        fields["asked"] = _shortened(state.get("asked"))
        fields["answered"] = seen.text[:_MOST].decode("utf-8", "replace")
    told = {name: value for name, value in fields.items() if value not in (None, "")}
    log.info("%s", " ".join(f"{name}={_quoted(value)}" for name, value in told.items()), extra={"fields": told})


def _quoted(value: Any) -> str:
    """A value that cannot be taken for more than one."""
    return str(value) if _PLAIN_WORD.fullmatch(str(value)) else json.dumps(value, default=str)


def _path(scope: Scope) -> str:
    """The template of the route, or a path that has none; never the query."""
    template = getattr(scope.get("route"), "path", None)
    return template if isinstance(template, str) else scope["path"][:200]


def _request_id(given: str) -> str:
    """The id that the client, or a proxy, gave, where it is fit for a log; else a new one."""
    return given if _ID.fullmatch(given) else uuid.uuid4().hex


def _shortened(asked: Any) -> Any:
    """What was asked, without the recordings in it: no question is a word of a thousand letters."""
    if isinstance(asked, bytes | bytearray):
        try:
            return _shortened(json.loads(asked))
        except (ValueError, RecursionError):
            return None
    if isinstance(asked, dict):
        return {name: _shortened(value) for name, value in asked.items()}
    if isinstance(asked, list):
        return [_shortened(value) for value in asked]
    if isinstance(asked, str) and (len(asked) > _MOST or re.search(r"\S{1000}", asked)):
        return f"({len(asked)} characters)"
    return asked


class CatchAll:
    """Ends what fails unexpectedly with a plain 500, and tells the log alone what it was.

    Starlette's own handler of such errors lies outside of all middleware, where no answer gets the headers of CORS.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = False

        async def noting(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, noting)
        except asyncio.CancelledError:  # by uvicorn alone: it ends, and waits no longer
            log.warning("The request was cut off, as the server ends.")
            told: HarkError = ModelError("The server ended before the answer was there.")
        except OSError as error:
            log.exception("The request failed.")
            told = _no_room() if error.errno in _FULL else ModelError("The server failed.")
        except Exception:
            log.exception("The request failed.")
            told = ModelError("The server failed.")
        else:
            return
        if not begun:  # else uvicorn ends the connection: the client must not take what it has for the whole
            await errors.response(HTTPConnection(scope), told)(scope, receive, send)


def _no_room() -> BusyError:
    return BusyError("The server has no room left, on its disk or for open files.", hint="Come later.", retry_after=5.0)


class _Formatter(logging.Formatter):
    """Leaves out what may be content: messages of exceptions quote the values they complain of."""

    def __init__(self, *, content: bool) -> None:
        super().__init__()
        self.content = content

    def said(self, record: logging.LogRecord) -> str:
        text = record.getMessage()
        # asyncio writes the exception of a task that nobody awaited into its message, from the second line on.
        return text.partition("\n")[0] if record.name == "asyncio" and not self.content else text

    def formatException(  # noqa: N802 - the name is logging's
        self, ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
    ) -> str:
        """The chain of exceptions: where each arose, and its kind."""
        if self.content:
            return super().formatException(ei)
        return "".join(_bare(ei[1], set())).rstrip()


def _bare(error: BaseException | None, seen: set[int]) -> list[str]:
    if error is None or id(error) in seen:
        return []
    seen.add(id(error))
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    kind = f"{type(error).__module__}.{type(error).__qualname__}"
    reason = error.message if isinstance(error, _PLAIN) else getattr(error, "strerror", None)
    said = f"{kind}: {reason}" if reason else kind
    return [*_bare(before, seen), *traceback.format_tb(error.__traceback__), f"{said}\n"]


class _Text(_Formatter):
    """Lines for people."""

    def format(self, record: logging.LogRecord) -> str:
        """The time, the level, what is said, and where it broke."""
        said = self.said(record)
        if not said.isprintable():
            said = "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in said)
        request_id = None if hasattr(record, "fields") else _current.get()
        text = f"{_time(record)} {record.levelname} {said}{f' id={request_id}' if request_id else ''}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


class _Json(_Formatter):
    """Lines for machines."""

    def format(self, record: logging.LogRecord) -> str:
        """One object."""
        values = {"time": _time(record), "level": record.levelname.lower(), "logger": record.name}
        fields = getattr(record, "fields", None)
        values |= fields or {"message": self.said(record), "id": _current.get()}
        if record.exc_info:
            values["traceback"] = self.formatException(record.exc_info)
        return json.dumps(values, default=str)


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
