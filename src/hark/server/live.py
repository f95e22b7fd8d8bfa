"""Live sessions of a server: so many at once, each ended with its client, and no client waited for without end."""

from __future__ import annotations

import asyncio
import contextlib
import json
from functools import partial
from typing import TYPE_CHECKING, Any

from hark.errors import BusyError
from hark.realtime.session import Session
from hark.server import errors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from hark.server.service import Service

_MOST_WAITING = 8 * 2**20  # characters of JSON: a slow client catches up, and what a dead one is told fills no memory
_STALLED_SECONDS = 30.0  # for one event to be taken
_ENDING_SECONDS = 20.0


class StalledError(Exception):
    """The client does not read what it is told."""


class Outbox:
    """Events on their way to a client; putting one in never waits.

    Args:
        write: takes one event to the client, and waits while the client does not read.
    """

    def __init__(self, write: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
        self._write = write
        self._events = asyncio.Queue[tuple[dict[str, Any], int]]()
        self._waiting = 0
        self._full = asyncio.Event()

    async def put(self, event: dict[str, Any]) -> None:
        """Tell the client something, when it comes to it."""
        size = len(json.dumps(event))
        if self._waiting + size > _MOST_WAITING:
            self._full.set()
        else:
            self._waiting += size
            self._events.put_nowait((event, size))

    async def run(self) -> None:
        """Write what is put in, until this is cancelled.

        Raises:
            StalledError: the client does not read.
        """
        writing = asyncio.ensure_future(self._run())
        full = asyncio.ensure_future(self._full.wait())
        try:
            await asyncio.wait({writing, full}, return_when=asyncio.FIRST_COMPLETED)
            if full.done():
                raise StalledError
            await writing
        finally:
            writing.cancel()
            full.cancel()

    async def _run(self) -> None:
        while True:
            event, size = await self._events.get()
            self._waiting -= size
            try:
                async with asyncio.timeout(_STALLED_SECONDS):
                    await self._write(event)
            except TimeoutError:
                raise StalledError from None


class Live:
    """The sessions of a server.

    Attributes:
        count: how many there are.
        calls: those over WebRTC by what clients hang up by; they outlive the requests that began them.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self.count = 0
        self.calls: dict[str, asyncio.Task[None]] = {}

    @contextlib.asynccontextmanager
    async def session(
        self, model: str | None, send: Callable[[dict[str, Any]], Awaitable[None]], *, transcribes: bool = False
    ) -> AsyncIterator[Session]:
        """A session with a model (None: the default) until the block ends; `send` takes its events.

        Raises:
            NotServedError: there is no such model.
            BusyError: there are as many sessions as there may be.
        """
        service = self._service
        name = service.models.find(model).name
        if self.count >= service.config.max_sessions:
            service.metrics.rejections.labels("sessions").inc()
            raise BusyError("There are as many live sessions as the server holds.", hint="Come again in a moment.")
        session = Session(service.models.lane(name), name, send, transcribes=transcribes, find=service.models.lane)
        session.called = partial(errors.as_called, service)
        session.on_usage = partial(service.metrics.used, name)
        self.count += 1
        try:
            yield session
        finally:
            self.count -= 1
            await session.close()

    async def close(self) -> None:
        """End all calls."""
        calls = list(self.calls.values())
        for call in calls:
            call.cancel()
        if calls:
            await asyncio.wait(calls, timeout=_ENDING_SECONDS)
