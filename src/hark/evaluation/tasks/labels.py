"""Classification, of emotions and of anything else that has labels."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - pydantic reads the field of it
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from hark.evaluation.metrics.labels import OTHER, Confusion, named, pair
from hark.evaluation.task import Figure, Reply, Request, Score, Table, Task

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hark.data.sample import Sample
    from hark.engines.engine import Capabilities

_ASK = "Which of these labels fits best: {}? Answer with the label and nothing else."


@dataclass(frozen=True)
class Labels(Task):
    """Give each recording one of the labels that are in the data.

    Attributes:
        key: where in `about` the label is; without one it is the answer of the sample, else `about["label"]`.
        labels: those to choose from, where the data do not have all.
        same: what a model calls a label, and what the data call it: `{"ang": "angry"}`.
    """

    name: ClassVar[str] = "classify"
    about: ClassVar[str] = "labels: accuracy, unweighted average recall, macro F1, confusions"
    key: str = ""
    labels: tuple[str, ...] = ()
    same: Mapping[str, str] = field(default_factory=dict)

    def samples(self, given: Iterable[Sample]) -> Iterator[Sample]:
        """The samples, each with all labels as its choices."""
        found = list(given)
        labels = tuple(sorted({*self.labels, *filter(None, map(self.truth, found))}))
        for sample in found:
            yield replace(sample, choices=labels)

    def truth(self, sample: Sample) -> str | None:
        """The label of a sample."""
        value: Any = sample.about.get(self.key) if self.key else sample.target or sample.about.get("label")
        return None if value in (None, "") else str(value)

    def lacks(self, sample: Sample) -> str | None:
        """A label, and another one that it could have."""
        if self.truth(sample) is None:
            return f"a label in {self.key!r}" if self.key else "a label"
        return None if len(sample.choices) > 1 else "labels to choose from: all samples have one"

    def request(self, sample: Sample, can: Capabilities) -> Request:
        """A classifier's own labels; else the question of the sample, or which label fits, held to them if it can."""
        asked = sample.asked
        if "classify" in can.tasks:
            return Request(asked, {}, "classify")
        if asked.prompt.strip():
            return Request(asked)
        if "schema" in can.options:
            return Request(asked, {"labels": list(sample.choices)}, "classify")
        return Request(asked.with_prompt(_ASK.format(", ".join(sample.choices))))

    def score(self, sample: Sample, reply: Reply) -> Score:
        """Right or wrong; an answer with no label, or with several, is wrong."""
        truth, said = self.truth(sample) or "", _said(reply)
        label = named(self.same.get(said, said), sample.choices)
        counts = {"samples": 1, pair(truth, label): 1}
        return Score(sample.id, counts, float(label != truth), label or said, truth, {"answer": said}, reply.error)

    def figures(self, counts: Mapping[str, float]) -> tuple[Figure, ...]:
        """Accuracy; recall and F1 as means over the labels."""
        found = Confusion.of(counts)
        by = f"mean over the {len(found.labels)} labels of the references"
        none = sum(count for (_, predicted), count in found.pairs.items() if predicted == OTHER)
        whole = sum(found.pairs.values())
        return (
            Figure("accuracy", found.accuracy, better="higher"),
            Figure("UAR", found.recall, better="higher", by=by),
            Figure("macro F1", found.f1, better="higher", by=by),
            Figure("no label", none / whole if whole else None),
        )

    def tables(self, counts: Mapping[str, float]) -> tuple[Table, ...]:
        """The confusion matrix: a row for each true label."""
        return (Table("confusions", *Confusion.of(counts).rows()),)


@dataclass(frozen=True)
class Emotion(Labels):
    """Tell the emotion in a voice; the label is `about["emotion"]`, else the answer of the sample."""

    name: ClassVar[str] = "emotion"
    about: ClassVar[str] = "emotions: accuracy, unweighted average recall, macro F1, confusions"
    key: str = "emotion"

    def truth(self, sample: Sample) -> str | None:
        """The emotion of a sample."""
        return super().truth(sample) or sample.target or None


def _said(reply: Reply) -> str:
    """The best label of a classifier, or what a model says."""
    data = reply.answer.data if reply.answer else None
    if isinstance(data, list) and data and isinstance(data[0], dict) and "label" in data[0]:
        return str(data[0]["label"])
    return reply.text
