"""CIDEr-D and ROUGE-L of captions, as coco-caption computes them.

Sources: Vedantam et al. 2015, arXiv:1411.5726 (n-grams up to 4, sigma 6); Lin 2004 (beta 1.2). Words are cut as the
Penn Treebank does in plain sentences: lower case, `isn't` as `is n't`, no punctuation.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_ORDERS, _SIGMA, _BETA = 4, 6.0, 1.2
_SPLIT = re.compile(r"(?<=\w)(n't|'(?:s|re|ve|ll|m|d))\b|(?<=\bcan)(not)\b")
_TOKEN = re.compile(r"n't|'(?:s|re|ve|ll|m|d)\b|\b(?:[a-z]\.){2,}|\w+(?:[.,:/-]\w+)*|&")

Grams = Counter[tuple[str, ...]]


def tokens(text: str) -> list[str]:
    """The words of a caption."""
    return _TOKEN.findall(_SPLIT.sub(r" \g<0>", text.lower().replace("\u2019", "'")))


def rouge_l(prediction: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """The F score of the longest common subsequence of words, 0..1, with the best precision and the best recall."""
    shared = [_subsequence(prediction, reference) for reference in references]
    precision = max((n / len(prediction) for n in shared if n), default=0.0)
    recall = max((n / len(ref) for n, ref in zip(shared, references, strict=True) if n), default=0.0)
    if not precision or not recall:
        return 0.0
    return (1 + _BETA**2) * precision * recall / (recall + _BETA**2 * precision)


def cider_d(predictions: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]]) -> list[float]:
    """CIDEr-D of each caption, 0..10; how rare an n-gram is, is told by the references of all of them.

    Of one sample it is 0: nothing is rare there.
    """
    seen: Grams = Counter()
    for several in references:
        seen.update({gram for reference in several for gram in _grams(reference)})
    whole = math.log(max(1, len(references)))
    rarity = {gram: whole - math.log(count) for gram, count in seen.items()}
    scores = []
    for prediction, several in zip(predictions, references, strict=True):
        said = _Weighted(prediction, rarity, whole)
        likeness = sum(said.likeness(_Weighted(reference, rarity, whole)) for reference in several)
        scores.append(10 * likeness / len(several) if several else 0.0)
    return scores


class _Weighted:
    """The n-grams of a caption, each by how often it is there and how rare it is (tf-idf)."""

    def __init__(self, words: Sequence[str], rarity: dict[tuple[str, ...], float], unseen: float) -> None:
        self.orders: list[dict[tuple[str, ...], float]] = [{} for _ in range(_ORDERS)]
        for gram, count in _grams(words).items():
            self.orders[len(gram) - 1][gram] = count * rarity.get(gram, unseen)
        self.norms = [math.sqrt(sum(value**2 for value in order.values())) for order in self.orders]
        self.length = max(0, len(words) - 1)  # coco-caption counts the pairs of words

    def likeness(self, reference: _Weighted) -> float:
        """0..1: the mean over the orders of clipped cosines, less for another length."""
        total = 0.0
        for own, other, norm, other_norm in zip(
            self.orders, reference.orders, self.norms, reference.norms, strict=True
        ):
            shared = sum(min(value, other[gram]) * other[gram] for gram, value in own.items() if gram in other)
            total += shared / (norm * other_norm) if norm and other_norm else 0.0
        return total / _ORDERS * math.exp(-((self.length - reference.length) ** 2) / (2 * _SIGMA**2))


def _grams(words: Sequence[str]) -> Grams:
    return Counter(tuple(words[i : i + n]) for n in range(1, _ORDERS + 1) for i in range(len(words) - n + 1))


def _subsequence(one: Sequence[str], other: Sequence[str]) -> int:
    """The length of the longest common subsequence."""
    row = [0] * (len(other) + 1)
    for word in one:
        before = 0
        for at, mine in enumerate(other, 1):
            before, row[at] = row[at], before + 1 if word == mine else max(row[at], row[at - 1])
    return row[-1]
