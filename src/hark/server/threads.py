"""The one way from asyncio to the rest of hark: a generator runs in a thread, and stops when nobody wants it."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from hark.answers.answer import Delta
from hark.engines.steps import UNWANTED
from hark.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator

    Ended = Callable[[Exception | None], None]

T = TypeVar("T")
_NOTHING = Delta()
_POOL = ThreadPoolExecutor(256, thread_name_prefix="hark")  # many only wait: for a process, or an address far away
_AHEAD = 64  # steps that may wait to be taken: a slow client slows its model, and fills no memory


async def steps(make: Callable[[], Iterator[T]], ended: Ended | None = None) -> AsyncGenerator[T]:
    """Run a generator in one thread and give what it yields.

    When this is closed or cancelled, the generator is closed after the step it is in, and this ends when it has.

    Raises:
        Exception: whatever the generator raises.
    """
    inbox = asyncio.Queue[Any]()

    def end(error: Exception | None) -> None:
        if ended:
            ended(error)
        inbox.put_nowait(("end", error))

    work = Work(make, lambda step: inbox.put_nowait(("step", step)), end)
    try:
        while True:
            kind, value = await inbox.get()
            if kind == "step":
                work.took()
                yield value
            elif value is not None:
                raise value
            else:
                return
    finally:
        work.stop()
        await work.over.wait()  # the model is free only when the thread is


async def finished(make: Callable[[], Iterator[object]], ended: Ended | None = None) -> None:
    """Run a generator in one thread to its end; when this is cancelled, as `steps`.

    Raises:
        Exception: whatever the generator raises.
    """
    done = asyncio.get_running_loop().create_future()

    def end(error: Exception | None) -> None:
        if ended:
            ended(error)
        if error and not done.done():
            done.set_exception(error)
        elif not done.done():
            done.set_result(None)

    work = Work(make, lambda _: work.took(), end)
    try:
        await done
    finally:
        work.stop()
        await work.over.wait()


class _Staying:
    """Threads that stay for further work, whoever worked last first.

    A new one for each request would hold up the event loop until it has begun, and begin OpenMP's own anew.
    """

    def __init__(self) -> None:
        self._idle: list[queue.SimpleQueue[Callable[[], object]]] = []

    def do(self, work: Callable[[], object]) -> None:
        """Have something done that raises nothing.

        Raises:
            RuntimeError: there are as many threads as the system allows.
        """
        try:
            inbox = self._idle.pop()
        except IndexError:
            inbox = queue.SimpleQueue()
            threading.Thread(target=self._stay, args=(inbox,), daemon=True).start()
        inbox.put(work)

    def _stay(self, inbox: queue.SimpleQueue[Callable[[], object]]) -> None:
        while True:
            inbox.get()()
            self._idle.append(inbox)


_STAYING = _Staying()


class Work:
    """A generator at work in a thread; `step` and `end` are called in the event loop, `end` last and always.

    Steps that say nothing (an empty `Delta`) are places to stop, and not passed on.
    """

    def __init__(
        self,
        make: Callable[[], Iterator[Any]],
        step: Callable[[Any], None],
        end: Ended,
        context: contextvars.Context | None = None,
    ) -> None:
        self.over = asyncio.Event()
        self._make, self._step, self._end = make, step, end
        self._loop = asyncio.get_running_loop()
        self._room, self._unwanted = threading.Semaphore(_AHEAD), threading.Event()
        context = context or contextvars.copy_context()
        context.run(UNWANTED.set, self._unwanted)
        try:
            _STAYING.do(lambda: context.run(self._work))
        except RuntimeError as error:  # there are as many threads as the system allows
            self._loop.call_soon(self._ended, tame(error))

    def stop(self) -> None:
        """End it after the step it is in."""
        self._unwanted.set()
        self._room.release()

    def took(self) -> None:
        """Make room for one step more."""
        self._room.release()

    def _work(self) -> None:
        error: Exception | None = None
        try:
            with contextlib.closing(self._make()) as steps:  # type: ignore[type-var]
                for step in steps:
                    if not (isinstance(step, Delta) and step == _NOTHING):
                        self._room.acquire()
                        self._tell(self._step, step)
                    if self._unwanted.is_set():
                        break
        except BaseException as raised:  # noqa: BLE001 - it is told where the steps are taken
            error = tame(raised)
        self._tell(self._ended, error)

    def _ended(self, error: Exception | None) -> None:
        self.over.set()
        self._end(error)

    def _tell(self, what: Callable[[Any], None], value: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the server is gone
            self._loop.call_soon_threadsafe(what, value)


def tame(error: BaseException) -> Exception:
    """An error that ends one request: asyncio ends the whole server at a SystemExit, or takes it for its own cancel."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration | StopAsyncIteration):
        return error
    tamed = ModelError("The model ended as if it were the whole program.")
    tamed.__cause__ = error
    return tamed


async def in_thread(work: Callable[[], T]) -> T:
    """Do something that takes a while apart from the event loop; what it does may ask `is_unwanted`, and end."""
    context, gone = contextvars.copy_context(), threading.Event()
    context.run(UNWANTED.set, gone)
    try:
        return await asyncio.get_running_loop().run_in_executor(_POOL, context.run, _tamely, work)
    except asyncio.CancelledError:
        gone.set()
        raise


def _tamely(work: Callable[[], T]) -> T:
    try:
        return work()
    except BaseException as error:  # noqa: BLE001 - raised where it is waited for
        raise tame(error)  # noqa: B904 - it is the same, or has its cause


def is_unwanted() -> bool:
    """Is this thread at something for `steps` or `in_thread` that nobody waits for any more?"""
    gone = UNWANTED.get()
    return gone is not None and gone.is_set()
