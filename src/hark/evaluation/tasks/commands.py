"""Spoken commands: whether the intent and every slot are right."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from hark.evaluation.metrics.slots import Order, shared
from hark.evaluation.task import Figure, Reply, Request, Score, Task, ratio
from hark.evaluation.tasks.common import transcription
from hark.tasks.command.grammar import Grammar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hark.data.sample import Sample
    from hark.engines.engine import Capabilities


@dataclass(frozen=True)
class Commands(Task):
    """Tell what is wanted; samples have `intent` and `slots` in `about`, or JSON with both as their answer.

    Attributes:
        grammar: a file with what may be said, in Picovoice's YAML or in JSGF, for `Listener.command`. Without one,
            models are asked what the data ask, or for a transcript; JSON is read of what they write.
    """

    name: ClassVar[str] = "intent"
    about: ClassVar[str] = "spoken commands: exact commands, intents, F1 of slots"
    grammar: str | None = None

    def __post_init__(self) -> None:
        _ = self._read

    @cached_property
    def _read(self) -> Grammar | None:
        return Grammar.of(Path(self.grammar)) if self.grammar else None

    def lacks(self, sample: Sample) -> str | None:
        """An intent, which may be None: that it is no command."""
        known = "intent" in sample.about or Order.read(sample.target or "").intent
        return None if known else "an intent to compare with"

    def request(self, sample: Sample, can: Capabilities) -> Request:
        """The command of the grammar; without one, the question of the sample, or a transcript."""
        if self._read is None:
            return transcription(sample, can, "data")
        options: dict[str, Any] = {"grammar": self._read}
        if sample.language and "language" in can.options:
            options["language"] = sample.language
        return Request(sample.asked, options, "command")

    def score(self, sample: Sample, reply: Reply) -> Score:
        """Right or wrong as a whole, the intent alone, and slots by name and value."""
        wanted = Order.of(sample.about) if "intent" in sample.about else Order.read(sample.target or "")
        data = reply.answer.data if reply.answer else None
        found = Order.of(data) if isinstance(data, dict) else Order.read(reply.text)
        counts = {
            "samples": 1,
            "exact": int(found == wanted),
            "intents": int(found.intent == wanted.intent),
            "refused": int(found.intent is None),
            "slots": len(wanted.slots),
            "slots found": len(found.slots),
            "slots right": shared(wanted, found),
        }
        heard = data.get("text", "") if isinstance(data, dict) else reply.text
        return Score(sample.id, counts, float(found != wanted), str(found), str(wanted), {"heard": heard}, reply.error)

    def figures(self, counts: Mapping[str, float]) -> tuple[Figure, ...]:
        """Exact commands, intents, F1 of slots, and the share that was not taken for any command."""
        whole = counts.get("samples", 0)
        slots = counts.get("slots", 0) + counts.get("slots found", 0)
        by = "intent and every slot equal; values in lower case, without punctuation"
        return (
            Figure("exact commands", ratio(counts.get("exact", 0), whole), better="higher", by=by),
            Figure("intent accuracy", ratio(counts.get("intents", 0), whole), better="higher"),
            Figure("slot F1", ratio(2 * counts.get("slots right", 0), slots), better="higher", by="micro average"),
            Figure("refused", ratio(counts.get("refused", 0), whole), better=None),
        )
