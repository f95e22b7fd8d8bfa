"""What tells voices apart, frame by frame: mel cepstra and pitch, in flat memory but for the features themselves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from hark.audio.speech import RATE, detect, stretches

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

HOP = 160  # samples from one frame to the next: 10 ms
CEPSTRA = 19
_WINDOW, _FFT = 400, 512  # 25 ms
_BANDS, _LOWEST, _HIGHEST = 32, 100.0, 7000.0  # Hz; a telephone has nothing above 3400, for all speakers alike
_PITCH_WINDOW, _PITCH_FFT = 640, 2048  # 40 ms hold two periods of a low voice
_SLOWEST, _FASTEST = 60.0, 400.0  # Hz
_VOICED = 0.5  # least autocorrelation of a frame with a pitch


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """Frames of 10 ms: `cepstra` (n, 19) without the zeroth, `level` (n,) in dB, `pitch` (n,) in octaves over 100 Hz.

    `pitch` is NaN where there is none. `speech` holds the stretches of speech as (first frame, frame after).
    """

    cepstra: NDArray[np.float32]
    level: NDArray[np.float32]
    pitch: NDArray[np.float32]
    speech: tuple[tuple[int, int], ...]


def features(blocks: Iterable[NDArray[np.float32]], *, min_silence: float = 0.2) -> Features:
    """Features of blocks of mono samples at 16 kHz, about 8 kB for each second; and where there is speech."""
    found: list[list[NDArray[np.float32]]] = []
    likely: list[float] = []

    def heard() -> Iterator[NDArray[np.float32]]:
        for samples, probabilities in detect(blocks):
            likely.extend(probabilities.tolist())
            yield samples

    for frames in _framed(heard()):
        cepstra, level = _cepstra(frames)
        found.append([cepstra, level, _pitch(frames)])
    if not found:
        return Features(np.zeros((0, CEPSTRA), np.float32), np.zeros(0, np.float32), np.zeros(0, np.float32), ())
    cepstra, level, pitch = (np.concatenate(parts) for parts in zip(*found, strict=True))
    spans = stretches(likely, min_silence=min_silence, padding=0.06)
    speech = tuple((start // HOP, min(end // HOP, len(level))) for start, end in spans)
    return Features(cepstra, level, pitch, tuple((start, end) for start, end in speech if end > start))


def _framed(pieces: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    """Windows of 40 ms, (n, 640), every 10 ms, as many as there are whole hops; silence surrounds the recording."""
    side = (_PITCH_WINDOW - HOP) // 2
    held = np.zeros(side, np.float32)
    for piece in chain(pieces, [np.zeros(side, np.float32)]):
        held = np.concatenate((held, piece))
        count = (len(held) - _PITCH_WINDOW) // HOP + 1
        if count > 0:
            yield np.lib.stride_tricks.sliding_window_view(held, _PITCH_WINDOW)[::HOP][:count]
            held = held[count * HOP :].copy()


def _cepstra(frames: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mel-frequency cepstra of the middle 25 ms of each window, and its level in dB."""
    side = (_PITCH_WINDOW - _WINDOW) // 2
    middle = frames[:, side : side + _WINDOW] * np.hanning(_WINDOW).astype(np.float32)
    power = np.abs(np.fft.rfft(middle, _FFT)) ** 2
    bands = np.log(power @ _mel().T + 1e-6)
    level = 10 * np.log10(np.square(middle).mean(axis=1) + 1e-10)
    return (bands @ _cosines().T).astype(np.float32), level.astype(np.float32)


@cache
def _mel() -> NDArray[np.float64]:
    """Triangles of equal width on the mel scale (O'Shaughnessy 1987), (bands, bins)."""
    low, high = (1127 * np.log1p(hertz / 700) for hertz in (_LOWEST, _HIGHEST))
    centres = 700 * np.expm1(np.linspace(low, high, _BANDS + 2) / 1127)
    bins = np.arange(_FFT // 2 + 1) * RATE / _FFT
    rising = (bins - centres[:-2, None]) / np.diff(centres)[:-1, None]
    falling = (centres[2:, None] - bins) / np.diff(centres)[1:, None]
    triangles: NDArray[np.float64] = np.maximum(0, np.minimum(rising, falling))
    return triangles


@cache
def _cosines() -> NDArray[np.float64]:
    """The orthonormal cosine transform (DCT-II) without its constant, (cepstra, bands)."""
    order = np.arange(1, CEPSTRA + 1)[:, None]
    waves: NDArray[np.float64] = np.sqrt(2 / _BANDS) * np.cos(np.pi * order * (np.arange(_BANDS) + 0.5) / _BANDS)
    return waves


def _pitch(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """The pitch of each window in octaves over 100 Hz by autocorrelation, freed of the window's own (Boersma 1993)."""
    shape = np.hanning(_PITCH_WINDOW)
    spectrum = np.abs(np.fft.rfft((frames - frames.mean(axis=1, keepdims=True)) * shape, _PITCH_FFT)) ** 2
    lags = slice(int(RATE / _FASTEST), int(RATE / _SLOWEST) + 1)
    own = np.fft.irfft(np.abs(np.fft.rfft(shape, _PITCH_FFT)) ** 2)
    likeness = np.fft.irfft(spectrum)
    strength = likeness[:, lags] / (likeness[:, :1] + 1e-9) / (own[lags] / own[0])
    longer = np.linspace(0, 0.05, strength.shape[1])  # or a multiple of the period would do as well
    best = np.argmax(strength - longer, axis=1)
    pitch = np.log2(RATE / (best + lags.start) / 100)
    return np.where(strength[np.arange(len(best)), best] >= _VOICED, pitch, np.nan).astype(np.float32)
