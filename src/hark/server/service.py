"""What all doors share: whoever asks, the model is found, waited for, asked, and stopped when the client leaves."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, TypeVar

from hark.errors import DeadlineError
from hark.server.media import Media
from hark.server.models import Models

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator

    from starlette.requests import Request

    from hark.answers.answer import Answer
    from hark.conversation.conversation import Conversation
    from hark.listener import Listener
    from hark.server.config import Config

T = TypeVar("T")


class ClientLeftError(Exception):
    """Nobody waits for the answer any more."""


class Service:
    """Models and media of one server."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.models = Models(config)
        self.media = Media(config)

    async def answer(self, request: Request, model: str | None, conversation: Conversation, **options: Any) -> Answer:
        """The whole answer to a conversation; `options` are those of `Listener.answer`."""
        lane = self.models.lane(model)
        return await self.wanted(request, lane.answer(conversation, options))

    async def collect(self, request: Request, model: str | None, work: Callable[[Listener], Iterator[T]]) -> list[T]:
        """All steps of some work with a model."""
        lane = self.models.lane(model)

        async def everything() -> list[T]:
            async with contextlib.aclosing(lane.run(work)) as found:
                return [step async for step in found]

        return await self.wanted(request, everything())

    async def stream(
        self, request: Request, model: str | None, work: Callable[[Listener], Iterator[T]]
    ) -> AsyncGenerator[T]:
        """The steps of some work with a model; awaited until the first is there, so that an error has its status."""
        found = self.models.lane(model).run(work)
        try:
            first = [await self.wanted(request, anext(found))]
        except StopAsyncIteration:
            first = []
        except BaseException:
            await found.aclose()
            raise
        return _from(first, found)

    async def wanted(self, request: Request, work: Coroutine[Any, Any, T]) -> T:
        """Do some work for as long as its client is there and its time is not up.

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
            raise DeadlineError(
                f"The request took longer than {self.config.deadline_seconds:g} s.", hint="Send less audio at once."
            )
        finally:
            gone.cancel()
            if not task.done():
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await task

    def _left(self, request: Request) -> float:
        begun: float = request.state.begun
        return max(0.0, begun + self.config.deadline_seconds - asyncio.get_running_loop().time())

    async def close(self) -> None:
        """Let go of models and processes."""
        await self.models.close()
        self.media.close()


async def _from(first: list[T], rest: AsyncGenerator[T]) -> AsyncGenerator[T]:
    async with contextlib.aclosing(rest):
        for step in first:
            yield step
        async for step in rest:
            yield step


async def _gone(request: Request) -> None:
    """Wait until the client leaves; its body was read before."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
