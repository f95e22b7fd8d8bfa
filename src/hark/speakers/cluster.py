"""Which pieces of speech are by the same speaker: agglomerative clustering of Gaussians by the Bayesian criterion.

Each cluster is one full Gaussian over its frames. Two are the more different, the more the likelihood of the frames
falls when one Gaussian must explain both (the generalised likelihood ratio); Chen and Gopalakrishnan 1998, "Speaker,
environment and channel change detection and clustering via the Bayesian information criterion". First neighbours in
time are merged, so that clusters hold a voice rather than a vowel; then any two. Linkages that rest on the distances
of the pieces, such as scikit-learn's, cannot ask this of a cluster that has grown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# Tuned on the first half of the dialogues of benchmarks/diarization.py.
_NEAR = 0.5  # weight of the penalty when neighbours are merged, ...
_ANY = 1.3  # ... and when any two are: higher finds fewer speakers
_FLOOR = 0.3  # added to variances, so that a second of speech has a Gaussian
_MOST = 2000.0  # frames of a cluster that count: 20 s tell a voice, and more would tell moods apart
_MINUTE = 4500  # frames of speech in which speakers are counted
_FAR = 3.0  # times the limit: voices that are never taken for one, however many speakers are usual
_BLOCK, _KEPT = 600, 60  # pieces clustered at once, and how many clusters of them go on: memory and time stay bounded


@dataclass(frozen=True, slots=True, eq=False)
class Gaussians:
    """Clusters as `count` (k,) of frames, `mean` (k, d) and `second` moments (k, d, d)."""

    count: NDArray[np.float64]
    mean: NDArray[np.float64]
    second: NDArray[np.float64]

    @classmethod
    def of(cls, pieces: Sequence[NDArray[np.float64]]) -> Gaussians:
        """One for each piece, frames (n, d)."""
        count = np.array([float(len(piece)) for piece in pieces])
        mean = np.stack([piece.mean(axis=0) for piece in pieces])
        return cls(count, mean, np.stack([piece.T @ piece / len(piece) for piece in pieces]))

    def merge(self, kept: int, gone: int) -> None:
        """Let one cluster take another's frames."""
        total = self.count[kept] + self.count[gone]
        share = self.count[gone] / total
        self.mean[kept] += share * (self.mean[gone] - self.mean[kept])
        self.second[kept] += share * (self.second[gone] - self.second[kept])
        self.count[kept] = total

    def some(self, which: NDArray[np.int64]) -> Gaussians:
        """A copy of some of them."""
        return Gaussians(self.count[which], self.mean[which], self.second[which])

    def spread(self, which: NDArray[np.int64]) -> NDArray[np.float64]:
        """The log of the determinants of their covariances."""
        return _log_determinant(self.mean[which], self.second[which])

    def distance(
        self, one: NDArray[np.int64], other: NDArray[np.int64], spreads: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """By how much the log-likelihood falls when each two are one; `spreads` are those of all clusters."""
        first, second = np.minimum(self.count[one], _MOST), np.minimum(self.count[other], _MOST)
        both = first + second
        share = (second / both)[:, None]
        mean = self.mean[one] + share * (self.mean[other] - self.mean[one])
        moment = self.second[one] + share[..., None] * (self.second[other] - self.second[one])
        apart = first * spreads[one] + second * spreads[other]
        fall: NDArray[np.float64] = 0.5 * (both * _log_determinant(mean, moment) - apart)
        return fall


def cluster(pieces: Sequence[NDArray[np.float64]], speakers: int | None = None) -> NDArray[np.int64]:
    """Number the speakers of pieces in order of time, frames (n, d) each: (pieces,) from 0.

    With `speakers`, so many are told apart, or as many as there are pieces. Without, the criterion finds how many there
    are, in a minute at a time: over hours, one voice varies more than two differ in a minute. The usual number holds
    for all, except that voices stay apart that are more different than one ever was.
    """
    if speakers is not None:
        return _clustered(pieces, speakers, np.inf)
    minutes = _minutes(pieces)
    if len(minutes) < 2:
        return _clustered(pieces, 1, 1.0)
    usual = int(np.median([_clustered(minute, 1, 1.0).max() + 1 for minute in minutes]))
    return _clustered(pieces, usual, _FAR)


def _minutes(pieces: Sequence[NDArray[np.float64]]) -> list[list[NDArray[np.float64]]]:
    """Pieces that follow each other, about `_MINUTE` frames together."""
    ends = np.cumsum([len(piece) for piece in pieces])
    count = max(1, round(float(ends[-1]) / _MINUTE))
    place = np.minimum(((ends - 1) * count) // ends[-1], count - 1)
    groups = [[piece for piece, at in zip(pieces, place, strict=True) if at == number] for number in range(count)]
    return [group for group in groups if group]


def _clustered(pieces: Sequence[NDArray[np.float64]], fewest: int, times: float) -> NDArray[np.int64]:
    """Merge pieces until the `fewest` are left, or all differ by so many `times` the limit."""
    gaussians = Gaussians.of(pieces)
    labels = _neighbours(gaussians, fewest)
    limit = times * _ANY * float(_penalty(gaussians, np.minimum(gaussians.count.sum(), 3 * _MOST)))
    alive = np.unique(labels)
    while len(alive) > _BLOCK:
        blocks = np.array_split(alive, -(-len(alive) // _BLOCK))
        merged = np.concatenate([_agglomerate(gaussians, labels, block, _KEPT, limit) for block in blocks])
        if len(merged) == len(alive):
            break
        alive = merged
    _agglomerate(gaussians, labels, alive, fewest, limit)
    numbers: NDArray[np.int64] = np.unique(labels, return_inverse=True)[1]
    return numbers


def _log_determinant(mean: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    covariance = second - mean[:, :, None] * mean[:, None, :]
    found: NDArray[np.float64] = np.linalg.slogdet(covariance + _FLOOR * np.eye(mean.shape[1]))[1]
    return found


def _penalty(gaussians: Gaussians, frames: NDArray[np.float64]) -> NDArray[np.float64]:
    """What the parameters of one Gaussian more are worth by the Bayesian information criterion."""
    size = gaussians.mean.shape[1]
    worth: NDArray[np.float64] = 0.5 * (size + size * (size + 1) / 2) * np.log(frames)
    return worth


def _neighbours(gaussians: Gaussians, fewest: int) -> NDArray[np.int64]:
    """Merge pieces that follow each other, the most alike first; return the cluster of each piece."""
    labels = np.arange(len(gaussians.count))
    order = labels.tolist()
    spreads = gaussians.spread(labels)

    def gain(places: Sequence[int]) -> NDArray[np.float64]:
        one, other = (np.array([order[place + step] for place in places]) for step in (0, 1))
        both = gaussians.count[one] + gaussians.count[other]
        return gaussians.distance(one, other, spreads) - _NEAR * _penalty(gaussians, both)

    gains = list(gain(range(len(order) - 1))) if len(order) > 1 else []
    while len(order) > fewest and min(gains) < 0:
        place = int(np.argmin(gains))
        kept, gone = order[place], order.pop(place + 1)
        gaussians.merge(kept, gone)
        labels[labels == gone] = kept
        spreads[kept] = gaussians.spread(np.array([kept]))[0]
        del gains[place]
        for changed in (place - 1, place):
            if 0 <= changed < len(gains):
                gains[changed] = gain([changed])[0]
    return labels


def _agglomerate(
    gaussians: Gaussians, labels: NDArray[np.int64], which: NDArray[np.int64], fewest: int, limit: float
) -> NDArray[np.int64]:
    """Merge the most alike of some clusters until they differ by `limit` or are the `fewest`; return who is left."""
    size = len(which)
    own = gaussians.some(which)
    spreads = own.spread(np.arange(size))
    distances = np.full((size, size), np.inf)
    for number in range(size - 1):
        others = np.arange(number + 1, size)
        distances[number, others] = own.distance(np.full(len(others), number), others, spreads)
    alive = np.ones(size, bool)
    while alive.sum() > fewest:
        kept, gone = (int(place) for place in np.unravel_index(np.argmin(distances), distances.shape))
        if distances[kept, gone] >= limit:
            break
        own.merge(kept, gone)
        alive[gone] = False
        labels[labels == which[gone]] = which[kept]
        spreads[kept] = own.spread(np.array([kept]))[0]
        distances[gone, :] = distances[:, gone] = np.inf
        others = np.flatnonzero(alive & (np.arange(size) != kept))
        new = own.distance(np.full(len(others), kept), others, spreads)
        distances[np.minimum(kept, others), np.maximum(kept, others)] = new
    for name in ("count", "mean", "second"):
        getattr(gaussians, name)[which] = getattr(own, name)
    left: NDArray[np.int64] = which[alive]
    return left
