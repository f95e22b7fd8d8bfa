"""A task of words and a model that answers as it is told, for tests of what runs and reports evaluations."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from hark.answers.answer import Delta, Usage
from hark.audio.audio import Audio
from hark.conversation.conversation import Conversation
from hark.data.sample import Sample
from hark.engines.engine import Capabilities, Engine, Options
from hark.errors import ModelError
from hark.evaluation.metrics.words import rows, word_edits
from hark.evaluation.task import Figure, Score, Task, ratio

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hark.evaluation.task import Reply


@dataclass(frozen=True)
class Words(Task):
    """The word error rate, as it stands."""

    name: ClassVar[str] = "words"
    about: ClassVar[str] = "word errors"
    lower: bool = False

    def score(self, sample: Sample, reply: Reply) -> Score:
        reference, said = sample.target or "", reply.text.lower() if self.lower else reply.text
        edits = word_edits(reference, said)
        counts = {"samples": 1, "errors": edits.errors, "words": edits.length}
        details = {"alignment": rows(edits, reference.split(), said.split())}
        return Score(sample.id, counts, edits.errors / edits.length, said, reference, details, reply.error)

    def figures(self, counts: Mapping[str, float]) -> tuple[Figure, ...]:
        return (Figure("WER", ratio(counts["errors"], counts["words"]), by="as written"),)


CAN = Capabilities(free_prompt=True, options=frozenset({"language", "temperature"}), batch_exact=True)


@dataclass
class Told(Engine):
    """Answers by the name of the clip; `fails` names clips it fails of, `batching` says whether it makes batches."""

    said: dict[str, str]
    fails: frozenset[str] = frozenset()
    batching: bool = False
    parallel: int = 1
    asked: Counter[str] = field(default_factory=Counter)
    batches_of: list[int] = field(default_factory=list)
    name: str = "told"

    def __post_init__(self) -> None:
        self.can = CAN
        self._lock = threading.Lock()

    def generate(self, conversation: Conversation, options: Options) -> Iterator[Delta]:
        name = conversation.clips[0].name
        with self._lock:
            self.asked[name] += 1
        if name in self.fails:
            raise ModelError(f"{name} is too much.")
        yield Delta(self.said[name], usage=Usage(2.0))

    def generate_batch(self, conversations: Sequence[Conversation], options: Options, *rest: object) -> list[object]:  # type: ignore[override]
        self.batches_of.append(len(conversations))
        return super().generate_batch(conversations, options)  # type: ignore[return-value]

    def batches(self, options: Options) -> bool:
        return self.batching


def sample(number: int, text: str = "one two three four", **more: object) -> Sample:
    """A sample of a clip that is named by its number."""
    sound = np.full(160, number / 100, np.float32)
    asked = Conversation.ask((Audio.of((16000, sound), name=f"clip{number}"),), "What is said?")
    return Sample(str(number), asked.reply(text), **more)  # type: ignore[arg-type]
