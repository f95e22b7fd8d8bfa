"""Calls in stereo: whether each channel holds a talker of its own, and where that one speaks. No model is needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hark.audio.resample import even
from hark.audio.speech import FRAME, RATE, detect, stretches

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from hark.audio.audio import Audio

# One voice through two microphones arrives in both within 50 ms and rises and falls in both at once.
_LAG = 800  # samples
_BLOCK = 32 * FRAME  # about a second
_ALIKE = 0.4  # cross-correlation of a second from which on it is the same sound; independent voices stay under 0.3
_TOGETHER = 0.5  # correlation of the levels from which on both channels hear the same people
_FAINT = -70.0  # dB of full scale: nothing can be told of a second fainter than that
_LEAST = 0.3  # seconds of speech that make a talker
_NEAR = 15.0  # dB between the channels in a second, up to which both may be hearing the same people
_CROSSTALK = 20.0  # dB between a talker and his sound in the other channel, from which on the channels are separate
_MARGIN = 6.0  # dB by which that may vary


@dataclass(frozen=True, slots=True, eq=False)
class Talkers:
    """Two channels with a talker in each: `level` (frames, 2) in dB, and `speech` of each channel in seconds.

    `crosstalk` is how many dB fainter a talker is heard in the other channel; infinite where he is not.
    """

    level: NDArray[np.float32]
    crosstalk: float
    speech: tuple[tuple[tuple[float, float], ...], ...]

    def leaked(self, channel: int, start: float, end: float) -> bool:
        """Is what is heard in a channel from start to end (seconds) only the talker of the other one?"""
        return _leaked(self.level, self.crosstalk, channel, start, end)


def talkers(audio: Audio) -> Talkers | None:
    """The talkers of a stereo recording with one in each channel; None where the channels are no separate talkers.

    They are, where people speak in both, and the channels hear different things: no second of one is found in the
    other, and their levels do not rise and fall together.

    Raises:
        AudioError: the audio cannot be used.
    """
    if audio.channels != 2:
        return None
    level, apart, alike = _compared(audio.stream(RATE, mono=False))
    same = alike >= _ALIKE
    near, leaks = apart < _NEAR, same & (apart >= _NEAR)
    crosstalk = float(np.median(apart[leaks])) if leaks.any() else np.inf
    if (near.any() and same[near].mean() >= 0.5) or crosstalk < _CROSSTALK:
        return None
    speech = tuple(tuple(_own(audio.channel(number), level, crosstalk, number)) for number in (0, 1))
    if min(sum(end - start for start, end in spans) for spans in speech) < _LEAST or _in_step(level, speech):
        return None
    return Talkers(level, crosstalk, speech)


def _compared(
    blocks: Iterable[NDArray[np.float32]],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Levels of frames of 32 ms, (frames, 2) in dB; of each second how many dB the channels differ, and how alike."""
    levels, found = [np.zeros((0, 2), np.float32)], [np.zeros((0, 2), np.float32)]
    for samples in even(blocks, _BLOCK):
        whole = samples[: len(samples) // FRAME * FRAME]
        levels.append(_levels(whole))
        found.append(_likeness(whole) if len(whole) > 2 * _LAG else found[0])
    apart, alike = np.concatenate(found).T
    return np.concatenate(levels), apart, alike


def _levels(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    power = np.square(samples).reshape(-1, FRAME, 2).mean(axis=1)
    decibels: NDArray[np.float32] = (10 * np.log10(power + 1e-10)).astype(np.float32)
    return decibels


def _likeness(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Decibels between the channels, and their greatest cross-correlation within 50 ms: (1, 2), (0, 2) in silence."""
    centred = samples - samples.mean(axis=0)
    power = np.square(centred).mean(axis=0) + 1e-10
    level = 10 * np.log10(power)
    if level.min() < _FAINT:
        return np.zeros((0, 2), np.float32)
    size = 1 << (len(centred) + _LAG).bit_length()
    left, right = np.fft.rfft(centred.T, size)
    product = np.fft.irfft(left * np.conj(right), size)
    most = np.abs(np.concatenate((product[: _LAG + 1], product[-_LAG:]))).max()
    return np.array([[np.ptp(level), most / (len(centred) * np.sqrt(power.prod()))]], np.float32)


def _own(channel: Audio, level: NDArray[np.float32], crosstalk: float, number: int) -> Iterator[tuple[float, float]]:
    """Where the channel's own talker speaks, in seconds."""
    likely = (probability for _, found in detect(channel.stream(RATE)) for probability in found.tolist())
    for stretch in stretches(likely):
        start, end = stretch.start / RATE, min(stretch.end, len(level) * FRAME) / RATE
        if end > start and not _leaked(level, crosstalk, number, start, end):
            yield start, end


def _leaked(level: NDArray[np.float32], crosstalk: float, number: int, start: float, end: float) -> bool:
    """The talker's own loud frames tell: a pause of one while the other speaks says nothing."""
    part = level[int(start * RATE / FRAME) : max(int(start * RATE / FRAME) + 1, int(end * RATE / FRAME))]
    if not len(part):
        return False
    loud = part[:, number] >= np.percentile(part[:, number], 70)
    return bool(np.median(part[loud, 1 - number] - part[loud, number]) > crosstalk - _MARGIN)


def _in_step(level: NDArray[np.float32], speech: tuple[tuple[tuple[float, float], ...], ...]) -> bool:
    """Do both channels rise and fall together, while somebody speaks?"""
    spoken = np.zeros(len(level), bool)
    for start, end in (span for spans in speech for span in spans):
        spoken[int(start * RATE / FRAME) : int(end * RATE / FRAME)] = True
    left, right = np.maximum(level[spoken], _FAINT).T
    if len(left) < 2 or min(left.std(), right.std()) < 1e-3:
        return False
    return bool(np.corrcoef(left, right)[0, 1] >= _TOGETHER)
