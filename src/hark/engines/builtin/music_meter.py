"""Tempo and meter of music together: hypotheses of both, scored by how onsets, bass and harmony repeat.

A tempo alone is told only up to its octave (half and double fit about as well). What settles it is the bar: chords and
bass change with bars, and beats divide in two or three. So each hypothesis is a tempo with a meter, and its score is a
linear function of the features below. The weights are of a conditional logit model (D. McFadden, 1974), fitted by
`python benchmarks/music.py --fit` on pieces made there; other pieces and other styles are what its table reports.
Autocorrelation of onsets for tempo: D. P. W. Ellis, Journal of New Music Research 36 (2007), 51-60.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hark.engines.builtin.music_features import HOP, RATE

if TYPE_CHECKING:
    from hark.engines.builtin.music_features import Features, Values

FRAMES_PER_SECOND = RATE / HOP
SLOWEST, FASTEST = 48.0, 195.0
# Beats in a bar, and parts that a beat divides into.
METERS = {"4/4": (4, 2), "3/4": (3, 2), "6/8": (2, 3)}
_RATIOS = (1, 2, 3, 4, 6, 1 / 2, 1 / 3, 1 / 4, 2 / 3, 3 / 2, 3 / 4, 4 / 3)
# How alike the onsets, the low onsets and the harmony are a beat later; the harmony a bar later; low onsets and
# harmony a bar later against a bar of another length; onsets a part of a beat later against another part; strength of
# the parts in the onsets, of the bar in the onsets and in the harmony; octaves above 110 and their square; 3/4; 6/8.
WEIGHTS = np.array([3.23, 2.94, 3.4, 3.86, 1.28, 1.36, 1.41, 6.49, -3.33, 7.37, 1.97, -0.59, -0.69, -1.04])


@dataclass(frozen=True, slots=True)
class Pulse:
    """A tempo in beats per minute, with a meter, and the score of both."""

    tempo: float
    meter: str
    score: float


class Rhythm:
    """Curves of what begins and changes, and how they repeat."""

    def __init__(self, features: Features) -> None:
        self.curves = {
            "onsets": _smooth(features.onsets),
            "low": _smooth(features.low_onsets),
            "harmony": features.harmonic_change,
        }
        self._repeats = {name: _autocorrelation(curve) for name, curve in self.curves.items()}

    def pulses(self) -> list[Pulse]:
        """All hypotheses, the best first."""
        found = [(tempo, meter) for tempo in self._tempi() for meter in METERS]
        scored = [Pulse(tempo, meter, float(self.features(tempo, meter) @ WEIGHTS)) for tempo, meter in found]
        return sorted(scored, key=lambda pulse: -pulse.score)

    def features(self, tempo: float, meter: str) -> Values:
        """What speaks for a hypothesis; see `WEIGHTS`."""
        beats, parts = METERS[meter]
        beat = 60 / tempo * FRAMES_PER_SECOND
        bar, other = beats * beat, (4 if meter == "3/4" else 3) * beat
        octaves = np.log2(tempo / 110)
        return np.array(
            [
                self._alike("onsets", beat),
                self._alike("low", beat),
                self._alike("harmony", beat),
                self._alike("harmony", bar),
                self._alike("low", bar) - self._alike("low", other),
                self._alike("harmony", bar) - self._alike("harmony", other),
                self._alike("onsets", beat / parts) - self._alike("onsets", beat / (5 - parts)),
                self._strength("onsets", beat / parts),
                self._strength("onsets", bar),
                self._strength("harmony", bar),
                octaves,
                octaves**2,
                float(meter == "3/4"),
                float(meter == "6/8"),
            ]
        )

    def _tempi(self) -> list[float]:
        """The three tempi at which onsets repeat most, and what stands in simple ratios to them."""
        grid = np.exp(np.arange(np.log(45), np.log(220), 0.01))
        fits = np.array([self._comb(tempo, (1, 2, 3, 4)) for tempo in grid])
        inner = fits[1:-1]
        peaks = np.flatnonzero((inner >= fits[:-2]) & (inner > fits[2:])) + 1
        found = list[float]()
        for peak in peaks[np.argsort(-fits[peaks])][:3]:
            for ratio in _RATIOS:
                tempo = self._refined(float(grid[peak]) * ratio)
                if SLOWEST <= tempo <= FASTEST and all(abs(tempo / other - 1) > 0.03 for other in found):
                    found.append(tempo)
        return found

    def _refined(self, tempo: float) -> float:
        near = tempo * np.linspace(0.97, 1.03, 25)
        return float(near[np.argmax([self._comb(each, (1, 2, 3, 4, 6, 8)) for each in near])])

    def _comb(self, tempo: float, beats: tuple[int, ...]) -> float:
        beat = 60 / tempo * FRAMES_PER_SECOND
        return float(np.mean([self._alike("onsets", count * beat, 0.004) for count in beats]))

    def _alike(self, name: str, lag: float, slack: float = 0.015) -> float:
        """Autocorrelation at a lag in frames, the highest within a share of it."""
        curve = self._repeats[name]
        lags = np.linspace(max(1.0, lag * (1 - slack)), lag * (1 + slack), 7)
        return 0.0 if lags[0] >= len(curve) - 1 else float(np.interp(lags, np.arange(len(curve)), curve).max())

    def _strength(self, name: str, period: float) -> float:
        """Magnitude of a curve's Fourier coefficient of that period in frames, the mean over pieces of 8 s, 0 to 1."""
        curve, length = self.curves[name], round(8 * FRAMES_PER_SECOND)
        centred, found = curve - curve.mean(), list[float]()
        for start in range(0, max(1, len(curve) - length // 2), length):
            piece, whole = centred[start : start + length], curve[start : start + length]
            window = np.hanning(len(piece))
            wave = np.exp(-2j * np.pi * np.arange(len(piece)) / period)
            found.append(float(abs((piece * window * wave).sum()) / ((np.abs(whole) * window).sum() + 1e-9)))
        return float(np.mean(found))


def _smooth(curve: Values) -> Values:
    window = np.hanning(7)[1:-1]
    return np.convolve(curve, window / window.sum(), mode="same")


def _autocorrelation(curve: Values) -> Values:
    """1 at lag 0; each lag is weighted by how much of the curve it compares, from a quarter on."""
    centred, count = curve - curve.mean(), len(curve)
    power = np.abs(np.fft.rfft(centred, 2 * count)) ** 2
    raw = np.fft.irfft(power)[:count]
    return np.asarray(raw / (raw[0] + 1e-12) * count / np.maximum(count - np.arange(count), count / 4))
