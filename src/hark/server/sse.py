"""Server-sent events: JSON lines as they come, a comment while nothing does, an error in the stream where it breaks."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

from starlette.responses import StreamingResponse

from hark.errors import HarkError, ModelError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

_QUIET_SECONDS = 15.0
_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}  # a proxy would hold events back


def events(items: AsyncGenerator[Any], failed: Callable[[HarkError], Any], *, done: bool = True) -> StreamingResponse:
    """A response that sends items as events, and closes `items` when the client leaves.

    A `(name, value)` pair is an event with a name. `failed` makes the event that tells of an error.
    """
    return StreamingResponse(_lines(items, failed, done), media_type="text/event-stream", headers=_HEADERS)


async def _lines(items: AsyncGenerator[Any], failed: Callable[[HarkError], Any], done: bool) -> AsyncGenerator[str]:
    async with contextlib.aclosing(items):
        following = asyncio.ensure_future(anext(items))
        try:
            while True:
                ready, _ = await asyncio.wait({following}, timeout=_QUIET_SECONDS)
                if not ready:
                    yield ": still at work\n\n"
                    continue
                try:
                    yield _line(following.result())
                except StopAsyncIteration:
                    break
                except HarkError as error:
                    yield _line(failed(error))
                    break
                except Exception:  # noqa: BLE001 - the status is sent: the stream has to say it
                    yield _line(failed(ModelError("The server failed.")))
                    break
                following = asyncio.ensure_future(anext(items))
        finally:
            if not following.done():
                following.cancel()
                with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration, Exception):
                    await following
    if done:
        yield "data: [DONE]\n\n"


def _line(item: Any) -> str:
    name, value = item if isinstance(item, tuple) else (None, item)
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(value, ensure_ascii=False)}\n\n"
