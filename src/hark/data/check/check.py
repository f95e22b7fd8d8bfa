"""Check a data set or its splits: what is wrong with which sample, and how many hours of what there are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hark.data.check.heard import Heard, crashed, hear
from hark.data.check.text import oddities
from hark.data.place import place_of
from hark.data.pool import mapped
from hark.data.reading import read
from hark.errors import DataError, HarkError
from hark.machine import usable_cores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hark.data.place import Place
    from hark.data.sample import Sample
    from hark.data.source import Bad

ERRORS = frozenset(
    "entry missing empty unreadable truncated silent too-short wrong-claim empty-text odd-character impossible-text "
    "conflict duplicate-id leak-audio".split()
)
WARNINGS = frozenset(
    "too-long clipped duplicate control-token wrong-script little-text leak-speaker no-recording not-in-file".split()
)
_SILENT_DB, _CLIPPED_SHARE = -70.0, 0.001
_CLAIM_SECONDS, _CLAIM_SHARE = 0.1, 0.02


@dataclass(frozen=True, slots=True)
class Limits:
    """The shortest and the longest that recordings should be, in seconds."""

    shortest: float = 0.1
    longest: float = 30.0


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one sample; `kind` is one of `ERRORS` or `WARNINGS`."""

    file: str
    sample: str
    kind: str
    text: str

    @property
    def grave(self) -> bool:
        """Is it an error, and not a warning?"""
        return self.kind in ERRORS


@dataclass(slots=True)
class Split:
    """What one file holds; `seconds` by language, speaker, task, rate and channels."""

    file: str
    samples: int = 0
    answered: int = 0
    clips: int = 0
    seconds: float = 0.0
    groups: dict[str, dict[str, float]] = field(default_factory=dict)

    def add(self, sample: Sample, heard: list[Heard]) -> None:
        """Count a sample."""
        seconds = sum(each.seconds for each in heard)
        self.samples += 1
        self.answered += sample.target is not None
        self.clips += len(heard)
        self.seconds += seconds
        said = {"language": sample.language, "speaker": sample.speaker, "task": sample.task}
        for name, value in said.items():
            self._count(name, value or "(not said)", seconds)
        for each in heard:
            if each.rate:
                self._count("rate", str(each.rate), each.seconds)
                self._count("channels", str(each.channels), each.seconds)

    def _count(self, name: str, value: str, seconds: float) -> None:
        group = self.groups.setdefault(name, {})
        group[value] = group.get(value, 0.0) + seconds

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        groups = {name: {k: round(v, 3) for k, v in _most(group)} for name, group in self.groups.items()}
        counts = {"samples": self.samples, "answered": self.answered, "recordings": self.clips}
        return {"file": self.file, **counts, "seconds": round(self.seconds, 3), "seconds_by": groups}


def _most(group: dict[str, float]) -> list[tuple[str, float]]:
    return sorted(group.items(), key=lambda pair: -pair[1])


class Check:
    """Checks splits one after the other; what was heard in one is known in the next.

    Attributes:
        splits: what there is in each file, as far as it was read.
    """

    def __init__(self, limits: Limits | None = None, jobs: int | None = None) -> None:
        self.limits, self.jobs = limits or Limits(), jobs or usable_cores()
        self.splits: list[Split] = []
        self._heard: dict[bytes, tuple[int, str, int]] = {}
        self._speakers: dict[str, int] = {}
        self._leaked: set[tuple[str, int]] = set()

    def problems(
        self,
        path: str | Path,
        form: str | None = None,
        *,
        audio: str | Path | None = None,
        step: Callable[[], None] = lambda: None,
    ) -> Iterator[Problem]:
        """Find what is wrong with the samples of a data set; `step` is called after each.

        Raises:
            DataError: there is no such data set, or it is of no known format.
        """
        split = Split(str(path))
        self.splits.append(split)
        bad: list[Bad] = []
        ids: set[int] = set()
        samples = _with_places(read(path, form, audio=audio, bad=bad.append))
        done = _heard(samples, self.jobs)
        for sample, heard, lacking in done:
            split.add(sample, heard)
            found = [*lacking, *self._of(sample, heard), *oddities(sample, sum(each.seconds for each in heard))]
            if hash(sample.id) in ids:
                found.append(("duplicate-id", "Another sample has the same id."))
            ids.add(hash(sample.id))
            yield from (Problem(split.file, sample.id, kind, text) for kind, text in found)
            step()
        yield from (Problem(split.file, each.where, "entry", each.why) for each in bad)

    def _of(self, sample: Sample, heard: list[Heard]) -> Iterator[tuple[str, str]]:
        if not heard:
            yield "no-recording", "It has no recording."
        for each in heard:
            if each.trouble:
                yield each.trouble
            if each.rate:
                yield from self._sound(each)
                yield from self._before(sample, each)
        if len(heard) == 1 and heard[0].rate:
            yield from _claims(sample, heard[0])
        yield from self._speaker(sample.speaker)

    def _sound(self, heard: Heard) -> Iterator[tuple[str, str]]:
        if heard.level < _SILENT_DB:
            yield "silent", f"Nothing is to be heard: its level is {heard.level:.0f} dB."
        if heard.clipped > _CLIPPED_SHARE:
            yield "clipped", f"{heard.clipped:.1%} of it is clipped."
        if heard.seconds < self.limits.shortest:
            yield "too-short", f"It lasts {heard.seconds:.3f} s, less than {self.limits.shortest:g} s."
        if heard.seconds > self.limits.longest:
            yield "too-long", f"It lasts {heard.seconds:.1f} s, more than {self.limits.longest:g} s."

    def _before(self, sample: Sample, heard: Heard) -> Iterator[tuple[str, str]]:
        """Whether the same was heard before: in another split, with another text, or just once more."""
        number = len(self.splits) - 1
        said = hash((sample.asked.prompt, sample.target, sample.task))
        first = self._heard.setdefault(heard.digest, (number, sample.id, said))
        if first == (number, sample.id, said):
            return
        where = f"{first[1]} of {self.splits[first[0]].file}" if first[0] != number else first[1]
        if first[0] != number:
            yield "leak-audio", f"The same recording is in {where}."
        elif sample.task == "transcribe" and first[2] != said:
            yield "conflict", f"The same recording has another text in {where}."
        elif first[2] == said:
            yield "duplicate", f"The same is in {where}."

    def _speaker(self, speaker: str | None) -> Iterator[tuple[str, str]]:
        if speaker is None:
            return
        number = len(self.splits) - 1
        first = self._speakers.setdefault(speaker, number)
        if first != number and (speaker, number) not in self._leaked:
            self._leaked.add((speaker, number))
            yield "leak-speaker", f"The speaker {speaker} is in {self.splits[first].file}, too; said once."


def _claims(sample: Sample, heard: Heard) -> Iterator[tuple[str, str]]:
    """Whether what the data say of the recording is so; `n_frames` may be samples, or frames of 10 ms."""
    for name in ("duration", "sampling_rate", "sample_rate", "n_frames"):
        said = sample.about.get(name)
        try:
            claim = float(said)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            continue
        if name == "duration":
            right = abs(claim - heard.seconds) <= max(_CLAIM_SECONDS, _CLAIM_SHARE * heard.seconds)
        elif name == "n_frames":
            right = any(
                abs(claim - n) <= max(3, _CLAIM_SHARE * n) for n in (heard.seconds * heard.rate, heard.seconds * 100)
            )
        else:
            right = claim == heard.rate
        if not right:
            yield "wrong-claim", f"Its {name} is said to be {said}; it has {heard.seconds:.2f} s at {heard.rate} Hz."


_Placed = tuple["Sample", list["Place"], list[tuple[str, str]]]


def _with_places(samples: Iterator[Sample]) -> Iterator[_Placed]:
    for sample in samples:
        places, lacking = [], []
        for clip in sample.clips:
            try:
                places.append(place_of(clip))
            except DataError as error:
                lacking.append(("not-in-file", error.message))
            except (HarkError, OSError) as error:
                lacking.append(("unreadable", str(error)))
        yield sample, places, lacking


def _heard(samples: Iterator[_Placed], jobs: int) -> Iterator[tuple[Sample, list[Heard], list[tuple[str, str]]]]:
    """Each sample with what was heard in its recordings, in order."""
    waiting: list[_Placed] = []

    def places() -> Iterator[Place]:
        for placed in samples:
            waiting.append(placed)
            yield from placed[1]

    results: list[Heard] = []
    for _, heard in mapped(hear, places(), jobs, crashed):
        results.append(heard)
        while waiting and len(results) >= len(waiting[0][1]):
            sample, named, lacking = waiting.pop(0)
            yield sample, results[: len(named)], lacking
            del results[: len(named)]
    yield from ((sample, [], lacking) for sample, _, lacking in waiting)
