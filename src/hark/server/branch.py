"""The way to a model with one of its adapters: the model's own, so that all wait in one line for its weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from hark.engines.adapted import Adapted
from hark.listener import Listener

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator

    from hark.answers.answer import Answer
    from hark.conversation.conversation import Conversation
    from hark.server.lanes import Lane

T = TypeVar("T")


class Branch:
    """What `Lane` gives to those who ask, of a model with an adapter.

    Attributes:
        listener: the model with the adapter.
    """

    def __init__(self, lane: Lane, name: str, adapter: str) -> None:
        self.lane, self.adapter = lane, adapter
        self.listener = Listener(Adapted(lane.listener.engine, adapter, name))

    def run(self, work: Callable[[Listener], Iterator[T]]) -> AsyncGenerator[T]:
        """As `Lane.run`."""
        return self.lane.run(lambda _: work(self.listener))

    async def whole(self, work: Callable[[Listener], Iterator[object]]) -> None:
        """As `Lane.whole`."""
        await self.lane.whole(lambda _: work(self.listener))

    async def answer(self, conversation: Conversation, options: dict[str, Any]) -> Answer:
        """As `Lane.answer`; only questions with the same adapter are answered together."""
        return await self.lane.answer(conversation, {**options, "adapter": self.adapter})

    async def warm(self) -> None:
        """As `Lane.warm`."""
        await self.lane.warm()
