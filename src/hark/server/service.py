"""What all doors share: whoever asks, the model is found, waited for, asked, and stopped when the client leaves."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any, TypeVar, cast

from hark.answers.answer import Delta
from hark.errors import DeadlineError
from hark.server import ending
from hark.server.live import Live
from hark.server.media import Media
from hark.server.metrics import Heard, Metrics
from hark.server.models import Models

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterator

    from starlette.requests import Request

    from hark.answers.answer import Answer
    from hark.conversation.conversation import Conversation
    from hark.listener import Listener
    from hark.server.config import Config

T = TypeVar("T")
_ENDING_SECONDS = 10.0


class ClientLeftError(Exception):
    """Nobody waits for the answer any more."""


class Service:
    """Models and media of one server.

    Attributes:
        ready: whether it takes requests; not yet at its start, no more at its end.
        stopping: whether it was told to end, and lets what runs finish.
        inside: how many requests are in the house.
        live: the live sessions.
        begun: when it was made, in seconds since 1970.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.metrics = Metrics()
        self.models = Models(config)
        self.media = Media(config)
        self.media.on_heard = self.metrics.decoded.observe
        for name, lane in self.models.lanes.items():
            lane.on_wait = self.metrics.queued.labels(name).observe
            lane.on_batch = self.metrics.batches.labels(name).observe
        self.live = Live(self)
        self.ready = False
        self.stopping = False
        self.inside = 0
        self.begun = int(time.time())

    @property
    def full(self) -> bool:
        """Are as many requests in the house as it holds?"""
        return self.inside >= self.config.max_requests

    async def answer(self, request: Request, model: str | None, conversation: Conversation, **options: Any) -> Answer:
        """The whole answer to a conversation; `options` are those of `Listener.answer`."""
        heard = self._heard(request, model)
        lane = self.models.lane(model)
        answer = await self.wanted(request, lane.answer(conversation, options))
        heard.step(answer)
        heard.end()
        return answer

    async def collect(self, request: Request, model: str | None, work: Callable[[Listener], Iterator[T]]) -> list[T]:
        """All steps of some work with a model."""
        heard = self._heard(request, model)
        lane = self.models.lane(model)

        found: list[T] = []

        def gathered(listener: Listener) -> Iterator[Delta]:
            """The steps stay in the model's thread; what they leave are places to stop."""
            with contextlib.closing(cast("Generator[T]", work(listener))) as steps:
                for step in steps:
                    heard.step(step)
                    found.append(step)
                    yield Delta()

        try:
            await self.wanted(request, lane.whole(gathered))
            return found
        finally:
            heard.end()

    async def stream(
        self, request: Request, model: str | None, work: Callable[[Listener], Iterator[T]]
    ) -> AsyncGenerator[T]:
        """The steps of some work with a model; awaited until the first is there, so that an error has its status.

        Raises:
            ClientLeftError: the client left.
            DeadlineError: it took too long; also from the generator, when it has begun.
        """
        heard = self._heard(request, model, streamed=True)
        found = self.models.lane(model).run(work)
        try:
            first = [await self.wanted(request, anext(found))]
        except StopAsyncIteration:
            first = []
        return self._rest(request, heard, first, found)

    async def _rest(
        self, request: Request, heard: Heard, first: list[T], found: AsyncGenerator[T]
    ) -> AsyncGenerator[T]:
        following: asyncio.Future[T] | None = None
        try:
            for step in first:
                heard.step(step)
                yield step
            while True:
                following = asyncio.ensure_future(anext(found))
                await asyncio.wait({following}, timeout=self._left(request))
                if not following.done():
                    raise self._late()
                try:
                    step = following.result()
                except StopAsyncIteration:
                    return
                heard.step(step)
                yield step
        finally:
            heard.end()
            ending.leave(following, found)

    async def wanted(self, request: Request, work: Coroutine[Any, Any, T]) -> T:
        """Do some work for as long as its client is there and its time is not up; what is left of it ends by itself.

        Raises:
            ClientLeftError: the client left.
            DeadlineError: it took too long.
        """
        task = asyncio.ensure_future(work)
        gone = asyncio.ensure_future(_gone(request))
        try:
            await asyncio.wait({task, gone}, timeout=self._left(request), return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            if gone.done():
                raise ClientLeftError
            raise self._late()
        finally:
            if not gone.cancel() and not gone.cancelled():
                gone.exception()  # read, or asyncio complains of an error that nobody saw
            if not task.done():
                ending.leave(task)

    def _heard(self, request: Request, model: str | None, *, streamed: bool = False) -> Heard:
        name = self.models.find(model).name
        request.state.model = name
        return Heard(self.metrics, name, request.state, streamed=streamed)

    def _left(self, request: Request) -> float:
        begun: float = request.state.begun
        return max(0.0, begun + self.config.deadline_seconds - asyncio.get_running_loop().time())

    def _late(self) -> DeadlineError:
        said = f"The request took longer than {self.config.deadline_seconds:g} s."
        return DeadlineError(said, hint="Send less audio at once.")

    def measured(self) -> bytes:
        """What was counted, in Prometheus' text format."""
        self.metrics.inside.set(self.inside)
        self.metrics.sessions.set(self.live.count)
        for name, lane in self.models.lanes.items():
            self.metrics.waiting.labels(name).set(lane.waiting)
            self.metrics.running.labels(name).set(lane.running)
            self.metrics.loaded.labels(name).set(lane.loaded)
        return self.metrics.page()

    async def close(self) -> None:
        """Let go of models and processes."""
        self.ready = False
        await self.live.close()
        await ending.ended(_ENDING_SECONDS)
        await self.models.close()
        self.media.close()


async def _gone(request: Request) -> None:
    """Wait until the client leaves; its body was read before."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
