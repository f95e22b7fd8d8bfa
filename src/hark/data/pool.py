"""Work on many items in several processes, in order, few at a time in memory; a worker that dies costs one item."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

Item = TypeVar("Item")
Result = TypeVar("Result")
_WAITING = 8  # items for each worker that are read ahead


def mapped(
    work: Callable[[Item], Result], items: Iterable[Item], jobs: int, crashed: Callable[[Item], Result]
) -> Iterator[tuple[Item, Result]]:
    """Each item with what `work` makes of it, in order; `crashed` gives the result where a worker dies of it.

    `work` and the items have to survive pickling.
    """
    pool = _pool(jobs)
    waiting: deque[tuple[Item, Future[Result]]] = deque()
    try:
        for item in items:
            waiting.append((item, _submit(pool, work, item)))
            if len(waiting) >= jobs * _WAITING:
                pool, pair = _next(pool, work, waiting, jobs, crashed)
                yield pair
        while waiting:
            pool, pair = _next(pool, work, waiting, jobs, crashed)
            yield pair
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _next(
    pool: ProcessPoolExecutor,
    work: Callable[[Item], Result],
    waiting: deque[tuple[Item, Future[Result]]],
    jobs: int,
    crashed: Callable[[Item], Result],
) -> tuple[ProcessPoolExecutor, tuple[Item, Result]]:
    item, future = waiting.popleft()
    try:
        return pool, (item, future.result())
    except BrokenProcessPool:
        pool.shutdown(wait=False)
        result = _alone(work, item, crashed)
        again = _pool(jobs)
        rest = [(each, _submit(again, work, each)) for each, _ in waiting]
        waiting.clear()
        waiting.extend(rest)
        return again, (item, result)


def _submit(pool: ProcessPoolExecutor, work: Callable[[Item], Result], item: Item) -> Future[Result]:
    try:
        return pool.submit(work, item)
    except BrokenProcessPool as error:  # found out by whoever waits for the result
        from concurrent.futures import Future

        failed: Future[Result] = Future()
        failed.set_exception(error)
        return failed


def _alone(work: Callable[[Item], Result], item: Item, crashed: Callable[[Item], Result]) -> Result:
    """Do one item in a process of its own, to learn whether it is the one that workers die of."""
    with _pool(1) as pool:
        try:
            return pool.submit(work, item).result()
        except BrokenProcessPool:
            return crashed(item)


def _pool(jobs: int) -> ProcessPoolExecutor:
    # Not by fork: decoders and their threads do not survive it.
    context = multiprocessing.get_context("forkserver" if sys.platform.startswith("linux") else "spawn")
    return ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin)


def _begin() -> None:
    """Leave Ctrl-C to the process that reads, and the processors to each other."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Go when the process that reads was killed: a worker would wait for items for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
