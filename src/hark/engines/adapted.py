"""An engine with one of its adapters: another model to those who ask it, and the same weights."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hark.engines.engine import Capabilities, Engine, Gone, Options, wanted_all

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hark.answers.answer import Answer, Delta
    from hark.conversation.conversation import Conversation
    from hark.engines.live import Live


class Adapted(Engine):
    """Asks an engine with an adapter; what it says of itself is what the engine says."""

    def __init__(self, engine: Engine, adapter: str, name: str) -> None:
        self.engine, self.adapter, self.name = engine, adapter, name
        self.parallel = engine.parallel

    @property
    def can(self) -> Capabilities:  # type: ignore[override]  # read alone
        """That of the engine; the choice of an adapter is made."""
        can = self.engine.can
        return replace(can, options=can.options - {"adapter"})

    def generate(self, conversation: Conversation, options: Options) -> Iterator[Delta]:
        """As the engine does, with the adapter."""
        return self.engine.generate(conversation, self._with(options))

    def generate_batch(
        self, conversations: Sequence[Conversation], options: Options, gone: Gone = wanted_all
    ) -> list[Answer]:
        """As the engine does, with the adapter."""
        return self.engine.generate_batch(conversations, self._with(options), gone)

    def batches(self, options: Options) -> bool:
        """As the engine does."""
        return self.engine.batches(self._with(options))

    def live(self, options: Options, *, shows: bool) -> Live | None:
        """As the engine does, with the adapter."""
        return self.engine.live(self._with(options), shows=shows)

    def warm(self) -> None:
        """Load the weights, which all adapters share."""
        self.engine.warm()

    def close(self) -> None:
        """Let go of them."""
        self.engine.close()

    def _with(self, options: Options) -> Options:
        return replace(options, adapter=self.adapter)
