"""Streaming: how good what is written is while a recording goes on, and how late."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - pydantic reads the field of it
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from hark.answers.answer import Delta, Usage
from hark.conversation.conversation import Conversation
from hark.errors import OptionError
from hark.evaluation.task import Figure, Reply, Request, Score, Task, ratio
from hark.training.online import Policy, Streamed, Word, stream

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from hark.data.sample import Sample
    from hark.engines.engine import Capabilities
    from hark.listener import Listener

_TASKS = ("asr", "translation")
_HOW = "how: "
_CA = "computation-aware: with the time that the model worked, an upper bound"
# Latencies of `hark.training.online.Latency`: what they are called, how they are made, and what they are numbers of.
_LATENCIES = {
    "al": ("AL", "average lagging, Ma et al. 2019", 1000.0),
    "laal": ("LAAL", "length-adaptive average lagging, Papi et al. 2022", 1000.0),
    "al_ca": ("AL, computation-aware", _CA, 1000.0),
    "laal_ca": ("LAAL, computation-aware", _CA, 1000.0),
    "dal": ("DAL", "differentiable average lagging, Arivazhagan et al. 2019", 1000.0),
    "ap": ("AP", "average proportion, Cho and Esipova 2016", 1.0),
}


@dataclass(frozen=True)
class Streaming(Task):
    """Write down, or translate, while the recording goes on; samples are asked one at a time, for the times' sake.

    Attributes:
        task: `asr` or `translation`; `options` are its fields.
        policy: `local-agreement`, or `wait-3` for another number of chunks.
        chunk: seconds of sound after which the model hears again.
    """

    name: ClassVar[str] = "streaming"
    about: ClassVar[str] = "writing while a recording goes on: quality, and latency (AL, LAAL)"
    alone: ClassVar[bool] = True
    task: str = "asr"
    options: Mapping[str, Any] = field(default_factory=dict)
    policy: str = "local-agreement"
    chunk: float = 1.0

    def __post_init__(self) -> None:
        _ = Policy(self.policy, self.chunk), self.inner

    @cached_property
    def inner(self) -> Task:
        """The other task, which always asks its own question: a growing recording is asked no other."""
        from hark.evaluation.tasks import made

        if self.task not in _TASKS:
            raise OptionError(f"{self.task} cannot be streamed.", hint=f"It is {' or '.join(_TASKS)}.", param="task")
        return made(self.task, **{"question": "task", **self.options})

    def samples(self, given: Iterable[Sample]) -> Iterator[Sample]:
        """Those of the other task."""
        return self.inner.samples(given)

    def lacks(self, sample: Sample) -> str | None:
        """What the other task lacks."""
        return self.inner.lacks(sample)

    def request(self, sample: Sample, can: Capabilities) -> Request:
        """The first recording, chunk by chunk."""
        options = self.inner.request(sample, can).options
        told = {**options, "policy": self.policy, "chunk": self.chunk}
        return Request(Conversation.ask(sample.clips[:1]), told, "stream")

    def score(self, sample: Sample, reply: Reply) -> Score:
        """The score of the other task, and how late the words were, against the length of the reference."""
        score = self.inner.score(sample, reply)
        told = reply.answer.data if reply.answer else None
        if told is None:
            return score
        words = tuple(Word(**word) for word in told["words"])
        done = Streamed(reply.text, words, told["seconds"], told["computed"], told["how"])
        latency = done.latency(sample.target)
        counts = {"streamed": 1, "seconds": done.seconds, "computed": done.computed, f"{_HOW}{done.how}": 1}
        values = asdict(latency) if latency else {}
        late: dict[str, float] = {"timed": int(latency is not None), **values}
        return replace(score, counts={**score.counts, **counts, **late}, details={**score.details, **values})

    def settled(self, scores: Sequence[Score]) -> Sequence[Score]:
        """As the other task does it."""
        return self.inner.settled(scores)

    def figures(self, counts: Mapping[str, float]) -> tuple[Figure, ...]:
        """Those of the other task, latencies as means of samples, and the real-time factor."""
        ways = ", ".join(sorted(name.removeprefix(_HOW) for name in counts if name.startswith(_HOW)))
        how = f"{self.policy}, chunks of {self.chunk:g} s" + (f", by {ways}" if ways else "")
        late = (
            Figure(
                name,
                _scaled(ratio(counts.get(key, 0), counts.get("timed", 0)), scale),
                "seconds" if scale > 1 else "share",
                by=f"{about}; {how}",
            )
            for key, (name, about, scale) in _LATENCIES.items()
        )
        factor = ratio(counts.get("computed", 0), counts.get("seconds", 0))
        return (*self.inner.figures(counts), *late, Figure("real-time factor", factor, "ratio", by=how))


def _scaled(value: float | None, scale: float) -> float | None:
    return None if value is None else value / scale


def deltas(listener: Listener, request: Request) -> Iterator[Delta]:
    """Hear a recording chunk by chunk; `data` says when each word was written.

    Raises:
        UnsupportedError: the model does not know the policy, or the recording is longer than it hears at once.
        OptionError: there is no such option. AudioError: the recording cannot be used.
    """
    options = dict(request.options)
    policy = Policy(options.pop("policy"), options.pop("chunk"))
    found = stream(listener, request.conversation.clips[0], policy, **options)
    told = {name: value for name, value in asdict(found).items() if name != "text"}
    yield Delta(found.text, usage=Usage(found.seconds), data=told)
