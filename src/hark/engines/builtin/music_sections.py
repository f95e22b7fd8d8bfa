"""Sections of music: where the sound and the harmony of the bars before and after differ most, and which are alike.

The boundaries are peaks of the novelty that a checkerboard along the diagonal of the self-similarity finds (J. Foote,
ICME 2000, 452-455), over bars, which are put together from chroma and mel-frequency cepstral coefficients.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hark.engines.builtin.music_features import RATE, SLOW_HOP

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hark.engines.builtin.music_features import Features, Values

_HALF = 4  # bars on each side of a boundary: a phrase
_SHORTEST = 4  # bars in a section
# Fitted by hand on half of the pieces of benchmarks/music.py.
_NOVEL = 0.45
_ALIKE, _FARTHEST = 0.55, 1.0
_QUIET = 1.0  # in the first cepstral coefficient over `_TIMBRE`
_TIMBRE = 30
_SPREAD = 40


@dataclass(frozen=True, slots=True)
class Stretch:
    """A section from one bar to another; those that sound alike have one label, A for the first heard."""

    label: str
    first_bar: int
    last_bar: int


def find_sections(features: Features, bars: Sequence[float], end: float) -> tuple[Stretch, ...]:
    """Sections of whole bars; `bars` are their beginnings in seconds. One section where nothing changes for good."""
    if len(bars) < 2 * _SHORTEST:
        return (Stretch("A", 0, len(bars)),) if bars else ()
    rows = _rows(features, [*bars, end])
    if end - bars[-1] < 0.7 * float(np.median(np.diff(bars))):  # what rings on after the last bar is no bar
        rows = rows[:-1]
    novelty = _novelty(rows)
    cuts = list[int]()
    for bar in np.argsort(-novelty):
        far = all(abs(int(bar) - cut) >= _SHORTEST for cut in (0, len(rows), *cuts))
        if far and novelty[bar] >= _NOVEL and novelty[bar] == novelty[max(0, bar - 2) : bar + 3].max():
            cuts.append(int(bar))
    edges = [0, *sorted(cuts), len(bars)]
    return tuple(
        Stretch(label, start, stop) for label, start, stop in zip(_labels(rows, edges), edges, edges[1:], strict=False)
    )


def _rows(features: Features, edges: list[float]) -> Values:
    """(bars, features): pitch classes as a unit vector, and timbre in units of what tells instruments apart."""
    frames = np.minimum(np.round(np.array(edges) * RATE / SLOW_HOP).astype(int), len(features.timbre) - 1)
    rows: list[Values] = []
    for start, stop in itertools.pairwise(frames):
        part = slice(int(start), max(int(stop), int(start) + 1))
        notes = np.sqrt(features.chroma[part]).mean(axis=0)
        timbre = features.timbre[part]
        rows.append(
            np.concatenate(
                [notes / (np.linalg.norm(notes) + 1e-9), timbre.mean(axis=0) / _TIMBRE, timbre.std(axis=0) / _SPREAD]
            )
        )
    return _without_quiet_ends(np.array(rows))


def _without_quiet_ends(rows: Values) -> Values:
    """Bars before the music begins and after it fades take the place of their neighbours: they are no sections."""
    level = rows[:, 12]  # the first coefficient is the mean level of the bands
    loud = np.flatnonzero(level > np.median(level) - _QUIET)
    return rows[np.clip(np.arange(len(rows)), loud[0], loud[-1])]


def _novelty(rows: Values) -> Values:
    """How far the mean of the four bars after each bar line lies from that of the four before."""
    found = np.zeros(len(rows))
    for bar in range(_HALF, len(rows) - _HALF + 1):
        before, after = rows[bar - _HALF : bar], rows[bar : bar + _HALF]
        found[bar] = np.linalg.norm(before.mean(axis=0) - after.mean(axis=0))
    return found


def _labels(rows: Values, edges: list[int]) -> list[str]:
    """A letter for each section: that of the nearest earlier one, if it is near enough."""
    known: list[Values] = []
    labels: list[str] = []
    before: Values | None = None
    for start, stop in itertools.pairwise(edges):
        mean = rows[start:stop].mean(axis=0)
        # The section before is another one; how far it lies tells what is far in this piece.
        apart = 0.0 if before is None else float(np.linalg.norm(mean - before))
        distances = [float(np.linalg.norm(mean - other)) for other in known]
        if distances and min(distances) < min(_FARTHEST, max(_ALIKE, 0.4 * apart)):
            labels.append(chr(ord("A") + int(np.argmin(distances))))
        else:
            labels.append(chr(ord("A") + min(len(known), 25)))
            known.append(mean)
        before = mean
    return labels
