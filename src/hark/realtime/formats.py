"""Live audio as it comes over a wire -> mono float32 at 16 kHz: PCM at any rate, G.711 mu-law and A-law."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import soxr

from hark.audio.audio import RATE

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Decoder:
    """Turns pieces of a stream into samples (n,) at 16 kHz; it remembers what lies between two pieces.

    `kind` is `audio/pcm` (16-bit little-endian at `rate`), `audio/pcmu` or `audio/pcma` (G.711, 8 kHz).
    """

    def __init__(self, kind: str = "audio/pcm", rate: int = 24000) -> None:
        self.kind = kind
        self.rate = rate if kind == "audio/pcm" else 8000
        self._fresh()

    def _fresh(self) -> None:
        self._rest = b""
        # Not HQ: speech models hear up to 8 kHz, and a turn must not wait for a filter.
        self._resampler = None if self.rate == RATE else soxr.ResampleStream(self.rate, RATE, 1, "float32", "MQ")

    @property
    def second(self) -> int:
        """Bytes of one second."""
        return self.rate * (2 if self.kind == "audio/pcm" else 1)

    def feed(self, data: bytes) -> NDArray[np.float32]:
        """The samples that are complete with these bytes."""
        return self._resampled(self._decoded(data))

    def finish(self) -> NDArray[np.float32]:
        """The last samples, which the resampler held back; what is fed then is a new stream."""
        rest = self._resampled(np.zeros(0, np.float32), last=True)
        self._fresh()
        return rest

    def _resampled(self, samples: NDArray[np.float32], *, last: bool = False) -> NDArray[np.float32]:
        if self._resampler is None:
            return samples
        return np.asarray(self._resampler.resample_chunk(samples, last=last), np.float32)

    def _decoded(self, data: bytes) -> NDArray[np.float32]:
        if self.kind != "audio/pcm":
            return (_MU if self.kind == "audio/pcmu" else _A)[np.frombuffer(data, np.uint8)]
        data = self._rest + data
        whole = len(data) // 2 * 2
        self._rest = data[whole:]
        return np.frombuffer(data[:whole], "<i2").astype(np.float32) / np.float32(32768)


def _mu_law() -> NDArray[np.float32]:
    """The 256 values of mu-law (ITU-T G.711)."""
    code = ~np.arange(256, dtype=np.uint8)
    exponent, mantissa = (code >> 4) & 7, code & 15
    value = (((mantissa.astype(np.int32) << 3) + 0x84) << exponent) - 0x84
    return np.where(code & 0x80, -value, value).astype(np.float32) / np.float32(32768)


def _a_law() -> NDArray[np.float32]:
    """The 256 values of A-law (ITU-T G.711)."""
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    exponent, mantissa = ((code >> 4) & 7).astype(np.int32), (code & 15).astype(np.int32)
    value = np.where(exponent == 0, (mantissa << 4) + 8, ((mantissa << 4) + 0x108) << np.maximum(exponent - 1, 0))
    return np.where(code & 0x80, value, -value).astype(np.float32) / np.float32(32768)


_MU, _A = _mu_law(), _a_law()
