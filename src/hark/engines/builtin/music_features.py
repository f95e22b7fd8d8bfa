"""What the analysis of music is made from: onsets, pitch classes and timbre over time, by librosa."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]
Values = npt.NDArray[np.float64]

RATE = 22_050
HOP = 256  # of onsets
SLOW_HOP = 1024  # of pitch and timbre
_LOWEST_HZ = 32.703  # C1
_BINS_PER_OCTAVE, _OCTAVES = 36, 7
_BASS_OCTAVES = 2  # C1 to B2
_LOW_HZ = 180.0


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """Onsets at 86.1 frames a second, and pitch and timbre at 21.5.

    Attributes:
        onsets, low_onsets: how much begins, in all bands and below 180 Hz.
        chroma: (frames, 12) amount of each pitch class from C, without what is broadband; bass: the same of C1 to B2.
        timbre: (frames, 13) mel-frequency cepstral coefficients.
        tuning: how far the pitch lies from A = 440 Hz, in semitones, -0.5 to 0.5.
    """

    onsets: Values
    low_onsets: Values
    chroma: Values
    bass: Values
    timbre: Values
    tuning: float

    @property
    def harmonic_change(self) -> Values:
        """How much the pitch classes differ between the 0.3 s before and after, at the rate of the onsets."""
        width = round(0.3 * RATE / SLOW_HOP)
        notes = np.sqrt(self.chroma) + 0.7 * np.sqrt(self.bass)
        sums = np.cumsum(np.pad(notes, ((width + 1, width), (0, 0)), mode="edge"), axis=0)
        means = _unit(sums[width:] - sums[:-width])
        change = 1 - (means[width:] * means[:-width]).sum(axis=1)
        at = np.arange(len(self.onsets)) * HOP / SLOW_HOP
        return np.asarray(np.interp(at, np.arange(len(change)), change))


def measure(librosa: Any, sound: Samples) -> Features:
    """Measure mono samples at 22,050 Hz."""
    mel = librosa.feature.melspectrogram(y=sound, sr=RATE, hop_length=HOP, n_mels=96, fmax=RATE / 2)
    decibels = librosa.power_to_db(mel)
    bands = librosa.mel_frequencies(n_mels=96 + 2, fmax=RATE / 2)[1:-1]
    rises = np.maximum(0.0, np.diff(decibels, axis=1, prepend=decibels[:, :1]))
    tuning = float(librosa.estimate_tuning(y=sound, sr=RATE))
    power = np.abs(
        librosa.cqt(
            sound, sr=RATE, hop_length=SLOW_HOP, fmin=_LOWEST_HZ, n_bins=_OCTAVES * _BINS_PER_OCTAVE,
            bins_per_octave=_BINS_PER_OCTAVE, tuning=tuning * _BINS_PER_OCTAVE / 12,
        )
    )  # fmt: skip
    pitched = _peaks(power)
    chroma, bass = _folded(pitched), _folded(pitched[: _BASS_OCTAVES * _BINS_PER_OCTAVE])
    step = SLOW_HOP // HOP
    timbre = librosa.feature.mfcc(S=decibels[:, ::step], n_mfcc=13).T
    low = rises[bands < _LOW_HZ].mean(axis=0)
    onsets, low, chroma, bass, timbre = (
        np.asarray(each, dtype=np.float64) for each in (rises.mean(axis=0), low, chroma, bass, timbre)
    )
    return Features(onsets, low, chroma, bass, timbre, tuning)


def _peaks(power: Values) -> Values:
    """What of each bin stands out from the half octave around it: tones, not noise and drums."""
    from scipy.ndimage import median_filter

    floor = median_filter(power, size=(_BINS_PER_OCTAVE // 2 + 1, 1), mode="nearest")
    return np.asarray(np.maximum(0.0, power - 1.5 * floor))


def _folded(power: Values) -> Values:
    """(bins, frames) to (frames, 12): the three bins of a semitone, centred on it, in all octaves."""
    octaves = np.roll(power, 1, axis=0).reshape(-1, 12, _BINS_PER_OCTAVE // 12, power.shape[1])
    return np.asarray(octaves.sum(axis=(0, 2)).T)


def _unit(rows: Values) -> Values:
    return np.asarray(rows / (np.linalg.norm(rows, axis=1, keepdims=True) + 1e-9))
