"""Several answers at once, with places to stop in between."""

from __future__ import annotations

import contextvars
import queue
import threading
from typing import TYPE_CHECKING, Any

from hark.answers.answer import Answer, Delta

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from hark.conversation.conversation import Conversation
    from hark.engines.engine import Engine, Options


def batch_steps(
    engine: Engine, conversations: Sequence[Conversation], options: Options
) -> Generator[Delta, None, list[Answer]]:
    """Answer several conversations, with an empty step for each token; closing this stops the work.

    Raises:
        Exception: whatever the engine raises.
    """
    told: queue.SimpleQueue[Any] = queue.SimpleQueue()
    closed = threading.Event()

    def gone(_: int) -> bool:
        told.put(None)
        return closed.is_set()

    def work() -> None:
        try:
            told.put(engine.generate_batch(conversations, options, gone))
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            told.put(error)

    thread = threading.Thread(target=contextvars.copy_context().run, args=(work,), daemon=True)
    thread.start()
    try:
        while (found := told.get()) is None:
            yield Delta()
    finally:
        closed.set()
        thread.join()
    if isinstance(found, BaseException):
        raise found
    answers: list[Answer] = found
    return answers
