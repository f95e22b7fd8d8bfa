"""The seam of evaluation: a task makes a request of each sample, scores what comes back, and tells figures of all.

Counts of samples add up to counts of the whole, and figures are made of those: so a part of the data, a bootstrap
sample of it and all of it are figured in one way.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from hark.answers.answer import Answer
    from hark.conversation.conversation import Conversation
    from hark.data.sample import Sample
    from hark.engines.engine import Capabilities

Unit = Literal["share", "points", "seconds", "bytes", "ratio", "per minute", "count"]
Way = Literal["answer", "classify", "command", "speakers", "stream"]


@dataclass(frozen=True, slots=True)
class Request:
    """What a listener is asked for one sample.

    Attributes:
        conversation: what is said to the model.
        options: keywords of `Listener.answer`, the field `task` among them; of the other ways, their keywords.
        way: `answer`: `listener.answer(conversation, **options)`, which can be batched. The others ask about one clip
            and are asked one by one: `hark.evaluation.asking.deltas` asks in all ways.
    """

    conversation: Conversation
    options: Mapping[str, Any] = field(default_factory=dict)
    way: Way = "answer"


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back.

    Attributes:
        answer: None where the model failed.
        error: why it failed.
        seconds: from the request to the end of the answer, by the wall clock; None where it was one of a batch.
        first: seconds to the first text.
        memory: the largest resident memory of the process that worked so far, in bytes; None for a server.
    """

    answer: Answer | None
    error: str | None = None
    seconds: float | None = None
    first: float | None = None
    memory: int | None = None

    @property
    def text(self) -> str:
        """The text of the answer; nothing where there is none."""
        return self.answer.text.strip() if self.answer else ""


@dataclass(frozen=True, slots=True)
class Score:
    """How good the answer to one sample is.

    Attributes:
        id: of the sample.
        counts: numbers that add up over samples, such as `errors` and `words`; `samples` is 1.
        error: how wrong it is: 0 is right, more is worse; for lists of the worst.
        prediction, reference: the two texts as they were compared, after normalising.
        details: more of it, as plain values for JSON (`alignment`: rows of operation, reference, prediction).
        failed: why there was no answer; None where there was one.
    """

    id: str
    counts: Mapping[str, float]
    error: float
    prediction: str = ""
    reference: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    failed: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; `Score(**values)` reads them back."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Figure:
    """One number about a model.

    Attributes:
        name: as the field calls it: `WER`, `BLEU`.
        value: a share is 0..1 (an error rate can be more), BLEU and chrF are 0..100; None where nothing can be said.
        unit: what it is a number of.
        better: which direction is better; None for what is neither.
        by: how it was made: the normaliser, the signature of sacreBLEU, the collar.
    """

    name: str
    value: float | None
    unit: Unit = "share"
    better: Literal["lower", "higher"] | None = "lower"
    by: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Table:
    """Figures that belong together: a confusion matrix, a curve over noise.

    Attributes:
        head: names of the columns; the first one is of what the rows are about.
        rows: numbers, None where nothing can be said, each after the name of its row.
    """

    name: str
    head: tuple[str, ...]
    rows: tuple[tuple[str | float | None, ...], ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


class Task(ABC):
    """A kind of question with its measure; subclasses are frozen dataclasses whose fields are their options.

    Attributes:
        name: in the registry `hark.evaluation.tasks.TASKS`.
        about: in one line.
        alone: samples must be asked one at a time, because it is timed how long each takes.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    alone: ClassVar[bool] = False

    def samples(self, given: Iterable[Sample]) -> Iterator[Sample]:
        """The samples to ask about, of those given: themselves, several of each (noise), or some made here."""
        yield from given

    def lacks(self, sample: Sample) -> str | None:
        """What a sample lacks to be scored, in words; None where it has all."""
        return None if sample.target else "an answer to compare with"

    def request(self, sample: Sample, can: Capabilities) -> Request:
        """What to ask a model that can do this; by default what the sample asks."""
        del can
        return Request(sample.asked)

    @abstractmethod
    def score(self, sample: Sample, reply: Reply) -> Score:
        """How good the reply is; where there is no answer it counts as an empty one."""

    def settled(self, scores: Sequence[Score]) -> Sequence[Score]:
        """The scores of all samples, with counts that only the whole tells (how rare a word is); by default as is."""
        return scores

    @abstractmethod
    def figures(self, counts: Mapping[str, float]) -> tuple[Figure, ...]:
        """The figures of added counts, the most important one first."""

    def tables(self, counts: Mapping[str, float]) -> tuple[Table, ...]:
        """What else added counts tell."""
        del counts
        return ()

    def total(self, scores: Sequence[Score]) -> dict[str, Figure]:
        """The figures of some settled scores, by name."""
        return {figure.name: figure for figure in self.figures(added(scores))}


def added(scores: Iterable[Score]) -> dict[str, float]:
    """The counts of scores, added up."""
    sums: dict[str, float] = {}
    for score in scores:
        for name, count in score.counts.items():
            sums[name] = sums.get(name, 0) + count
    return sums


def ratio(part: float, whole: float) -> float | None:
    """A share, or None of nothing."""
    return part / whole if whole else None
