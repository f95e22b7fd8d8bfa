"""Log-mel filter banks as Kaldi and Speech2Text's feature extractor compute them, on whole arrays.

The same numbers as `transformers.Speech2TextFeatureExtractor` without torchaudio and without normalisation (a test
holds them together); that one goes through the frames one by one in Python.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATE = 16000
_LENGTH, _HOP, _FFT = 400, 160, 512
_PREEMPHASIS, _FLOOR, _LOWEST_HZ = 0.97, 1.192092955078125e-07, 20.0
_AT_ONCE = 3000  # frames


def log_mel(samples: NDArray[np.float32], bins: int = 80) -> NDArray[np.float32]:
    """Log-mel energies, (frames, bins), of mono samples at 16 kHz in [-1, 1]; a frame each 10 ms."""
    frames = max(0, 1 + (len(samples) - _LENGTH) // _HOP)
    if not frames:
        return np.zeros((0, bins), np.float32)
    cut = np.lib.stride_tricks.sliding_window_view(samples, _LENGTH)[::_HOP]
    pieces = [_some(cut[first : first + _AT_ONCE], bins) for first in range(0, frames, _AT_ONCE)]
    return np.concatenate(pieces)


def _some(cut: NDArray[np.float32], bins: int) -> NDArray[np.float32]:
    frames = cut.astype(np.float64) * 32768.0  # Kaldi's samples are 16-bit numbers
    frames -= frames.mean(axis=1, keepdims=True)
    before = np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    frames = (frames - _PREEMPHASIS * before) * _window()
    power = np.abs(np.fft.rfft(frames, _FFT).astype(np.complex64)).astype(np.float64) ** 2
    mel: NDArray[np.float32] = np.log(np.maximum(_FLOOR, power @ _filters(bins))).astype(np.float32)
    return mel


@cache
def _window() -> NDArray[np.float64]:
    """Povey's: a Hann window to the power of 0.85."""
    return np.asarray(np.hanning(_LENGTH) ** 0.85)


@cache
def _filters(bins: int) -> NDArray[np.float64]:
    """(frequencies, bins) triangles that are even in mel."""
    mels = _mel(np.linspace(0, RATE / 2, _FFT // 2 + 1))
    edges = np.linspace(_mel(np.asarray(_LOWEST_HZ)), _mel(np.asarray(RATE / 2)), bins + 2)
    low, middle, high = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (mels[:, None] - low) / (middle - low), (high - mels[:, None]) / (high - middle)
    return np.asarray(np.maximum(0.0, np.minimum(rising, falling)))


def _mel(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1127.0 * np.log(1.0 + hertz / 700.0))
