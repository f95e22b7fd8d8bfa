"""Recordings with noise or an echo added, made when they are heard, and sounds in which nobody speaks."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hark.audio.arrays import ArrayReader
from hark.audio.audio import Audio, _Recording

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

FRAME = 0.02  # seconds
_QUIET = 40.0  # dB below the loudest frame: not speech
_ROOM, _AWAY = 100.0, 1.5  # m3, m from the microphone
_DECAY = 6.908  # ln(1000): 60 dB


@dataclass(frozen=True, slots=True)
class Condition:
    """What is done to a recording.

    Attributes:
        snr: dB of the speech over the noise; None adds none.
        noise: a recording of noise; None makes pink noise.
        reverberation: seconds until an echo has lost 60 dB (RT60); None adds none.
    """

    snr: float | None = None
    noise: Audio | None = None
    reverberation: float | None = None

    def __str__(self) -> str:
        parts = [f"{self.snr:g} dB"] if self.snr is not None else []
        parts += [f"RT60 {self.reverberation:g} s"] if self.reverberation is not None else []
        return ", ".join(parts) or "clean"


def disturbed(clip: Audio, condition: Condition) -> Audio:
    """The recording under a condition, in mono at its own rate; nothing is decoded before it is heard."""
    return Audio(_Recording(_Disturbed(clip, condition)))


class _Disturbed:
    """A source of samples that are made each time they are read; the same each time."""

    def __init__(self, clip: Audio, condition: Condition) -> None:
        self.clip, self.condition = clip, condition
        self.name = f"{clip.name} ({condition})"

    def digest(self) -> str:
        noise = self.condition.noise.id if self.condition.noise else ""
        return hashlib.sha256(f"{self.clip.id} {self.condition} {noise}".encode()).hexdigest()

    def reader(self) -> ArrayReader:
        rate = self.clip.rate
        samples = self.clip.samples(rate)
        rng = np.random.default_rng(zlib.crc32(self.digest().encode()))
        if self.condition.reverberation is not None:
            samples = reverberant(samples, impulse_response(self.condition.reverberation, rate, rng))
        if self.condition.snr is not None:
            samples = noisy(samples, self._noise(len(samples), rate, rng), self.condition.snr, rate)
        peak = float(np.abs(samples).max(initial=0.0))
        return ArrayReader((samples / max(1.0, peak)).astype(np.float32)[:, None], rate)

    def _noise(self, length: int, rate: int, rng: np.random.Generator) -> Samples:
        """A stretch of the noise from anywhere in it, from its start again at its end; or made."""
        if self.condition.noise is None:
            return coloured(length, rng, 1.0)
        whole = self.condition.noise.samples(rate)
        begin = int(rng.integers(len(whole)))
        return np.resize(np.roll(whole, -begin), length)


def noisy(samples: Samples, noise: Samples, snr: float, rate: int) -> Samples:
    """Samples with noise `snr` dB below the mean power of what is not silent in them; silence stays as it is."""
    power, own = active_power(samples, rate), float(np.mean(np.square(noise, dtype=np.float64)))
    gain = np.sqrt(power / own / 10 ** (snr / 10)) if own else 0.0
    return np.asarray(samples + np.float32(gain) * noise, np.float32)


def active_power(samples: Samples, rate: int) -> float:
    """The mean power of those frames of 20 ms that are at most 40 dB below the loudest one."""
    size = max(1, round(FRAME * rate))
    whole = np.square(samples[: len(samples) // size * size or None], dtype=np.float64)
    frames = whole.reshape(-1, size).mean(axis=1) if len(samples) >= size else whole.mean(keepdims=True)
    loud = frames[frames >= frames.max() * 10 ** (-_QUIET / 10)]
    return float(loud.mean())


def impulse_response(seconds: float, rate: int, rng: np.random.Generator) -> Samples:
    """A made impulse response of a room: the direct sound, then noise that decays by 60 dB in so many seconds.

    Polack's model (1988) of a room of 100 m3, heard from 1.5 m; how loud the echo is follows from the distance at
    which it is as loud as the direct sound, 0.057 sqrt(V / RT60) m (Kuttruff, Room Acoustics). The direct sound is
    the first sample, so that times stay true.
    """
    length, first = max(2, round(seconds * rate)), max(1, round(0.0025 * rate))
    times = np.arange(length) / rate
    tail = rng.standard_normal(length) * np.exp(-_DECAY * times / seconds)
    tail[: min(first, length - 1)] = 0.0
    critical = 0.057 * np.sqrt(_ROOM / seconds)
    tail *= (_AWAY / critical) / np.sqrt(np.square(tail).sum())
    tail[0] = 1.0
    return np.asarray(tail, np.float32)


def reverberant(samples: Samples, response: Samples) -> Samples:
    """Samples heard in a room, of the same length, as loud as before."""
    size = 1 << (len(samples) + len(response) - 1).bit_length()
    heard = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(response, size), size)[: len(samples)]
    before, after = np.square(samples, dtype=np.float64).sum(), np.square(heard).sum()
    return np.asarray(heard * np.sqrt(before / after if after else 0.0), np.float32)


def coloured(length: int, rng: np.random.Generator, slope: float) -> Samples:
    """Gaussian noise with mean power 1; its power falls as 1 / frequency ** slope: 0 is white, 1 is pink."""
    spectrum = np.fft.rfft(rng.standard_normal(length + 1))
    spectrum *= np.maximum(1, np.arange(len(spectrum))) ** (-slope / 2)
    spectrum[0] = 0.0
    made = np.fft.irfft(spectrum, length + 1)[:length]
    power = np.square(made).mean()
    return np.asarray(made / np.sqrt(power) if power else made, np.float32)
