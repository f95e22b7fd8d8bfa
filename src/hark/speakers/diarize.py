"""The offline diariser: speech, pieces of it, clusters of the pieces, and where exactly one speaker follows another."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from hark.speakers.features import Features, features
from hark.speakers.turns import Turn, joined, named

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

_PIECE = 150  # frames: 1.5 s are needed to tell a voice
_FRAMES = 100  # a second
_QUIET = 30.0  # dB under the loudest of a piece: the room, not the voice
_PITCH = 12.0  # weight of an octave, beside cepstra
_STEP = 5  # frames of one step of the search for changes: 50 ms
_CHANGE = 15.0  # what a change of speaker costs, ...
_SCALE = 0.1  # ... against log-likelihoods of this weight, as neighbouring frames say much the same
_ROUNDS = 2
_JOIN = 0.5  # seconds between stretches of one speaker that are one turn


def diarize(blocks: Iterable[NDArray[np.float32]], speakers: int | None = None) -> tuple[Turn, ...]:
    """Who speaks when, in blocks of mono samples at 16 kHz; turns never overlap.

    `speakers` is how many there are (fewer are found where there is less speech than that), None to find out. Memory
    grows by about 9 kB a second.
    """
    return turns_of(features(blocks), speakers)


def turns_of(found: Features, speakers: int | None = None) -> tuple[Turn, ...]:
    """The same, of features."""
    from hark.speakers.cluster import cluster

    cut = list(pieces(found))
    if not cut:
        return ()
    frames = points(found)
    labels = cluster([frames[voice(found, start, end)] for start, end in cut], speakers)
    return _smooth(found, frames, cut, labels)


def pieces(found: Features) -> Iterator[tuple[int, int]]:
    """Stretches of speech cut evenly."""
    for start, end in found.speech:
        edges = np.linspace(start, end, max(1, round((end - start) / _PIECE)) + 1).astype(int).tolist()
        yield from pairwise(edges)


def points(found: Features) -> NDArray[np.float64]:
    """Cepstra and weighted pitch, (n, 20); where there is no pitch, the recording's usual one, which tells nothing."""
    known = found.pitch[~np.isnan(found.pitch)]
    usual = np.median(known) if len(known) else 0.0
    return np.column_stack((found.cepstra, _PITCH * np.where(np.isnan(found.pitch), usual, found.pitch)))


def voice(found: Features, start: int, end: int) -> NDArray[np.int64]:
    """The frames of a piece that are loud enough to be the voice."""
    level = found.level[start:end]
    return start + np.flatnonzero(level > level.max() - _QUIET)


def _smooth(
    found: Features, frames: NDArray[np.float64], cut: list[tuple[int, int]], labels: NDArray[np.int64]
) -> tuple[Turn, ...]:
    """Turns whose ends lie where one voice fits worse than the next (Viterbi), wherever the pieces ended."""
    speaker = np.full(len(frames), -1)
    loud = np.zeros(len(frames), bool)
    for (start, end), label in zip(cut, labels.tolist(), strict=True):
        speaker[start:end] = label
        loud[voice(found, start, end)] = True
    speech = np.flatnonzero(speaker >= 0)
    for _ in range(_ROUNDS if labels.max() else 0):
        fits = _fits(frames[speech], frames[loud], speaker[loud], int(labels.max()) + 1)
        fits[~loud[speech]] = 0.0
        speaker[speech] = _path(fits)
    edges = np.flatnonzero((np.diff(speech) > 1) | (np.diff(speaker[speech]) != 0)) + 1
    runs = [run for run in np.split(speech, edges) if len(run)]
    return joined(named((run[0] / _FRAMES, (run[-1] + 1) / _FRAMES, int(speaker[run[0]])) for run in runs), _JOIN)


def _fits(
    wanted: NDArray[np.float64], known: NDArray[np.float64], speaker: NDArray[np.int64], count: int
) -> NDArray[np.float64]:
    """The log-likelihood of each frame for each speaker's Gaussian, (n, count), weighted."""
    fits = np.full((len(wanted), count), -1e3)
    floor = 0.1 * np.eye(wanted.shape[1])
    for number in range(count):
        own = known[speaker == number]
        if len(own) > wanted.shape[1]:
            covariance = np.cov(own.T) + floor
            away = wanted - own.mean(axis=0)
            distance = np.einsum("nd,nd->n", away, np.linalg.solve(covariance, away.T).T)
            fits[:, number] = -0.5 * _SCALE * (distance + np.linalg.slogdet(covariance)[1])
    return fits


def _path(fits: NDArray[np.float64]) -> NDArray[np.int64]:
    """The most likely speaker of each frame, when a change costs `_CHANGE`."""
    starts = np.arange(0, len(fits), _STEP)
    steps = np.add.reduceat(fits, starts, axis=0)
    score = steps[0].copy()
    came = np.zeros(steps.shape, np.int64)
    stay = np.arange(steps.shape[1])
    for number in range(1, len(steps)):
        best = int(np.argmax(score))
        jump = score[best] - _CHANGE
        came[number] = np.where(score >= jump, stay, best)
        score = np.maximum(score, jump) + steps[number]
    path = np.zeros(len(steps), np.int64)
    path[-1] = np.argmax(score)
    for number in range(len(steps) - 1, 0, -1):
        path[number - 1] = came[number, path[number]]
    return np.repeat(path, np.diff(np.append(starts, len(fits))))
