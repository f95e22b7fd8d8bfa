"""How work ends that nobody waits for any more: by itself, while its client is answered or gone."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

_ENDING: set[asyncio.Task[None]] = set()  # asyncio itself holds tasks weakly


def leave(work: asyncio.Future[Any] | None, of: AsyncGenerator[Any] | None = None) -> None:
    """Cancel work and close the generator that it is a step of; returns at once, the rest happens by itself.

    Whoever waited may be cancelled again while it waits (anyio does so at every await), which would tear the clean-up
    of the work apart: this way only the work itself is cancelled, and once.
    """
    if work is not None:
        work.cancel()
    task = asyncio.ensure_future(_end(work, of))
    _ENDING.add(task)
    task.add_done_callback(_ENDING.discard)


async def ended(seconds: float) -> None:
    """Wait until all that was left has ended, or so long."""
    mine = {one for one in _ENDING if one.get_loop() is asyncio.get_running_loop()}
    if mine:
        await asyncio.wait(mine, timeout=seconds)


async def _end(work: asyncio.Future[Any] | None, of: AsyncGenerator[Any] | None) -> None:
    if work is not None:
        await asyncio.wait({work})
        if not work.cancelled():
            work.exception()  # read, or asyncio complains of an error that nobody saw
    if of is not None:
        with contextlib.suppress(Exception):  # nobody is there to be told
            await of.aclose()
