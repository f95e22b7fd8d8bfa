"""Speed: real-time factor, time to the first token, peak memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from hark.evaluation.task import Figure, Reply, Request, Score, Task, ratio
from hark.evaluation.tasks.common import Question, transcription

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hark.data.sample import Sample
    from hark.engines.engine import Capabilities

_LATE = 0.95


@dataclass(frozen=True)
class Speed(Task):
    """Answer, and be timed; what is answered does not count. Samples are asked one at a time, by a loaded model.

    Attributes:
        question: whose question is asked; without one of the data, a transcript.
    """

    name: ClassVar[str] = "speed"
    about: ClassVar[str] = "real-time factor, time to the first token, peak memory"
    alone: ClassVar[bool] = True
    question: Question = "data"

    def lacks(self, sample: Sample) -> str | None:
        """A recording."""
        return None if sample.clips else "a recording"

    def request(self, sample: Sample, can: Capabilities) -> Request:
        """The question of the sample, or a transcript."""
        return transcription(sample, can, self.question)

    def score(self, sample: Sample, reply: Reply) -> Score:
        """Times of one answer; one that failed has none."""
        timed = reply.answer is not None and reply.seconds is not None
        heard = sum(clip.duration for clip in sample.clips) if timed else 0.0
        seconds = (reply.seconds or 0.0) if timed else 0.0
        tokens = reply.answer.usage.output_tokens if reply.answer else None
        counts = {
            "samples": 1,
            "seconds": seconds,
            "audio": heard,
            "started": int(timed and reply.first is not None),
            "first": (reply.first or 0.0) if timed else 0.0,
            "tokens": (tokens or 0) if timed else 0,
            "seconds of tokens": seconds if tokens else 0.0,
        }
        details = {"first": reply.first if timed else None, "factor": ratio(seconds, heard), "memory": reply.memory}
        return Score(sample.id, counts, seconds / heard if heard else 0.0, reply.text, "", details, reply.error)

    def figures(self, counts: Mapping[str, float]) -> tuple[Figure, ...]:
        """Seconds of work for a second of sound; the mean time to the first text; tokens a second, where counted."""
        speed = ratio(counts.get("tokens", 0), counts.get("seconds of tokens", 0))
        return (
            Figure("real-time factor", ratio(counts.get("seconds", 0), counts.get("audio", 0)), "ratio"),
            Figure("time to first token", ratio(counts.get("first", 0), counts.get("started", 0)), "seconds"),
            Figure("tokens a second", speed, "count", "higher"),
        )

    def total(self, scores: Sequence[Score]) -> dict[str, Figure]:
        """With medians, 95th percentiles and the largest memory, which do not add up."""
        found = super().total(scores)
        for name, key, unit in (("real-time factor", "factor", "ratio"), ("time to first token", "first", "seconds")):
            values = sorted(score.details[key] for score in scores if score.details.get(key) is not None)
            for about, share in (("median", 0.5), ("95th percentile", _LATE)):
                made = Figure(f"{name}, {about}", _quantile(values, share), unit)  # type: ignore[arg-type]
                found[made.name] = made
        memory = max((score.details["memory"] for score in scores if score.details.get("memory")), default=None)
        by = "resident, of the process that asks, as far as it went; a server's is not known"
        return found | {"peak memory": Figure("peak memory", memory, "bytes", by=by)}


def _quantile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that at least so many are not above."""
    if not values:
        return None
    return values[max(0, -(-len(values) * int(share * 100) // 100) - 1)]
