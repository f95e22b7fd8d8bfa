"""What a model is asked, in the order it came: so many at a time as it can, alike questions together."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar

from hark.server.memory import Memory, return_all
from hark.server.questions import Answering, Question, Turn, joins, joint, together
from hark.server.threads import finished, in_thread, steps

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator

    from hark.answers.answer import Answer
    from hark.conversation.conversation import Conversation
    from hark.listener import Listener
    from hark.server.config import Config

T = TypeVar("T")
_log = logging.getLogger(__name__)


class Lane:
    """The way to one model.

    Args:
        listener: the model; its weights are loaded when it is first used.
        config: how long questions wait for others, how many are answered together, when the model is let go.
        memory: what all models may take, and `megabytes` what this one does.

    Attributes:
        running: how many the model works for (a batch is one); waiting: how many wait for it.
        loaded: whether it counts as in memory.
        on_batch: called with the size of each batch, 1 included, of questions for a whole answer.
        on_wait: called with the seconds that somebody waited for the model.
    """

    def __init__(
        self, listener: Listener, config: Config, memory: Memory | None = None, megabytes: float = 0.0
    ) -> None:
        self.listener, self.config = listener, config
        self.memory, self.megabytes = memory or Memory(None), megabytes
        self.memory.holders.append(self)
        self.running, self.loaded, self.used = 0, False, 0.0
        self.on_batch: Callable[[int], None] = _nothing
        self.on_wait: Callable[[float], None] = _nothing
        self._queue: deque[Turn] = deque()
        self._proved = False  # has it given anything since it was loaded?
        self._later: asyncio.TimerHandle | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._closing: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """How many wait for the model."""
        return len(self._queue)

    @property
    def idle(self) -> bool:
        """Is the model in memory, and does nobody use it?"""
        return self.loaded and not self.running and self._closing is None

    async def run(self, work: Callable[[Listener], Iterator[T]]) -> AsyncGenerator[T]:
        """Do some work with the model when it is its turn, and give the steps; closing this stops it.

        Raises:
            Exception: whatever the work raises.
        """
        await self._turn()
        async with contextlib.aclosing(steps(lambda: work(self.listener), self._ended)) as found:
            async for step in found:
                yield step

    async def whole(self, work: Callable[[Listener], Iterator[object]]) -> None:
        """Do some work with the model when it is its turn; its steps are places to stop when this is cancelled.

        Raises:
            Exception: whatever the work raises.
        """
        await self._turn()
        await finished(lambda: work(self.listener), self._ended)

    async def answer(self, conversation: Conversation, options: dict[str, Any]) -> Answer:
        """The whole answer to a question, worked out together with others where that changes nothing.

        Raises:
            HarkError: as `Listener.answer`.
        """
        question = Question(conversation, options)
        engine = self.listener.engine
        able = self.config.max_batch > 1 and joins(engine)
        found = await in_thread(lambda: joint(engine, question)) if able else None
        turn = self._queued(question, found)
        try:
            answer: Answer = await turn.done
            return answer
        finally:
            self._left(turn)

    async def warm(self) -> None:
        """Load the model now."""

        def work(listener: Listener) -> Iterator[None]:
            listener.engine.warm()
            yield

        await self.whole(work)

    def unload(self) -> None:
        """Let go of the model's memory, if nobody uses it; it is loaded again when next asked for."""
        if self.idle:
            self._closing = asyncio.ensure_future(self._close())

    def wake(self) -> None:
        """Look again whether somebody's turn has come."""
        asyncio.get_running_loop().call_soon(self._next)

    async def close(self) -> None:
        """Let go of the model for good."""
        for timer in (self._idle, self._later):
            if timer:
                timer.cancel()
        if self._closing:
            await self._closing
        await in_thread(self.listener.close)

    def _queued(self, question: Question | None = None, found: Any = None) -> Turn:
        turn = Turn(self.memory.number(), asyncio.get_running_loop().time(), question, found)
        self._queue.append(turn)
        self._next()
        return turn

    async def _turn(self) -> None:
        """Wait until the model is free."""
        turn = self._queued()
        try:
            await turn.done
        except asyncio.CancelledError:
            if turn.done.cancelled():
                self._left(turn)
            else:  # it was granted in the same moment
                self._ended(None)
            raise

    def _left(self, turn: Turn) -> None:
        turn.leave()
        if turn in self._queue:
            self._queue.remove(turn)
            self._next()

    def _next(self) -> None:
        """Begin as much as can be."""
        while self._queue and self.running < self.listener.engine.parallel and self._closing is None:
            head = self._queue[0]
            if head.done.done():  # it left
                self._queue.popleft()
                continue
            if not self.memory.admits(self, head.number):
                return
            turns = together(head, self._queue, self.config.max_batch)
            if head.joint is not None and len(turns) < self.config.max_batch and self._early(head):
                return
            self._begin(turns)
        if not self._queue:
            self.memory.forget(self)

    def _early(self, head: Turn) -> bool:
        """May others still come that can be answered together with this one?"""
        loop, due = asyncio.get_running_loop(), head.since + self.config.batch_ms / 1000
        if loop.time() >= due:
            return False
        if self._later is None:
            self._later = loop.call_at(due, self._ripe)
        return True

    def _ripe(self) -> None:
        self._later = None
        self._next()

    def _begin(self, turns: list[Turn]) -> None:
        self.running += 1
        if self._idle:
            self._idle.cancel()
        now = asyncio.get_running_loop().time()
        for turn in turns:
            self._queue.remove(turn)
            self.on_wait(now - turn.since)
        if turns[0].question is None:
            turns[0].done.set_result(None)
            return
        self.on_batch(len(turns))
        Answering(self.listener, turns, self._ended)

    def _ended(self, error: Exception | None) -> None:
        """Some work is over: the model is free for the next."""
        self.running -= 1
        loop = asyncio.get_running_loop()
        self.used = loop.time()
        failed = error is not None and getattr(error, "http_status", 500) >= 500 and not self._proved
        self._proved = self._proved or error is None
        self._next()
        if self.running:
            return
        if failed:
            self.unload()  # it may not have been loaded: what is counted for it is free again
        elif not self._queue and self.config.idle_seconds is not None:
            self._idle = loop.call_later(self.config.idle_seconds, self.unload)
        self.memory.freed()

    async def _close(self) -> None:
        try:
            await in_thread(self._let_go)
        except Exception:  # noqa: BLE001 - it counts as closed: nobody waits forever for its memory
            _log.exception("A model could not be closed.")
        finally:
            self.loaded = self._proved = False
            self._closing = None
            self.memory.freed()
            self._next()

    def _let_go(self) -> None:
        self.listener.close()
        return_all()


def _nothing(_: float) -> None:
    pass
