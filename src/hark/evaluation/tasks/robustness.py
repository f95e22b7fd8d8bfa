"""Robustness: the figures of another task over noise and reverberation, as curves."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - pydantic reads the field of it
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from hark.conversation.conversation import Clip, Conversation, Message
from hark.errors import OptionError
from hark.evaluation.task import Figure, Reply, Request, Score, Table, Task

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from hark.data.sample import Sample
    from hark.engines.engine import Capabilities
    from hark.evaluation.tasks.disturbed import Condition

KEY = "condition"
_GAP, _CLEAN, _NONE = " | ", "clean", "of"


@dataclass(frozen=True)
class Robustness(Task):
    """Do another task with recordings as they are, with noise, and in rooms; `about["condition"]` names each.

    Attributes:
        task: the other task, by name; `options` are its fields.
        snrs: dB of the speech over the noise.
        noise: a recording of noise; without one, pink noise is made.
        rooms: RT60 in seconds of made rooms.
    """

    name: ClassVar[str] = "robustness"
    about: ClassVar[str] = "another task's figures over noise and reverberation"
    task: str = "asr"
    options: Mapping[str, Any] = field(default_factory=dict)
    snrs: tuple[float, ...] = (20.0, 10.0, 5.0, 0.0)
    noise: str | None = None
    rooms: tuple[float, ...] = (0.3, 0.6, 1.2)

    def __post_init__(self) -> None:
        if not all(-40 <= snr <= 80 for snr in self.snrs) or not all(0.01 <= room <= 20 for room in self.rooms):
            hint = "snrs are dB from -40 to 80, rooms RT60 in seconds from 0.01 to 20."
            raise OptionError("There is no such noise or room.", hint=hint)
        _ = self.inner, self.conditions

    @cached_property
    def inner(self) -> Task:
        """The other task."""
        from hark.evaluation.tasks import made

        if self.task in (self.name, "speed", "hallucination"):
            raise OptionError(f"{self.task} cannot be done in noise.", hint="Such as asr, intent, choice, emotion.")
        return made(self.task, **self.options)

    @cached_property
    def conditions(self) -> tuple[Condition, ...]:
        """All conditions, the clean one first."""
        from hark.audio.audio import Audio
        from hark.evaluation.tasks.disturbed import Condition

        noise = Audio.of(self.noise) if self.noise else None
        noises = (Condition(snr=snr, noise=noise) for snr in self.snrs)
        return (Condition(), *noises, *(Condition(reverberation=room) for room in self.rooms))

    @property
    def _how(self) -> str:
        """What noise and rooms were, for the result."""
        noise = [f"{self.noise} as noise" if self.noise else "pink noise"] if self.snrs else []
        return ", ".join([*noise, *(["made rooms of 100 m3, 1.5 m away"] if self.rooms else [])])

    def samples(self, given: Iterable[Sample]) -> Iterator[Sample]:
        """Each sample under each condition."""
        for sample in self.inner.samples(given):
            for condition in self.conditions:
                yield _under(sample, condition)

    def lacks(self, sample: Sample) -> str | None:
        """What the other task lacks."""
        return self.inner.lacks(sample)

    def request(self, sample: Sample, can: Capabilities) -> Request:
        """As the other task does."""
        return self.inner.request(sample, can)

    def score(self, sample: Sample, reply: Reply) -> Score:
        """The score of the other task; its counts are those of the condition."""
        score = self.inner.score(sample, reply)
        condition = str(sample.about.get(KEY, _CLEAN))
        counts = {f"{condition}{_GAP}{name}": value for name, value in score.counts.items()}
        return replace(score, counts={**counts, "samples": 1}, details={**score.details, KEY: condition})

    def settled(self, scores: Sequence[Score]) -> Sequence[Score]:
        """Each condition by itself, as the other task does."""
        own = [replace(score, counts=_of(score.counts, score.details[KEY])) for score in scores]
        found: dict[int, Score] = {}
        for condition in dict.fromkeys(score.details[KEY] for score in scores):
            places = [at for at, score in enumerate(scores) if score.details[KEY] == condition]
            for at, settled in zip(places, self.inner.settled([own[at] for at in places]), strict=True):
                counts = {f"{condition}{_GAP}{name}": value for name, value in settled.counts.items()}
                found[at] = replace(settled, counts={**counts, "samples": 1})
        return [found[at] for at in range(len(scores))]

    def figures(self, counts: Mapping[str, float]) -> tuple[Figure, ...]:
        """The other task's first figure under each condition, and its mean over all that are not clean."""
        made = {name: self._first(_of(counts, name)) for name in _conditions(counts)}
        found = tuple(replace(figure, name=f"{figure.name}, {name}") for name, figure in made.items())
        worse = [figure.value for name, figure in made.items() if name != _CLEAN and figure.value is not None]
        if not worse:
            return found
        first = next(iter(made.values()))
        mean = replace(first, name=f"{first.name}, mean of all but clean", value=sum(worse) / len(worse))
        return (mean, *found)

    def _first(self, counts: Mapping[str, float]) -> Figure:
        figure = self.inner.figures(counts)[0]
        return replace(figure, by="; ".join(filter(None, (figure.by, self._how))))

    def tables(self, counts: Mapping[str, float]) -> tuple[Table, ...]:
        """All figures of the other task: a row for each condition."""
        made = {name: self.inner.figures(_of(counts, name)) for name in _conditions(counts)}
        names = list(dict.fromkeys(figure.name for figures in made.values() for figure in figures))
        rows = []
        for condition, figures in made.items():
            values = {figure.name: figure.value for figure in figures}
            rows.append((condition, *(values.get(name) for name in names)))
        return (Table("curve", (KEY, *names), tuple(rows)),)


def _under(sample: Sample, condition: Condition) -> Sample:
    from hark.evaluation.tasks.disturbed import disturbed

    about = {**sample.about, KEY: str(condition)}
    if str(condition) == _CLEAN:
        return replace(sample, about=about)
    messages = tuple(
        Message(message.role, tuple(
            Clip(disturbed(part.audio, condition)) if isinstance(part, Clip) else part for part in message.parts
        ))
        for message in sample.conversation.messages
    )  # fmt: skip
    return replace(sample, id=f"{sample.id}{_GAP}{condition}", conversation=Conversation(messages), about=about)


def _conditions(counts: Mapping[str, float]) -> list[str]:
    return list(dict.fromkeys(name.partition(_GAP)[0] for name in counts if _GAP in name))


def _of(counts: Mapping[str, float], condition: str) -> dict[str, float]:
    """The counts of one condition, under their own names."""
    start = condition + _GAP
    return {name.removeprefix(start): value for name, value in counts.items() if name.startswith(start)}
