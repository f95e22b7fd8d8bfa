"""Free answers: exact match and F1 of words, as SQuAD does (Rajpurkar et al. 2016, arXiv:1606.05250)."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from hark.evaluation.metrics.normalise import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

_ARTICLES = re.compile(r"\b(a|an|the)\b")


def normalised(text: str) -> str:
    """Lower case, without punctuation and English articles."""
    return " ".join(_ARTICLES.sub(" ", plain(text)).split())


def exact(prediction: str, references: Sequence[str]) -> bool:
    """Is it one of the references, after normalising?"""
    return normalised(prediction) in {normalised(reference) for reference in references}


def f1(prediction: str, references: Sequence[str]) -> float:
    """The harmonic mean of precision and recall of words, 0..1; of several references the best one counts."""
    return max((_f1(normalised(prediction).split(), normalised(one).split()) for one in references), default=0.0)


def _f1(said: list[str], wanted: list[str]) -> float:
    if not said or not wanted:
        return float(said == wanted)
    shared = sum((Counter(said) & Counter(wanted)).values())
    return 2 * shared / (len(said) + len(wanted))
