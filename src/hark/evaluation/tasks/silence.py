"""Hallucination: what a model writes down where nobody speaks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from hark.conversation.conversation import Conversation
from hark.data.sample import Sample
from hark.errors import OptionError
from hark.evaluation.metrics.normalise import plain
from hark.evaluation.task import Figure, Reply, Request, Score, Table, Task, ratio
from hark.evaluation.tasks.common import transcription

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from hark.audio.audio import Audio
    from hark.engines.engine import Capabilities

_RATE = 16000
# Marks of sounds, such as [BLANK_AUDIO], (wind), *noise* and notes of music, are no words that anybody spoke.
_MARKS = re.compile(r"\[[^\]]*\]|\([^)]*\)|<[^>]*>|\*[^*]*\*|[\u2669-\u266f]")
_GAP = ": "
_LEVELS = {"silence": (0.0, 0.0), "white noise": (0.0, 0.03), "pink noise": (1.0, 0.03), "faint noise": (1.0, 0.0003)}


@dataclass(frozen=True)
class Silence(Task):
    """Write down what is said where nobody says anything.

    Silence, white and pink noise, very faint noise, hum and clicks are made here; recordings of the data without any
    text come to them (rain, engines, music), their `about["category"]` tells the kind.

    Attributes:
        seconds: how long the made recordings are.
        made: make recordings; False takes those of the data alone.
    """

    name: ClassVar[str] = "hallucination"
    about: ClassVar[str] = "words where nobody speaks: share of answers that are not empty, words a minute"
    seconds: tuple[float, ...] = (1.0, 5.0, 20.0)
    made: bool = True

    def __post_init__(self) -> None:
        if not all(0.05 <= one <= 600 for one in self.seconds):
            raise OptionError(f"seconds cannot be {self.seconds}.", hint="Give some from 0.05 to 600.")

    def samples(self, given: Iterable[Sample]) -> Iterator[Sample]:
        """Those made, then those given."""
        for length in self.seconds if self.made else ():
            for kind in (*_LEVELS, "hum", "clicks"):
                asked = Conversation.ask((_made(kind, length),))
                yield Sample(f"{kind}, {length:g} s", asked, task="transcribe", about={"category": kind})
        yield from given

    def lacks(self, sample: Sample) -> str | None:
        """That nobody speaks."""
        return "silence: it has a text" if (sample.target or "").strip() else None

    def request(self, sample: Sample, can: Capabilities) -> Request:
        """A transcript."""
        return transcription(sample, can, "task")

    def score(self, sample: Sample, reply: Reply) -> Score:
        """Words there are; any is one too many."""
        said = plain(_MARKS.sub(" ", reply.text))
        words, seconds = len(said.split()), sum(clip.duration for clip in sample.clips)
        kind = str(sample.about.get("category") or "given")
        own = {"samples": 1, "not empty": int(bool(said)), "words": words, "seconds": seconds}
        counts = own | {f"{kind}{_GAP}{name}": value for name, value in own.items()}
        return Score(sample.id, counts, float(words), said, "", {"answer": reply.text}, reply.error)

    def figures(self, counts: Mapping[str, float]) -> tuple[Figure, ...]:
        """The share of answers that are not empty, and words a minute."""
        by = "marks of sounds in brackets are no words; saying that nobody speaks is"
        spoken = ratio(60 * counts.get("words", 0), counts.get("seconds", 0))
        return (
            Figure("answers not empty", ratio(counts.get("not empty", 0), counts.get("samples", 0)), by=by),
            Figure("words a minute", spoken, "per minute", by=by),
        )

    def tables(self, counts: Mapping[str, float]) -> tuple[Table, ...]:
        """Both for each kind of sound."""
        kinds = dict.fromkeys(name.rpartition(_GAP)[0] for name in counts if _GAP in name)
        rows = []
        for kind in kinds:
            own = {name.removeprefix(kind + _GAP): v for name, v in counts.items() if name.startswith(kind + _GAP)}
            rows.append((kind, own["samples"], *(figure.value for figure in self.figures(own))))
        head = ("sound", "samples", "answers not empty", "words a minute")
        return (Table("by sound", head, tuple(rows)),)


def _made(kind: str, seconds: float) -> Audio:
    import zlib

    import numpy as np

    from hark.evaluation.tasks.disturbed import coloured

    times = np.arange(round(seconds * _RATE)) / _RATE
    if kind == "hum":
        return _heard(sum(0.05 / n * np.sin(2 * np.pi * 50 * n * times) for n in (1, 2, 3, 5)), kind, seconds)
    if kind == "clicks":
        return _heard(0.5 * (np.arange(len(times)) % (_RATE // 2) < _RATE // 1000), kind, seconds)
    slope, level = _LEVELS[kind]
    rng = np.random.default_rng(zlib.crc32(f"{kind} {seconds}".encode()))
    return _heard(level * coloured(len(times), rng, slope), kind, seconds)


def _heard(samples: Any, kind: str, seconds: float) -> Audio:
    import numpy as np

    from hark.audio.audio import Audio

    return Audio.of(np.asarray(samples, np.float32), _RATE, name=f"{kind}, {seconds:g} s")
