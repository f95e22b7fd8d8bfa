"""An engine that writes word by word, several answers at once, and keeps what it did."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

import hark
from hark.answers.answer import Answer, Delta, Usage
from hark.engines import catalog
from hark.engines.echo import Echo
from hark.engines.engine import Engine, wanted_all
from hark.errors import ModelBrokenError
from hark.listener import Listener

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pytest

    from hark.engines.engine import Options

RATE = 16000
FAILURES: dict[str, type[BaseException]] = {
    "memory": MemoryError, "exit": SystemExit, "division": ZeroDivisionError, "broken": ModelBrokenError,
}  # fmt: skip


@dataclass
class Seen:
    """What an engine did.

    `batches` are the prompts of each batch, `alone` those asked alone, in order; `steps` are the steps of each prompt,
    and `last` when the last was.
    """

    batches: list[list[str]] = field(default_factory=list)
    alone: list[str] = field(default_factory=list)
    steps: dict[str, int] = field(default_factory=dict)
    last: dict[str, float] = field(default_factory=dict)
    loads: int = 0
    closes: int = 0
    most: int = 0
    here: int = 0
    begun: threading.Event = field(default_factory=threading.Event)

    def step(self, prompt: str) -> None:
        self.steps[prompt] = self.steps.get(prompt, 0) + 1
        self.last[prompt] = time.monotonic()
        self.begun.set()


class Stepwise(Engine):
    """Writes `words` words, each after `pause` seconds; `fail KIND` in a prompt raises, for a whole batch."""

    name = "stepwise"
    can = replace(Echo.can, batch_exact=True, max_seconds=60.0)
    words = 5
    pause = 0.0
    load_seconds = 0.0
    broken_loads = 0

    def __init__(self) -> None:
        self.seen = Seen()
        self.loaded = False
        self._lock = threading.Lock()

    def generate(self, conversation: hark.Conversation, options: Options) -> Iterator[Delta]:
        prompt = conversation.prompt
        with self._working():
            self.seen.alone.append(prompt)
            self._fail(prompt)
            for word in expected(conversation, options, self.words).split(" "):
                time.sleep(self.pause)
                self.seen.step(prompt)
                yield Delta(f"{word} " if "silent" not in prompt else "")
            yield Delta(usage=Usage(1.0, 3, self.words))

    def generate_batch(
        self, conversations: Sequence[hark.Conversation], options: Options, gone: Callable[[int], bool] = wanted_all
    ) -> list[Answer]:
        prompts = [conversation.prompt for conversation in conversations]
        with self._working():
            self.seen.batches.append(prompts)
            left = set(range(len(prompts)))
            for number in range(self.words):
                time.sleep(self.pause)
                for row in sorted(left):
                    self.seen.step(prompts[row])
                    if number == 1:
                        self._fail(prompts[row])
                left -= {row for row in left if gone(row)}
                if not left:
                    break
            usage = Usage(1.0, 3, self.words)
            return [Answer(expected(one, options, self.words) + " ", usage) for one in conversations]

    def batches(self, options: Options) -> bool:
        return options.task is None

    def warm(self) -> None:
        with self._lock:
            if not self.loaded:
                self.seen.loads += 1
                time.sleep(self.load_seconds)
                if self.seen.loads <= self.broken_loads:
                    raise ModelBrokenError("It cannot be loaded.")
                self.loaded = True

    def close(self) -> None:
        self.loaded = False
        self.seen.closes += 1

    @contextlib.contextmanager
    def _working(self) -> Iterator[None]:
        self.warm()
        with self._lock:
            self.seen.here += 1
            self.seen.most = max(self.seen.most, self.seen.here)
        try:
            yield
        finally:
            with self._lock:
                self.seen.here -= 1

    def _fail(self, prompt: str) -> None:
        if "fail" in prompt:
            raise FAILURES[prompt.partition("fail ")[2].split()[0]]("secret")


def expected(conversation: hark.Conversation, options: Options, words: int) -> str:
    """The answer of the engine: all words depend on the clip, the prompt and the options."""
    clip = conversation.clips[0]
    about = f"{clip.id[:6]}/{conversation.prompt.replace(' ', '_')}/{options.temperature}"
    return " ".join(f"{number}:{about}" for number in range(words))


def engine(**how: Any) -> Stepwise:
    """An engine, with other words, pauses and so on."""
    made = Stepwise()
    for name, value in how.items():
        setattr(made, name, value)
    return made


def listener(**how: Any) -> Listener:
    """A listener of such an engine."""
    return Listener(engine(**how))


def clip(number: int = 0, seconds: float = 1.0) -> hark.Audio:
    """A clip like no other."""
    noise = np.random.default_rng(number).normal(0, 0.1, int(seconds * RATE)).astype(np.float32)
    return hark.Audio.of(noise, RATE)


def served(monkeypatch: pytest.MonkeyPatch, **how: Any) -> None:
    """Let `stepwise` be the name of a model, with attributes such as `pause`; each one opened is new."""
    monkeypatch.setitem(catalog.KINDS, "stepwise", (__name__, "Stepwise"))
    for name, value in how.items():
        monkeypatch.setattr(Stepwise, name, value)
