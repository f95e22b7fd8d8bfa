"""Get the answers of a model to many requests: one by one, several at a time, or in batches; failures are answers too.

A batch that fails is asked one by one, so that one recording that cannot be heard costs one answer.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from hark.answers.answer import Answer
from hark.engines.asking import Asked
from hark.errors import HarkError, MissingExtraError, ModelBrokenError, ModelNotFoundError, SettingsError
from hark.evaluation.asking import deltas
from hark.evaluation.task import Reply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hark.answers.answer import Delta
    from hark.evaluation.task import Request
    from hark.listener import Listener

T = TypeVar("T")
# No sample has to do with these: the next would fail of the same.
FATAL = (MissingExtraError, ModelBrokenError, ModelNotFoundError, SettingsError)
BATCH = 8  # what is answered at once, where the model gains by it


@dataclass(frozen=True, slots=True)
class Wanted(Generic[T]):
    """A request, with what it is for."""

    item: T
    request: Request


@dataclass(slots=True)
class Answering:
    """How a listener is asked.

    Attributes:
        jobs: requests under way at a time; None is what the engine says it can well do.
        batch: requests answered at once where the model gains by it; 1 asks one by one.
        alone: one by one, so that times are those of one answer.
    """

    listener: Listener
    jobs: int | None = None
    batch: int = BATCH
    alone: bool = False
    _stopped: threading.Event = field(default_factory=threading.Event)

    def replies(self, wanted: Iterator[Wanted[T]]) -> Iterator[tuple[T, Reply]]:
        """Each with its reply, as they come; requests are taken as they can be asked, none is held in memory.

        Raises:
            MissingExtraError, ModelNotFoundError, ModelBrokenError, SettingsError: no sample could be answered.
        """
        jobs = 1 if self.alone else self.jobs or self.listener.engine.parallel
        if jobs > 1:
            yield from self._threads(wanted, jobs)
        elif self.alone or self.batch < 2:
            for each in wanted:
                yield each.item, self.reply(each.request)
        else:
            while some := list(islice(wanted, self.batch)):
                yield from self._batched(some)

    def reply(self, request: Request) -> Reply:
        """The reply to one request."""
        start = time.perf_counter()
        first: list[float] = []

        def steps() -> Iterator[Delta]:
            with contextlib.closing(deltas(self.listener, request)) as given:  # type: ignore[type-var]
                for delta in given:
                    if not first and (delta.text or delta.segments):
                        first.append(time.perf_counter() - start)
                    yield delta
                    if self._stopped.is_set():
                        return

        answer, error = _tried(lambda: Answer.of(steps()))
        seconds = time.perf_counter() - start
        peak = memory(self.listener) if self.alone else None  # asking for it takes a millisecond
        return Reply(answer, error, seconds, first[0] if first else None, peak)

    def _threads(self, wanted: Iterator[Wanted[T]], jobs: int) -> Iterator[tuple[T, Reply]]:
        pool = ThreadPoolExecutor(jobs)
        waiting: dict[Any, T] = {}
        try:
            for each in wanted:
                waiting[pool.submit(self.reply, each.request)] = each.item
                while len(waiting) >= 2 * jobs:
                    yield from _done(waiting)
            while waiting:
                yield from _done(waiting)
        finally:
            self._stopped.set()
            pool.shutdown(wait=True, cancel_futures=True)
            self._stopped.clear()

    def _batched(self, some: list[Wanted[T]]) -> Iterator[tuple[T, Reply]]:
        """The replies to some requests: those that may share a batch first, each of the others by itself."""
        together: dict[Any, list[tuple[Wanted[T], Asked]]] = {}
        alone: list[Wanted[T]] = []
        for each in some:
            asked = self._asked(each.request)
            if asked is None:
                alone.append(each)
            else:
                together.setdefault(asked.options, []).append((each, asked))
        for pairs in together.values():
            answers = self._together([asked for _, asked in pairs]) if len(pairs) > 1 else None
            if answers is None:
                alone += [each for each, _ in pairs]
            else:
                yield from ((each.item, reply) for (each, _), reply in zip(pairs, answers, strict=True))
        for each in alone:
            yield each.item, self.reply(each.request)

    def _asked(self, request: Request) -> Asked | None:
        """How the engine is asked with others; None where it is asked alone."""
        if request.way != "answer":
            return None
        try:
            asked = Asked.of(self.listener.engine, request.conversation, **request.options)
        except HarkError:
            return None  # asked by itself, it fails of the same
        return None if asked.alone or not self.listener.engine.batches(asked.options) else asked

    def _together(self, asked: list[Asked]) -> list[Reply] | None:
        engine = self.listener.engine
        answers, _ = _tried(lambda: engine.generate_batch([one.conversation for one in asked], asked[0].options))
        if answers is None:
            return None
        checked = [_tried(lambda a=a, one=one: one.checked(a, engine)) for a, one in zip(answers, asked, strict=True)]
        return [Reply(answer, error) for answer, error in checked]


def _tried(work: Any) -> tuple[Any, str | None]:
    """What some work gives, or why it failed; what no sample has to do with is raised."""
    try:
        return work(), None
    except FATAL:
        raise
    except HarkError as error:
        return None, f"{error.message} {error.hint}".strip()
    except Exception as error:  # noqa: BLE001 - whatever a library raises costs one answer, not the run
        return None, f"{type(error).__name__}: {error}"


def _done(waiting: dict[Any, T]) -> Iterator[tuple[T, Reply]]:
    done, _ = wait(waiting, return_when=FIRST_COMPLETED)
    for future in done:
        yield waiting.pop(future), future.result()


def memory(listener: Listener) -> int | None:
    """The largest resident memory so far of this process and its workers, in bytes; None where a server works."""
    if listener.engine.name.partition(":")[0] in ("openai", "realtime"):
        return None
    try:
        return sum(map(_peak, ["self", *_children()]))
    except OSError:  # no Linux
        pass
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _children() -> list[str]:
    found: list[str] = []
    for task in os.listdir("/proc/self/task"):
        with contextlib.suppress(OSError), open(f"/proc/self/task/{task}/children", encoding="ascii") as file:
            found += file.read().split()
    return found


def _peak(process: str) -> int:
    try:
        with open(f"/proc/{process}/status", encoding="utf-8") as file:
            return next((int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM")), 0)
    except OSError:
        if process == "self":
            raise
        return 0  # it ended in the meantime
