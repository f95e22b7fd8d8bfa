"""Samples for training changed on their log-mel energies: speed, frequency axis, noise, masks.

A change of speed, of pitch or of the vocal tract stretches the axes of a spectrogram, and noise adds to its energies,
so each is done on what `hark data prepare` kept, at a few microseconds a frame. Against the same change of the samples
it differs by what interpolation between bands and frames smooths.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from hark.data.prepare.fbank import RATE, log_mel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hark.training.recipe import Augment, Noise, SpecAugment

    Features = NDArray[np.float32]

DECIBEL = float(np.log(10) / 10)  # what one is in the natural logarithm of a power
_LOWEST, _HIGHEST = 20.0, RATE / 2  # Hz: where the bands of `log_mel` begin and end
_STEPS = 100  # frequency axes are warped by hundredths


def stretched(features: Features, factor: float) -> Features:
    """(frames, bands) in 1/factor as many frames, between which is interpolated."""
    frames = max(1, round(len(features) / factor))
    if frames == len(features):
        return features
    return _taken(features, np.linspace(0, len(features) - 1, frames), axis=0)


def warped(features: Features, factor: float, bands: int) -> Features:
    """(frames, bands) whose frequencies are `factor` times as high; `bands` are those of all up to half the rate."""
    if round(factor * _STEPS) == _STEPS:
        return features
    place = np.minimum(_places(round(factor * _STEPS), bands)[: features.shape[1]], features.shape[1] - 1)
    return _taken(features, place, axis=1)


def sped(features: Features, factor: float, bands: int) -> Features:
    """As played faster, as of a tape: fewer frames, higher frequencies."""
    return warped(stretched(features, factor), factor, bands)


def noisy(features: Features, noise: Noise, bank: Features, rng: np.random.Generator) -> Features:
    """With a random stretch of `bank` (frames, bands) added to its energies."""
    start = int(rng.integers(len(bank)))
    added = np.take(bank, np.arange(start, start + len(features)), axis=0, mode="wrap")
    if noise.data is None and noise.tilt_db:
        tilt = rng.uniform(-noise.tilt_db, noise.tilt_db) * DECIBEL
        added = added + np.linspace(-tilt / 2, tilt / 2, added.shape[1], dtype=np.float32)
    ratio = rng.uniform(*noise.snr_db) * DECIBEL
    level = np.log(np.exp(features).mean()) - np.log(np.exp(added).mean()) - ratio
    return np.asarray(np.logaddexp(features, added + np.float32(level)), np.float32)


def masked(features: Features, spec: SpecAugment, rng: np.random.Generator) -> Features:
    """With bands and stretches at 0, which is the mean of what is normalised."""
    frames, bands = features.shape
    features = features.copy()
    for _ in range(spec.bands):
        width = int(rng.integers(min(spec.band_width, bands) + 1))
        start = int(rng.integers(bands - width + 1))
        features[:, start : start + width] = 0
    for _ in range(spec.times):
        width = int(rng.integers(min(spec.time_width, int(spec.time_share * frames)) + 1))
        start = int(rng.integers(frames - width + 1))
        features[start : start + width] = 0
    return features


def changed(features: Features, augment: Augment, bands: int, rng: np.random.Generator) -> Features:
    """One recording, with speed, tempo, frequency axis and level changed."""
    speed, tempo, warp = (_drawn(rng, getattr(augment, name)) for name in ("speed", "tempo", "warp"))
    features = warped(stretched(features, speed * tempo), speed * warp, bands)
    level = rng.uniform(-augment.level_db, augment.level_db) * DECIBEL if augment.level_db else 0.0
    return features + np.float32(level) if level else features


def normalized(features: Features, how: str) -> Features:
    """By each recording, as `Speech2TextFeatureExtractor` does: mean and deviation (`utterance`), `mean`, or not."""
    if how not in ("utterance", "mean"):
        return features
    centred: Features = features - features.mean(axis=0)
    if how == "mean":
        return centred
    deviation = features.std(axis=0)
    return np.asarray(centred / np.where(deviation > 0, deviation, 1), np.float32)


@cache
def white(bands: int, seconds: int = 20) -> Any:
    """(frames, bands) of white noise."""
    return log_mel(np.random.default_rng(0).normal(0, 0.1, seconds * RATE).astype(np.float32), bands)


def _drawn(rng: np.random.Generator, bounds: tuple[float, float]) -> float:
    """Even in the logarithm: as often so many times faster as slower."""
    low, high = bounds
    return low if low == high else float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _taken(features: Features, places: NDArray[np.float64], axis: int) -> Features:
    below = places.astype(np.int64)
    above = np.minimum(below + 1, features.shape[axis] - 1)
    share = (places - below).astype(np.float32)
    share = share[:, None] if axis == 0 else share
    return np.asarray(np.take(features, below, axis) * (1 - share) + np.take(features, above, axis) * share, np.float32)


@cache
def _places(hundredths: int, bands: int) -> NDArray[np.float64]:
    """For each band, where in the unwarped axis it is read, in bands."""
    edges = np.linspace(_mel(_LOWEST), _mel(_HIGHEST), bands + 2)
    hertz = 700.0 * (np.exp(edges[1:-1] / 1127.0) - 1.0)
    read = _mel(hertz * _STEPS / hundredths)
    return np.asarray(np.clip((read - edges[1]) / (edges[1] - edges[0]), 0, bands - 1))


def _mel(hertz: Any) -> Any:
    return 1127.0 * np.log(1.0 + hertz / 700.0)
