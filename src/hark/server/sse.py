"""Server-sent events: JSON lines as they come, a comment while nothing does, an error in the stream where it breaks."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from typing import TYPE_CHECKING, Any

from starlette.responses import StreamingResponse

from hark.errors import HarkError, ModelError
from hark.server import ending

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from starlette.types import Receive, Scope, Send

_QUIET_SECONDS = 15.0
_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}  # a proxy would hold events back
_log = logging.getLogger(__name__)


def events(items: AsyncGenerator[Any], failed: Callable[[HarkError], Any], *, done: bool = True) -> StreamingResponse:
    """A response that sends items as events, and closes `items` when the client leaves.

    A `(name, value)` pair is an event with a name. `failed` makes the event that tells of an error.
    """
    return _Events(_lines(items, failed, done), media_type="text/event-stream", headers=_HEADERS)


class _Events(StreamingResponse):
    """Starlette leaves the generator to the garbage collector where the client leaves while an event is sent."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        lines: Any = self.body_iterator
        async with contextlib.aclosing(lines):
            await super().__call__(scope, receive, send)


async def _lines(items: AsyncGenerator[Any], failed: Callable[[HarkError], Any], done: bool) -> AsyncGenerator[str]:
    following: asyncio.Future[Any] | None = None
    try:
        following = asyncio.ensure_future(anext(items))
        while True:
            ready, _ = await asyncio.wait({following}, timeout=_QUIET_SECONDS)
            if not ready:
                yield ": still at work\n\n"
                continue
            try:
                yield _line(following.result())
            except StopAsyncIteration:
                break
            except Exception as error:  # noqa: BLE001 - the status is sent: the stream has to say it
                yield _line(failed(_known(error)))
                break
            following = asyncio.ensure_future(anext(items))
    finally:
        ending.leave(following, items)
    if done:
        yield "data: [DONE]\n\n"


def _known(error: Exception) -> HarkError:
    if not isinstance(error, HarkError) or error.http_status >= 500:
        _log.error("A stream failed.", exc_info=error)
    return error if isinstance(error, HarkError) else ModelError("The server failed.")


def _line(item: Any) -> str:
    name, value = item if isinstance(item, tuple) else (None, item)
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(value, ensure_ascii=False)}\n\n"
