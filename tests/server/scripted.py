"""An engine that does what the question says: wait, count, or fail in some way."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from hark.answers.answer import Delta, Usage
from hark.engines import catalog
from hark.engines.echo import Echo
from hark.engines.engine import Engine
from hark.errors import ModelBrokenError, ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

CLIP = "data:audio/wav;base64,UklGRiwAAABXQVZFZm10IBAAAAABAAEAgD4AAAB9AAACABAAZGF0YQgAAAAAAAEAAgADAA=="
FAILURES: dict[str, BaseException] = {
    "memory": MemoryError("secret"),
    "exit": SystemExit("secret"),
    "interrupt": KeyboardInterrupt("secret"),
    "closed": GeneratorExit("secret"),
    "cancelled": asyncio.CancelledError("secret"),
    "stop": StopIteration("secret"),
    "deep": RecursionError("secret"),
    "plain": RuntimeError("secret"),
    "broken": ModelBrokenError("The folder /secret/weights is broken.", hint="secret"),
    "inside": ModelError("http://secret:8000/v1 answered nothing."),
}


@dataclass
class State:
    """What engines of this kind did, and how to let them go on."""

    steps: int = 0
    begun: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)
    closed: threading.Event = field(default_factory=threading.Event)


class Scripted(Engine):
    """`wait` begins and waits for `go`; `count` counts slowly; `flood` writes much; `fail X` raises."""

    name = "scripted"
    can = replace(Echo.can, batch_exact=False)
    state = State()

    def generate(self, conversation: Any, options: Any) -> Iterator[Delta]:
        what = conversation.messages[-1].text
        self.state.begun.set()
        if what.startswith("fail"):
            raise FAILURES[what.split()[1]]
        try:
            if what == "wait":
                assert self.state.go.wait(20)
                yield Delta(text="done", usage=Usage(1.5, 7, 3, 1, 2))
            for number in range(1000 if what in ("count", "flood") else 0):
                self.state.steps += 1
                yield Delta(text=f"{number} " * (20_000 if what == "flood" else 1))
                time.sleep(0.0 if what == "flood" else 0.02)
        finally:
            self.state.closed.set()


def scripted(monkeypatch: pytest.MonkeyPatch) -> State:
    """Let `scripted` be the name of a model."""
    monkeypatch.setitem(catalog.KINDS, "scripted", (__name__, "Scripted"))
    monkeypatch.setattr(Scripted, "state", State())
    return Scripted.state


def chat(what: str, **more: Any) -> dict[str, Any]:
    """A chat request that asks `what` about a clip."""
    parts = [{"type": "audio_url", "audio_url": {"url": CLIP}}, {"type": "text", "text": what}]
    return {"messages": [{"role": "user", "content": parts}], **more}


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """What is done takes no longer."""
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < seconds


def eventually(seconds: float, holds: Any) -> None:
    """It holds before so long."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)
