"""Samples that are already in memory: any array with its rate -> float32 frames by channels."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from hark.errors import AudioEmptyError, AudioError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

RATES = range(100, 6_144_001)  # what a recording may have; at 1 Hz a few samples would last for hours
MAX_CHANNELS = 32
_BLOCK = 2**17


def to_float(samples: NDArray[Any]) -> NDArray[np.float32]:
    """Scale samples by their type: integers to [-1, 1), unsigned bytes around 128; floats are kept as they are."""
    kind = samples.dtype
    if kind == np.uint8:
        return (samples.astype(np.float32) - 128.0) / np.float32(128.0)
    if kind.kind == "i":
        scaled = samples.astype(np.float32)
        scaled *= np.float32(2.0 ** (1 - 8 * kind.itemsize))  # a power of two: exact
        return scaled
    with np.errstate(over="ignore"):
        return samples.astype(np.float32, copy=False)


def frames_first(samples: NDArray[Any], name: str) -> NDArray[Any]:
    """Lay an array out as (frames, channels): the clearly smaller axis (at most 32) holds the channels.

    Raises:
        AudioError: more than two axes, or it cannot be told which of them are the channels.
    """
    if samples.ndim == 3 and 1 in samples.shape:
        samples = samples.reshape([size for size in samples.shape if size != 1] or [1])
    if samples.ndim == 1:
        return samples[:, np.newaxis]
    if samples.ndim != 2:
        raise AudioError(f"{name} has {samples.ndim} axes, shape {samples.shape}.", hint="Give (n,) or (n, channels).")
    frames, channels = samples.shape
    if 0 in (frames, channels):
        raise AudioEmptyError(f"{name} holds no samples.", hint="Its shape is " + str(samples.shape))
    if (channels <= MAX_CHANNELS and channels * 2 <= frames) or channels == 1:
        return samples
    if (frames <= MAX_CHANNELS and frames * 2 <= channels) or frames == 1:
        return samples.T
    raise AudioError(
        f"{name} has the shape {samples.shape}: it cannot be told which axis holds the channels.",
        hint=f"Give (n, channels) or (channels, n) with at most {MAX_CHANNELS} channels and many more samples.",
    )


class ArraySource:
    """Samples given as an array; `reader()` gives them as if they were decoded.

    Raises:
        AudioError: the type, shape or rate cannot be used; AudioEmptyError: there are no samples.
    """

    def __init__(self, samples: Any, rate: Any, name: str) -> None:
        self.name = name
        if rate is None:
            raise AudioError(f"{name} has no sample rate.", hint="Give it: Audio.of(samples, rate=16000).")
        self.rate = _whole(rate, name)
        given = _array(samples, name)
        if given.size == 0:
            raise AudioEmptyError(f"{name} holds no samples.", hint="Give at least one.")
        # A private copy: the value must not change when the caller's array does.
        self.samples = np.array(frames_first(given, name), order="C")
        self.samples.flags.writeable = False

    def digest(self) -> str:
        """The sha256 of the samples, their type, rate and shape."""
        shape = f"{self.samples.dtype.str} {self.rate} {self.samples.shape}"
        return hashlib.sha256(shape.encode() + self.samples.tobytes()).hexdigest()

    def reader(self) -> ArrayReader:
        """Read the samples from their start."""
        return ArrayReader(self.samples, self.rate)


class ArrayReader:
    """Gives an array in blocks, like the readers of files do."""

    firm = True
    exact = True
    trouble = ""

    def __init__(self, samples: NDArray[Any], rate: int) -> None:
        self.samples, self.rate, self.at = samples, rate, 0
        self.frames: int | None
        self.frames, self.channels = samples.shape
        self.counted: int | None = self.frames

    def seek(self, frame: int) -> int:
        """Go to a frame; returns where reading goes on."""
        self.at = min(frame, len(self.samples))
        return self.at

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """(n, channels) blocks up to the end."""
        step = max(1024, _BLOCK // self.channels)
        for first in range(self.at, len(self.samples), step):
            yield to_float(self.samples[first : first + step])

    def close(self) -> None:
        """Nothing is open."""


def _whole(rate: Any, name: str) -> int:
    try:
        whole = int(rate)
    except (TypeError, ValueError, OverflowError):
        whole = -1
    if isinstance(rate, bool) or whole != rate or whole not in RATES:
        raise AudioError(
            f"{name} cannot have {rate!r} samples per second.",
            hint=f"Give a whole number of Hz from {RATES.start} to {RATES[-1]}, such as 16000.",
        )
    return whole


def _array(samples: Any, name: str) -> NDArray[Any]:
    if hasattr(samples, "detach"):
        samples = samples.detach().cpu()
        if "bfloat16" in str(samples.dtype):
            samples = samples.float()
    try:
        given = np.asarray(samples)
    except (TypeError, ValueError, RuntimeError) as error:
        raise AudioError(f"{name} is no array of samples: {error}.", hint="Give numbers in one or two axes.") from error
    if isinstance(samples, list | tuple) and given.dtype.kind == "i" and given.size:
        # Plain Python integers have no width; 16 bits is what integer PCM in a list nearly always is.
        given = given.astype(np.int16) if np.abs(given).max() < 2**15 else given
    if given.dtype.kind == "f" or given.dtype in (np.int8, np.int16, np.int32, np.uint8):
        return given
    raise AudioError(
        f"{name} holds {given.dtype} values, which are no samples.",
        hint="Give float32 in [-1, 1], or int16, int32, int8, uint8.",
    )
