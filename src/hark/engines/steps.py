"""Places to stop: how work in one thread knows that nobody waits for it any more."""

from __future__ import annotations

import contextvars
import queue
import threading
from typing import TYPE_CHECKING, Any

from hark.answers.answer import Answer, Delta

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from hark.conversation.conversation import Conversation
    from hark.engines.engine import Engine, Options


# Set by whoever has work done in a thread and may lose interest in it, such as the server.
UNWANTED: contextvars.ContextVar[threading.Event | None] = contextvars.ContextVar("unwanted", default=None)


def unwanted() -> Callable[[], bool]:
    """What tells whether the work that begins here is still wanted; it may be asked in any thread."""
    event = UNWANTED.get()
    return event.is_set if event else lambda: False


def batch_steps(
    engine: Engine, conversations: Sequence[Conversation], options: Options
) -> Generator[Delta, None, list[Answer]]:
    """Answer several conversations, with an empty step for each token; closing this stops the work.

    Raises:
        Exception: whatever the engine raises.
    """
    told: queue.SimpleQueue[Any] = queue.SimpleQueue()
    closed, left = threading.Event(), unwanted()

    def gone(_: int) -> bool:
        told.put(None)
        return closed.is_set() or left()

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
