"""What a model is asked, in the order it came: so many at a time as it can, alike questions together."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, TypeVar

from hark.answers.answer import Answer
from hark.server.threads import steps

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator

    from hark.conversation.conversation import Conversation
    from hark.listener import Listener
    from hark.server.config import Config

T = TypeVar("T")


class Lane:
    """The way to one model."""

    def __init__(self, listener: Listener, config: Config) -> None:
        self.listener, self.config = listener, config
        self._free = asyncio.Semaphore(1)

    async def run(self, work: Callable[[Listener], Iterator[T]]) -> AsyncGenerator[T]:
        """Do some work with the model when it is its turn, and give the steps; closing this stops it."""
        async with self._free, contextlib.aclosing(steps(lambda: work(self.listener))) as found:
            async for step in found:
                yield step

    async def answer(self, conversation: Conversation, options: dict[str, Any]) -> Answer:
        """The whole answer to a question, worked out together with others where that changes nothing."""
        async with contextlib.aclosing(self.run(lambda listener: listener.answer(conversation, **options))) as found:
            return Answer.of([step async for step in found])
