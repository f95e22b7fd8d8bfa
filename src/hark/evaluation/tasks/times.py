"""Timestamps: how far the times of words are from the true ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from hark.conversation.conversation import Conversation
from hark.errors import OptionError
from hark.evaluation.metrics import normalise
from hark.evaluation.metrics.times import distances, known, marks
from hark.evaluation.task import Figure, Reply, Request, Score, Task, ratio

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hark.data.sample import Sample
    from hark.engines.engine import Capabilities


@dataclass(frozen=True)
class Times(Task):
    """Write down what is said with times; samples have segments, best with words.

    Attributes:
        tolerance: seconds that a time may be off to count as right.
        normaliser: what words are made alike by.
    """

    name: ClassVar[str] = "timestamps"
    about: ClassVar[str] = "times of words: mean absolute error, share within a tolerance"
    tolerance: float = 0.1
    normaliser: str = "plain"

    def __post_init__(self) -> None:
        normalise.normaliser(self.normaliser)
        if not self.tolerance > 0:
            raise OptionError(f"tolerance cannot be {self.tolerance!r}.", hint="It is in seconds, over 0.")

    def lacks(self, sample: Sample) -> str | None:
        """Segments with text and times."""
        return None if any(one.text.strip() for one in sample.segments) else "segments with text and times"

    def request(self, sample: Sample, can: Capabilities) -> Request:
        """A transcript with the finest times that the model gives."""
        wanted = "segment" if can.timestamps == "none" else can.timestamps
        options: dict[str, Any] = {"task": "transcribe", "timestamps": wanted}
        if sample.language and "language" in can.options:
            options["language"] = sample.language
        return Request(Conversation.ask(sample.clips), options)

    def score(self, sample: Sample, reply: Reply) -> Score:
        """Distances of the starts and ends of words that are in both; the error is the share that is not right."""
        made = normalise.normaliser(self.normaliser)
        wanted = marks(sample.segments, made)
        found = marks(reply.answer.evidence if reply.answer else (), made)
        far = distances(wanted, found)
        times, within = known(wanted), sum(one <= self.tolerance for one in far)
        counts = {"samples": 1, "times": times, "matched": len(far), "distance": sum(far), "within": within}
        said, text = (" ".join(mark.word for mark in one) for one in (found, wanted))
        details = {"mean absolute error": ratio(sum(far), len(far)), "largest": max(far, default=None)}
        return Score(sample.id, counts, 1 - within / max(1, times), said, text, details, reply.error)

    def figures(self, counts: Mapping[str, float]) -> tuple[Figure, ...]:
        """The mean absolute error of matched times, and the shares within the tolerance: of those, and of all."""
        matched, times = counts.get("matched", 0), counts.get("times", 0)
        by = f"starts and ends of words that are right; {normalise.signature(self.normaliser)}"
        near = f"within {self.tolerance} s"
        return (
            Figure("mean absolute error", ratio(counts.get("distance", 0), matched), "seconds", by=by),
            Figure(near, ratio(counts.get("within", 0), matched), better="higher", by=by),
            Figure(f"{near}, of all times", ratio(counts.get("within", 0), times), better="higher"),
            Figure("times matched", ratio(matched, times), better="higher"),
        )
