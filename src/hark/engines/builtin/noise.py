"""Speech out of noise for the recogniser of commands: the cepstra that pocketsphinx would compute, noise taken out.

A small network (two bidirectional GRU layers, 88,000 weights) hears the log-mel spectrum of a whole recording and tells
what to add to each band so that it is as without noise. It was trained by benchmarks/denoiser.py on distances between
cepstra, in units of the acoustic model's deviations: to be recognised, not to sound well.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The front end of pocketsphinx's en-us model: its feat.params, and the defaults of pocketsphinx for the rest.
_RATE, _FFT, _FRAME, _HOP = 16000, 512, 410, 160
_LOWEST, _HIGHEST, _BANDS, _CEPSTRA, _LIFTER = 130.0, 6800.0, 25, 13, 22
_EMPHASIS, _FLOOR = 0.97, 1e-4
SCALE = 4.0  # of the log-mel spectrum, so that the network sees numbers near one


def cepstra(samples: NDArray[np.int16]) -> NDArray[np.float32]:
    """What pocketsphinx hears of samples (n,) at 16 kHz, without their noise: (frames, 13), 100 a second.

    Raises:
        ValueError: there are fewer than 410 samples, one frame.
    """
    noisy = log_mel(samples.astype(np.float64))
    return ((noisy + correction(noisy)) @ cosines().T).astype(np.float32)


def log_mel(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """The logarithm of the power in mel bands, (frames, 25), of samples (n,) in the scale of 16-bit integers.

    Source: pocketsphinx, src/fe/fe_sigproc.c.
    """
    sharp = np.append(samples[:1], samples[1:] - _EMPHASIS * samples[:-1])
    frames = np.lib.stride_tricks.sliding_window_view(sharp, _FRAME)[::_HOP] * np.hamming(_FRAME)
    power = np.square(np.abs(np.fft.rfft(frames, _FFT)))
    found: NDArray[np.float64] = np.log(power @ _bands().T + _FLOOR)
    return found


def correction(noisy: NDArray[np.float64]) -> NDArray[np.float64]:
    """What to add to a log-mel spectrum (frames, 25) so that it is as without noise."""
    weights = _weights()
    hidden = (noisy - noisy.mean()) / SCALE
    for layer in "ab":
        hidden = _both_ways(hidden, layer)
    found: NDArray[np.float64] = (hidden @ weights["o.weight"].T + weights["o.bias"]) * SCALE
    return found


def _both_ways(inputs: NDArray[np.float64], layer: str) -> NDArray[np.float64]:
    """A bidirectional GRU over inputs (frames, width): (frames, 2 * size), with PyTorch's weights and gates."""
    weights = _weights()
    ways = [f"{layer}.%s_l0", f"{layer}.%s_l0_reverse"]
    recurrent = np.stack([weights[way % "weight_hh"].T for way in ways])  # (2, size, 3 * size)
    bias = np.stack([weights[way % "bias_hh"] for way in ways])
    given = [inputs @ weights[way % "weight_ih"].T + weights[way % "bias_ih"] for way in ways]
    # Both directions step together: forwards through the first, backwards through the second.
    steps = np.stack([given[0], given[1][::-1]], axis=1)  # (frames, 2, 3 * size)
    size = recurrent.shape[1]
    state = np.zeros((2, size))
    states = np.empty((len(inputs), 2, size))
    for frame, step in enumerate(steps):
        fed = (state[:, None] @ recurrent)[:, 0] + bias
        gates = 1 / (1 + np.exp(-(step[:, : 2 * size] + fed[:, : 2 * size])))
        fresh = np.tanh(step[:, 2 * size :] + gates[:, :size] * fed[:, 2 * size :])
        state = fresh + gates[:, size:] * (state - fresh)
        states[frame] = state
    return np.concatenate([states[:, 0], states[::-1, 1]], axis=1)


@cache
def _weights() -> dict[str, NDArray[np.float64]]:
    with np.load(Path(__file__).with_name("noise.npz")) as stored:
        return {name: stored[name].astype(np.float64) for name in stored.files}


@cache
def _bands() -> NDArray[np.float64]:
    """Triangles of equal area over the frequencies, (25, 257), their corners on those of the FFT."""
    highest, lowest = (2595 * np.log10(1 + hertz / 700) for hertz in (_HIGHEST, _LOWEST))
    corners = 700 * (10 ** (np.linspace(lowest, highest, _BANDS + 2) / 2595) - 1)
    step = _RATE / _FFT
    corners = np.floor(corners / step + 0.5) * step
    left, middle, right = (corners[first : first + _BANDS, None] for first in range(3))
    hertz = np.arange(_FFT // 2 + 1) * step
    sides = np.minimum((hertz - left) / (middle - left), (right - hertz) / (right - middle))
    found: NDArray[np.float64] = np.maximum(0, sides) * 2 / (right - left)
    return found


@cache
def cosines() -> NDArray[np.float64]:
    """From log-mel bands to liftered cepstra: (13, 25)."""
    numbers = np.arange(_CEPSTRA)[:, None]
    transform = np.cos(np.pi * numbers * (np.arange(_BANDS) + 0.5) / _BANDS) * np.sqrt(2 / _BANDS)
    transform[0] = np.sqrt(1 / _BANDS)
    found: NDArray[np.float64] = transform * (1 + _LIFTER / 2 * np.sin(np.pi * numbers / _LIFTER))
    return found
