"""Classification: accuracy, unweighted average recall, macro F1 and the confusion matrix, of counts of pairs.

A pair is a true label and a predicted one. Averages are over the labels that are in the references, each with the same
weight (Schuller et al. 2009 for the recall); `OTHER` is an answer that is none of the labels.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hark.evaluation.metrics.normalise import plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OTHER = ""
_PAIR, _GAP = "pair ", "\t"


def pair(truth: str, predicted: str) -> str:
    """The name of the count of one pair of labels."""
    return f"{_PAIR}{truth}{_GAP}{predicted}"


def named(text: str, labels: Sequence[str]) -> str:
    """The label that an answer gives: it is the label, or no other label is in it; else `OTHER`.

    A label within a longer one that is there does not count: "not angry" names `not angry`, not `angry`.
    """
    said = f" {plain(text)} "
    there = [label for label in labels if f" {plain(label)} " in said]
    whole = [label for label in there if f" {plain(label)} " == said]
    longest = [one for one in there if not any(plain(one) != plain(other) and _within(one, other) for other in there)]
    found = whole or longest
    return found[0] if len(found) == 1 else OTHER


def _within(label: str, other: str) -> bool:
    return f" {plain(label)} " in f" {plain(other)} "


@dataclass(frozen=True, slots=True)
class Confusion:
    """How often each label was taken for each; `labels` are those of the references, in order."""

    labels: tuple[str, ...]
    pairs: Mapping[tuple[str, str], float]

    @classmethod
    def of(cls, counts: Mapping[str, float]) -> Confusion:
        """Read the counts of pairs among others."""
        found: Counter[tuple[str, str]] = Counter()
        for name, count in counts.items():
            if name.startswith(_PAIR) and count:
                truth, _, predicted = name.removeprefix(_PAIR).partition(_GAP)
                found[truth, predicted] += int(count)
        return cls(tuple(sorted({truth for truth, _ in found})), found)

    @property
    def accuracy(self) -> float | None:
        """The share that is right."""
        whole = sum(self.pairs.values())
        return sum(self.pairs.get((one, one), 0) for one in self.labels) / whole if whole else None

    @property
    def recall(self) -> float | None:
        """The unweighted average recall (UAR)."""
        return self._mean([self._right(one) / self._true(one) for one in self.labels])

    @property
    def f1(self) -> float | None:
        """The macro F1: the mean of the F1 of each label."""
        return self._mean([2 * self._right(one) / (self._true(one) + self._claimed(one)) for one in self.labels])

    def rows(self) -> tuple[tuple[str, ...], tuple[tuple[str | float | None, ...], ...]]:
        """The head of the matrix, and a row for each true label."""
        predicted = sorted({one for _, one in self.pairs} - {OTHER} | set(self.labels))
        others = [OTHER] * any(one == OTHER for _, one in self.pairs)
        columns = [*predicted, *others]
        head = ("said as", *predicted, *("none of them" for _ in others))
        return head, tuple((one, *(self.pairs.get((one, as_), 0) for as_ in columns)) for one in self.labels)

    def _right(self, label: str) -> float:
        return self.pairs.get((label, label), 0)

    def _true(self, label: str) -> float:
        return sum(count for (truth, _), count in self.pairs.items() if truth == label)

    def _claimed(self, label: str) -> float:
        return sum(count for (_, predicted), count in self.pairs.items() if predicted == label)

    @staticmethod
    def _mean(values: list[float]) -> float | None:
        return sum(values) / len(values) if values else None
