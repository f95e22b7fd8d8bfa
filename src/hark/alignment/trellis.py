"""The likeliest path of a known text through the output of a CTC model.

CTC (Graves et al. 2006, "Connectionist temporal classification") puts a blank that may be skipped around every label;
two equal labels in a row need one between them. The best path is found by dynamic programming over that trellis and
traced back, as in Kürzinger et al. 2020, "CTC-segmentation", and in torchaudio's `forced_align`.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_STAY, _STEP, _SKIP = 0, 1, 2


class Span(NamedTuple):
    """Where a label lies on the path: its first frame, the frame after its last, the mean of its probabilities."""

    first: int
    after: int
    probability: float


def align(likely: NDArray[np.floating], labels: Sequence[int], blank: int) -> list[Span] | None:
    """Find the likeliest frames of each label; None where there are too few frames for the labels.

    Memory grows with the labels times the square root of the frames: every so many frames the scores are kept, and
    the frames between are gone through again on the way back.

    Args:
        likely: log-probabilities (frames, vocabulary).
        labels: the columns to be gone through, in order; none of them the blank.
        blank: the column of the blank.
    """
    frames, count = len(likely), len(labels)
    if not count:
        return []
    if frames < needed(labels):
        return None
    states = np.full(2 * count + 1, blank)
    states[1::2] = labels
    may_skip = np.zeros(len(states), bool)
    may_skip[3::2] = states[3::2] != states[1:-2:2]
    closed = np.where(may_skip, 0.0, -np.inf)
    stride = math.isqrt(frames - 1) + 1
    score = np.full(len(states), -np.inf)
    score[:2] = likely[0, states[:2]]
    kept = [score]  # the scores after frames 0, stride, 2 * stride ...
    for start in range(0, frames - 1, stride):
        for frame in range(start + 1, min(start + stride, frames - 1) + 1):
            score = _ways(score, closed).max(axis=0) + likely[frame, states]
        kept.append(score)
    place = len(states) - 1 if score[-1] > score[-2] else len(states) - 2
    path = np.empty(frames, np.int64)
    for number in reversed(range(len(kept) - 1)):
        start = number * stride
        last = min(start + stride, frames - 1)
        taken = _steps(kept[number], closed, likely[start + 1 : last + 1], states)
        for frame in range(last, start, -1):
            path[frame] = place
            place -= int(taken[frame - start - 1, place])
    path[0] = place
    return _spans(path, likely, labels)


def needed(labels: Sequence[int]) -> int:
    """The fewest frames that labels fit into."""
    return len(labels) + sum(one == other for one, other in pairwise(labels))


def _ways(score: NDArray[np.float64], closed: NDArray[np.float64]) -> NDArray[np.float64]:
    """The scores (3, states) from which each state is reached: from itself, the one before, the one before that."""
    ways = np.full((3, len(score)), -np.inf)
    ways[_STAY] = score
    ways[_STEP, 1:] = score[:-1]
    ways[_SKIP, 2:] = score[:-2] + closed[2:]
    return ways


def _steps(
    score: NDArray[np.float64], closed: NDArray[np.float64], likely: NDArray[np.floating], states: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """How many states each state (frames, states) is beyond the one it was best reached from."""
    taken = np.empty((len(likely), len(states)), np.uint8)
    for frame, row in enumerate(likely):
        ways = _ways(score, closed)
        taken[frame] = ways.argmax(axis=0)
        score = ways.max(axis=0) + row[states]
    return taken


def _spans(path: NDArray[np.int64], likely: NDArray[np.floating], labels: Sequence[int]) -> list[Span]:
    firsts = np.searchsorted(path, 2 * np.arange(len(labels)) + 1)
    afters = np.searchsorted(path, 2 * np.arange(len(labels)) + 2)
    return [
        Span(int(first), int(after), float(np.exp(likely[first:after, label]).mean()))
        for label, first, after in zip(labels, firsts, afters, strict=True)
    ]
