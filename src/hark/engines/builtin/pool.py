"""Worker processes that recognise windows: started when needed, kept between calls, replaced when they die."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, cast

from hark.engines.builtin.worker import receive, send
from hark.errors import ModelError
from hark.machine import usable_cores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Each worker holds its own model (about 110 MiB): many cores must not take all memory.
_MOST = 8


class Found(NamedTuple):
    """A word as pocketsphinx gives it: 10 ms frames of the window, first and last, and its scores.

    `acoustic` and `language` are probabilities, `order` is the length of the n-gram the language model knew (1 to 3),
    and `posterior` is the word's share among all paths of the lattice.
    """

    text: str
    first: int
    last: int
    acoustic: float
    language: float
    order: int
    posterior: float


class Stopped(Exception):  # noqa: N818 - not an error: the work is no longer wanted
    """The call this window belonged to was closed."""


class Call:
    """What one call has running, so that closing it ends the work at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stopped = False
        self._busy: set[_Worker] = set()

    def stop(self) -> None:
        """End the processes that work for this call; from now on it gets no others."""
        with self._lock:
            self._stopped = True
            for worker in self._busy:
                worker.process.kill()

    def check(self) -> None:
        """Go on only while the call is wanted.

        Raises:
            Stopped: the call is closed.
        """
        if self._stopped:
            raise Stopped

    @contextlib.contextmanager
    def using(self, worker: _Worker) -> Iterator[None]:
        """Tell that a worker works for this call.

        Raises:
            Stopped: the call is closed.
        """
        with self._lock:
            self.check()
            self._busy.add(worker)
        try:
            yield
        except ModelError:
            if self._stopped:
                raise Stopped from None
            raise
        finally:
            with self._lock:
                self._busy.discard(worker)


class Pool:
    """At most `size` workers; `run` may be called from as many threads at once.

    `settings` are pocketsphinx's, over those of `worker.SETTINGS`.
    """

    def __init__(self, size: int | None = None, settings: dict[str, Any] | None = None) -> None:
        self._settings = json.dumps(settings or {})
        self.size = size or max(1, min(usable_cores(), _MOST))
        self._free = threading.BoundedSemaphore(self.size)
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()
        self._owner = os.getpid()

    @property
    def mine(self) -> bool:
        """False in a process forked from the one that made the pool: the workers are the parent's."""
        return self._owner == os.getpid()

    @property
    def pids(self) -> list[int]:
        """The processes that are running now."""
        with self._lock:
            return [worker.process.pid for worker in self._all]

    def run(self, samples: bytes, call: Call) -> list[Found]:
        """Recognise 16-bit samples; a worker that dies is replaced once.

        Raises:
            ModelError: the recogniser failed on these samples, twice if it crashed.
            Stopped: the call was closed meanwhile.
        """
        with self._free:
            try:
                return self._once(samples, call)
            except _CrashedError:
                return self._once(samples, call)

    def lease(self) -> Lease | None:
        """A worker for one caller until it is given back; None where all are at work.

        Raises:
            ModelError: it cannot be started.
        """
        if not self._free.acquire(blocking=False):
            return None
        try:
            return Lease(self._take(), self._returned)
        except BaseException:
            self._free.release()
            raise

    def close(self) -> None:
        """End all workers; new ones are started when next needed."""
        if not self.mine:
            return
        with self._lock:
            workers, self._all, self._idle = self._all, set(), []
        for worker in workers:
            worker.end()

    def _once(self, samples: bytes, call: Call) -> list[Found]:
        call.check()
        worker = self._take()
        try:
            with call.using(worker):
                words = worker.recognise(samples)
        except BaseException:
            with self._lock:
                self._all.discard(worker)
            worker.end()
            raise
        self._give(worker)
        return words

    def _give(self, worker: _Worker) -> None:
        with self._lock:
            if worker in self._all:
                self._idle.append(worker)

    def _returned(self, worker: _Worker) -> None:
        self._give(worker)  # where it has ended, whoever takes it finds out
        self._free.release()

    def _take(self) -> _Worker:
        with self._lock:
            while self._idle:
                worker = self._idle.pop()
                if worker.process.poll() is None:
                    return worker
                self._all.discard(worker)
                worker.end()
            worker = _Worker(self._settings)
            self._all.add(worker)
            return worker


class Lease:
    """One worker of a pool, held over many requests because of what it remembers; `close` gives it back."""

    def __init__(self, worker: _Worker, give: Callable[[_Worker], None]) -> None:
        self._worker = worker
        self.close = weakref.finalize(self, give, worker)

    def ask(self, request: bytes) -> Any:
        """What the worker says to a request.

        Raises:
            ModelError: it failed; the lease is over.
        """
        try:
            return self._worker.ask(request)
        except BaseException:
            self._worker.end()
            self.close()
            raise


class _CrashedError(ModelError):
    """A worker died, or said something that is no reply."""


class _Worker:
    def __init__(self, settings: str) -> None:
        script = Path(__file__).with_name("worker.py")
        # The same packages as here, also where they were put on the path by hand; -P keeps the script's folder off it.
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-P", str(script), settings],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment,
            )  # fmt: skip
        except OSError as error:
            raise ModelError(f"The recogniser cannot be started: {error}.", hint="Run `hark doctor`.") from error

        self._requests = cast("BinaryIO", self.process.stdin)
        self._replies = cast("BinaryIO", self.process.stdout)

    def recognise(self, samples: bytes) -> list[Found]:
        return [Found(*word) for word in self.ask(samples)]

    def ask(self, request: bytes) -> Any:
        try:
            send(self._requests, request)
            said = receive(self._replies)
            found = None if said is None else json.loads(said)
        except (OSError, ValueError):  # ValueError: closed meanwhile, or no JSON
            found = None
        if found is None:
            raise _CrashedError("The recogniser (pocketsphinx) stopped unexpectedly.", hint="Run `hark doctor`.")
        if isinstance(found, dict):
            raise ModelError(f"The recogniser (pocketsphinx) failed: {found['error']}", hint="Run `hark doctor`.")
        return found

    def end(self) -> None:
        """Kill it and collect it: it holds nothing worth saving."""
        self.process.kill()
        self.process.wait()
        for pipe in (self._requests, self._replies):
            with contextlib.suppress(OSError):  # what was not sent cannot be flushed any more
                pipe.close()
