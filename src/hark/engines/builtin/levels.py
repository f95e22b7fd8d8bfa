"""Levels and onsets of a recording as it streams by, in memory that does not grow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hark.engines.builtin import spectrum

if TYPE_CHECKING:
    from hark.engines.builtin.spectrum import Values

DETAIL_SECONDS = 120.0
SILENT = -60.0  # dBFS
FLOOR = -120.0
_RISE = 10.0  # dB within 20 ms above the 50 ms before: an onset
_APART = 8  # hops (80 ms) between onsets


def decibels(power: Any) -> Any:
    """Power in decibels, never below the floor."""
    return np.maximum(FLOOR, 10 * np.log10(np.asarray(power) + 1e-30))


def hop_levels(chunk: Values, hop: int) -> Values:
    """The level in dBFS of each hop; the last may be shorter."""
    starts = np.arange(0, len(chunk), hop)
    lengths = np.diff(np.append(starts, len(chunk)))
    return np.asarray(decibels(np.add.reduceat(chunk**2, starts) / lengths))


class Levels:
    """Levels and onsets of a recording as it streams by, and the samples kept for a closer look."""

    def __init__(self, rate: int) -> None:
        self.rate, self.hop = rate, max(1, round(rate * spectrum.HOP_SECONDS))
        self.samples = self.hops = self.silent = self.clipped = 0
        self.peak, self.energy, self.loudest = 0.0, 0.0, FLOOR
        self.detail_start = 0.0
        self._kept: list[Values] = []
        self._before = np.full(7, FLOOR)
        self._found: list[tuple[float, float]] = []  # the first onsets: time, level
        self._counts = np.zeros(200, dtype=int)  # all onsets, by level
        self._last = -_APART

    def add(self, chunk: Values) -> None:
        """Take the next second."""
        levels = hop_levels(chunk, self.hop)
        self._onsets(levels)
        self._keep(chunk, levels)
        size = np.abs(chunk)
        self.peak = max(self.peak, float(size.max()))
        self.clipped += int((size >= 0.9995).sum())
        self.energy += float(np.square(chunk).sum())  # not `@`: BLAS threads cost more than such a sum
        self.loudest = max(self.loudest, float(levels.max()))
        self.silent += int((levels < SILENT).sum())
        self.hops += len(levels)
        self.samples += len(chunk)

    def _onsets(self, levels: Values) -> None:
        track = np.concatenate([self._before, levels])
        before = np.lib.stride_tricks.sliding_window_view(track, 6)[: len(levels)].max(axis=1)
        for at in np.flatnonzero((levels > before + _RISE) & (levels > SILENT)):
            hop = self.hops + int(at)
            if hop - self._last >= _APART:
                level = float(levels[at : at + 4].max())
                self._counts[min(199, max(0, int(level - FLOOR)))] += 1
                if len(self._found) < 512:
                    self._found.append((round(hop * self.hop / self.rate, 3), level))
                self._last = hop
        self._before = track[-7:]

    def _keep(self, chunk: Values, levels: Values) -> None:
        if not self._kept and levels.max() < SILENT:
            self.detail_start = (self.samples + len(chunk)) / self.rate
        elif len(self._kept) < DETAIL_SECONDS:
            self._kept.append(chunk)

    def detail(self) -> Values:
        """The samples from the first sound on, as many as are kept."""
        return np.concatenate(self._kept)

    def onset_times(self) -> list[float]:
        """Times of the first onsets in seconds, without those 25 dB below the loudest moment."""
        return [time for time, level in self._found if level > self.loudest - 25]

    def onset_count(self) -> int:
        """How many onsets there are, of the same loudness."""
        return int(self._counts[max(0, int(self.loudest - 25 - FLOOR) + 1) :].sum())

    def known(self) -> dict[str, Any]:
        """What a description takes from here."""
        count = max(1, self.samples)
        return {
            "peak_dbfs": round(float(decibels(self.peak**2)), 1),
            "level_dbfs": round(float(decibels(self.energy / count)), 1),
            "clipped": round(self.clipped / count, 6),
            "silence": round(self.silent / self.hops, 3) if self.hops else 1.0,
        }
