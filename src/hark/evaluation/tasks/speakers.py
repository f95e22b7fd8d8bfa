"""Diarisation: who spoke when, by the diarisation error rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from hark.errors import OptionError
from hark.evaluation.task import Figure, Reply, Request, Score, Task, ratio
from hark.speakers.turns import Turn

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hark.answers.transcript import Segment
    from hark.data.sample import Sample
    from hark.engines.engine import Capabilities


@dataclass(frozen=True)
class Diarization(Task):
    """Write down who says what; only who speaks when is scored. Samples have segments with speakers.

    Attributes:
        collar: seconds around the start and end of each turn in which nothing is scored.
        overlaps: score where several people speak at once.
        told: tell how many speakers there are.
        diarize_with: a folder of a diariser, see `hark.speakers.folders`.
    """

    name: ClassVar[str] = "diarization"
    about: ClassVar[str] = "who spoke when: diarisation error rate"
    collar: float = 0.25
    overlaps: bool = True
    told: bool = False
    diarize_with: str | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.collar < 10:
            raise OptionError(f"collar cannot be {self.collar!r}.", hint="It is in seconds, such as 0.25 or 0.")

    def lacks(self, sample: Sample) -> str | None:
        """Segments with speakers."""
        return None if any(one.speaker for one in sample.segments) else "segments with speakers"

    def request(self, sample: Sample, can: Capabilities) -> Request:
        """A transcript that says who speaks."""
        speakers = len({one.speaker for one in sample.segments if one.speaker}) if self.told else True
        options: dict[str, Any] = {"speakers": speakers, "folder": self.diarize_with}
        if sample.language and "language" in can.options:
            options["language"] = sample.language
        return Request(sample.asked, options, "speakers")

    def score(self, sample: Sample, reply: Reply) -> Score:
        """Seconds of speech that are missed, made up, or given to another speaker."""
        from hark.evaluation.metrics.diarization import errors

        wanted = _turns(sample.segments)
        found = _turns(reply.answer.evidence if reply.answer else ())
        wrong = errors(wanted, found, collar=self.collar, overlaps=self.overlaps)
        speakers = [len({turn.speaker for turn in turns}) for turns in (wanted, found)]
        counts = {
            "samples": 1,
            "speech": wrong.speech,
            "missed": wrong.missed,
            "false alarm": wrong.false_alarm,
            "confusion": wrong.confused,
            "number right": int(speakers[0] == speakers[1]),
        }
        details = {"speakers": speakers[0], "speakers found": speakers[1]}
        return Score(sample.id, counts, wrong.rate, _shown(found), _shown(wanted), details, reply.error)

    def figures(self, counts: Mapping[str, float]) -> tuple[Figure, ...]:
        """The diarisation error rate, its three parts, and how often the number of speakers is right."""
        speech = counts.get("speech", 0)
        parts = {name: counts.get(name, 0) for name in ("missed", "false alarm", "confusion")}
        by = f"collar {self.collar} s, {'with' if self.overlaps else 'without'} overlaps"
        by += ", told the number of speakers" if self.told else ""
        number = ratio(counts.get("number right", 0), counts.get("samples", 0))
        return (
            Figure("DER", ratio(sum(parts.values()), speech), by=by),
            *(Figure(name, ratio(seconds, speech), by=by) for name, seconds in parts.items()),
            Figure("number of speakers right", number, better="higher"),
        )


def _turns(segments: Iterable[Segment]) -> tuple[Turn, ...]:
    """The turns of segments; one without a speaker is of nobody known."""
    return tuple(Turn(one.start, one.end, one.speaker or "?") for one in segments if one.end > one.start)


def _shown(turns: Iterable[Turn]) -> str:
    return "; ".join(f"{turn.start:.2f}-{turn.end:.2f} {turn.speaker}" for turn in turns)
