"""The one way from asyncio to the rest of hark: a generator runs in a thread, and stops when nobody wants it."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from hark.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator

T = TypeVar("T")
_unwanted: contextvars.ContextVar[threading.Event | None] = contextvars.ContextVar("unwanted", default=None)
_POOL = ThreadPoolExecutor(256, thread_name_prefix="hark")  # many only wait: for a process, or an address far away
_AHEAD = 64  # steps that may wait to be taken: a slow client slows its model, and fills no memory


async def steps(make: Callable[[], Iterator[T]]) -> AsyncGenerator[T]:
    """Run a generator in a thread of its own and give what it yields.

    When this is closed or cancelled, the generator is closed after the step it is in, and this ends when it has.

    Raises:
        Exception: whatever the generator raises.
    """
    loop, inbox = asyncio.get_running_loop(), asyncio.Queue[Any]()
    run = _Run(make, lambda item: loop.call_soon_threadsafe(inbox.put_nowait, item))
    context = contextvars.copy_context()
    context.run(_unwanted.set, run.unwanted)
    thread = threading.Thread(target=context.run, args=(run.work,), daemon=True)
    thread.start()
    ended = False
    try:
        while True:
            kind, value = await inbox.get()
            if kind == "step":
                run.room.release()
                yield value
                continue
            ended = True
            if kind == "error":
                raise value
            return
    finally:
        run.stop()
        while not ended:  # the model is free only when the thread is
            ended = (await asyncio.shield(inbox.get()))[0] != "step"


class _Run:
    """The generator's side, in its thread."""

    def __init__(self, make: Callable[[], Iterator[Any]], tell: Callable[[tuple[str, Any]], Any]) -> None:
        self.make, self.tell = make, tell
        self.room = threading.Semaphore(_AHEAD)
        self.unwanted = threading.Event()

    def stop(self) -> None:
        self.unwanted.set()
        self.room.release()

    def work(self) -> None:
        last: tuple[str, Any] = ("end", None)
        try:
            with contextlib.closing(self.make()) as steps:  # type: ignore[type-var]
                for step in steps:
                    self.room.acquire()
                    if self.unwanted.is_set():
                        break
                    self.tell(("step", step))
        except BaseException as error:  # noqa: BLE001 - raised again where the steps are taken
            last = ("error", _tame(error))
        with contextlib.suppress(RuntimeError):  # the loop is closed: the server is gone
            self.tell(last)


def _tame(error: BaseException) -> Exception:
    """An error that ends one request: asyncio ends the whole server at a SystemExit, or takes it for its own cancel."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration | StopAsyncIteration):
        return error
    tame = ModelError("The model ended as if it were the whole program.")
    tame.__cause__ = error
    return tame


async def in_thread(work: Callable[[], T]) -> T:
    """Do something that takes a while apart from the event loop; what it does may ask `is_unwanted`, and end."""
    context, gone = contextvars.copy_context(), threading.Event()
    context.run(_unwanted.set, gone)
    try:
        return await asyncio.get_running_loop().run_in_executor(_POOL, context.run, _tamely, work)
    except asyncio.CancelledError:
        gone.set()
        raise


def _tamely(work: Callable[[], T]) -> T:
    try:
        return work()
    except BaseException as error:  # noqa: BLE001 - raised where it is waited for
        raise _tame(error)  # noqa: B904 - it is the same, or has its cause


def is_unwanted() -> bool:
    """Is this thread at something for `steps` or `in_thread` that nobody waits for any more?"""
    gone = _unwanted.get()
    return gone is not None and gone.is_set()
