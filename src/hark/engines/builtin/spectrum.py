"""What a short-time spectrum tells of a sound: pitch, tonality, brightness, bandwidth, mains hum; numpy only.

Pitch is YIN's (A. de Cheveigne and H. Kawahara, JASA 111 (2002), 1917-1930), or the spectral peak of a pure tone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

HOP_SECONDS = 0.01
_FRAME_SECONDS = 0.064
_BATCH = 480  # frames at once, which bounds memory
_WINDOW = 24  # frames over which a bin's power is watched: a tone is steady, noise is not
_LOWEST_HZ, _HIGHEST_HZ = 60.0, 4000.0
_APERIODIC = 0.15  # YIN's threshold
_PURE = 0.9  # share of power in one spectral peak above which its frequency is the pitch
_TINY = 1e-14


@dataclass(frozen=True, slots=True)
class Frames:
    """One value per 10 ms.

    Attributes:
        level: in dBFS.
        pitch: in hertz, NaN where there is none.
        centroid: brightness, in hertz.
        tonality: how much of the power lies in steady partials, 0 to 1.
    """

    level: Values
    pitch: Values
    centroid: Values
    tonality: Values


def frames(samples: Values, rate: int) -> Frames:
    """Measure frames of 64 ms every 10 ms; sounds shorter than a frame are padded with silence."""
    size = max(64, 2 ** round(np.log2(_FRAME_SECONDS * rate)))
    hop = max(1, round(HOP_SECONDS * rate))
    padded = np.pad(samples, (size // 2, size // 2 + hop))
    views = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
    parts = [_measure(views[start : start + _BATCH], rate) for start in range(0, len(views), _BATCH)]
    level, pitch, centroid, tonality = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Frames(level, _continuous(pitch), centroid, tonality)


def _measure(views: Values, rate: int) -> tuple[Values, Values, Values, Values]:
    size = views.shape[1]
    centred = views - views.mean(axis=1, keepdims=True)
    power = np.abs(np.fft.rfft(centred * np.hanning(size), axis=1)) ** 2
    total = power.sum(axis=1) + _TINY
    hertz = np.fft.rfftfreq(size, 1 / rate)
    level = 10 * np.log10((centred**2).mean(axis=1) + _TINY)
    peak, share = _peak(power, total, hertz[1])
    yin = _yin(centred, rate)
    pitch = np.where((share > _PURE) & (peak >= _LOWEST_HZ), peak, yin)
    return (
        level,
        np.where(level > -80, pitch, np.nan),
        (power * hertz).sum(axis=1) / total,
        _tonality(power / total[:, None]),
    )


def _peak(power: Values, total: Values, spacing: float) -> tuple[Values, Values]:
    """Frequency of the strongest bin, interpolated between its neighbours, and its share of the power."""
    rows = np.arange(len(power))
    middle = power[:, 1:-1].argmax(axis=1) + 1
    left, centre, right = (np.log(power[rows, middle + step] + _TINY) for step in (-1, 0, 1))
    curve = left - 2 * centre + right
    shift = np.where(np.abs(curve) > 1e-9, 0.5 * (left - right) / np.where(curve == 0, 1, curve), 0.0)
    edges = np.pad(np.cumsum(power, axis=1), ((0, 0), (1, 0)))
    low, high = np.maximum(middle - 3, 0), np.minimum(middle + 4, power.shape[1])
    share = (edges[rows, high] - edges[rows, low]) / total
    return (middle + np.clip(shift, -0.5, 0.5)) * spacing, share


def _yin(centred: Values, rate: int) -> Values:
    """Pitch where the cumulative mean normalised difference first dips below the threshold, else NaN."""
    size = centred.shape[1]
    longest = min(int(rate / _LOWEST_HZ), size // 2)
    shortest = max(2, int(rate / _HIGHEST_HZ))
    width = size - longest
    spectrum = np.fft.rfft(centred, 2 * size, axis=1)
    head = np.fft.rfft(centred[:, :width], 2 * size, axis=1)
    match = np.fft.irfft(spectrum * head.conj(), axis=1)[:, : longest + 1]
    energy = np.pad(np.cumsum(centred**2, axis=1), ((0, 0), (1, 0)))
    shifted = energy[:, width : width + longest + 1] - energy[:, : longest + 1]
    difference = np.maximum(shifted[:, :1] + shifted - 2 * match, 0.0)
    mean = np.cumsum(difference[:, 1:], axis=1) / np.arange(1, longest + 1)
    normal = difference[:, 1:] / (mean + _TINY)  # column 0 is a lag of one sample
    inner = normal[:, 1:-1]
    dip = (inner <= normal[:, :-2]) & (inner < normal[:, 2:]) & (inner < _APERIODIC)
    dip[:, : shortest - 2] = False
    rows, at = np.arange(len(normal)), dip.argmax(axis=1) + 1
    left, centre, right = (normal[rows, at + step] for step in (-1, 0, 1))
    curve = left - 2 * centre + right
    lag = at + 1 + np.where(curve > 1e-12, 0.5 * (left - right) / np.where(curve == 0, 1, curve), 0.0)
    return np.where(dip.any(axis=1), rate / lag, np.nan)


def _tonality(shares: Values) -> Values:
    """Share of power in bins whose part of the frame hardly changes over a quarter of a second."""
    found = np.zeros(len(shares))
    for start in range(0, len(shares), _WINDOW):
        window = shares[start : start + _WINDOW]
        if len(window) < _WINDOW // 3:
            window = shares[max(0, start + len(window) - _WINDOW) : start + len(window)]
        mean = window.mean(axis=0)
        steady = window.std(axis=0) < 0.4 * mean
        found[start : start + _WINDOW] = mean[steady].sum() / (mean.sum() + _TINY)
    return found


def _continuous(pitch: Values) -> Values:
    """Drop pitches that do not last for three frames within a fifth of an octave a frame: chance dips in noise."""
    octaves = np.log2(pitch)
    near = np.abs(np.diff(octaves, prepend=np.nan, append=np.nan)) < 0.2
    inside = near[:-1] & near[1:]
    kept = inside | np.roll(inside, 1) | np.roll(inside, -1)
    return np.where(kept & ~np.isnan(pitch), pitch, np.nan)


def spectrum(samples: Values, rate: int) -> tuple[Values, Values]:
    """Frequencies in hertz and the mean power at each, over windows of a second (Welch's method)."""
    size = min(rate, len(samples))
    starts = range(0, max(1, len(samples) - size + 1), max(1, size // 2))
    window = np.hanning(size + 2)[1:-1]
    total: Values = np.zeros(size // 2 + 1)
    for start in starts:
        total += np.abs(np.fft.rfft(samples[start : start + size] * window)) ** 2
    mean: Values = total / (len(starts) * size * float(window @ window))
    return np.asarray(np.fft.rfftfreq(size, 1 / rate)), mean


def mains_hum(hertz: Values, power: Values) -> int | None:
    """50 or 60 where the first two of three multiples, or all, stand 12 dB above what is 3 to 8 Hz beside them."""
    if len(hertz) < 2 or hertz[1] > 1.01:
        return None
    for mains in (50, 60):
        standing = []
        for multiple in (mains, 2 * mains, 3 * mains):
            away = np.abs(hertz - multiple)
            beside = np.median(power[(away >= 3) & (away <= 8)]) + _TINY
            standing.append(power[away <= 1].max() > 16 * beside and power[away <= 1].max() > 1e-6 * power.max())
        if standing[0] and sum(standing) >= 2:
            return mains
    return None


def telephone_band(hertz: Values, power: Values) -> bool:
    """Whether a broad sound stops at 4 kHz: 1 to 3.4 kHz is there, and above 4.2 kHz it is 45 dB weaker."""
    middle, above = power[(hertz > 1000) & (hertz < 3400)], power[hertz > 4200]
    if not len(middle) or not len(above) or not power.sum():
        return False
    broad = middle.mean() > 1e-4 * power.max() and np.median(middle) > 1e-3 * middle.mean()
    return bool(broad and above.mean() < 10**-4.5 * middle.mean())
