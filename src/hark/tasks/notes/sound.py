"""A recording for a page: as a small MP3, and as the peaks of its waveform."""

from __future__ import annotations

import io
import itertools
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from hark.audio.audio import Audio

RATE = 16000
BITS = 24_000  # a second
_BLOCK = RATE // 10  # samples of one peak as it is collected


def compact(clip: Audio, bars: int) -> tuple[bytes, list[float], float]:
    """Decode a clip once: an MP3 (mono, 16 kHz, 24 kbit/s), `bars` peaks in 0..1, and the seconds it lasts.

    MP3 because every browser plays it, those of older phones too; peaks are scaled so that the loudest is 1.
    """
    import av
    import numpy as np

    out, peaks, count = io.BytesIO(), list[float](), 0
    with av.open(out, "w", format="mp3") as container:
        stream: Any = container.add_stream("libmp3lame", rate=RATE)
        stream.bit_rate, stream.layout, stream.format = BITS, "mono", "s16p"
        for block in clip.stream(RATE):
            count += len(block)
            edges = range(0, len(block), _BLOCK)
            peaks += np.maximum.reduceat(np.abs(block), edges).tolist() if len(block) else []
            for frame in _frames(block, av.AudioFrame):
                container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue(), _bars(peaks, bars), count / RATE


def _frames(block: NDArray[Any], kind: Any) -> Iterator[Any]:
    import numpy as np

    whole = np.clip(np.rint(block * 32767.0), -32768, 32767).astype(np.int16)[None, :]
    frame = kind.from_ndarray(whole, format="s16p", layout="mono")
    frame.sample_rate = RATE
    yield frame


def _bars(peaks: list[float], count: int) -> list[float]:
    """So many peaks of as many; the loudest is 1, and all are 0 where there is only silence."""
    if not peaks:
        return [0.0] * count
    edges = [number * len(peaks) / count for number in range(count + 1)]
    found = [max(peaks[int(a) : max(int(a) + 1, math.ceil(b))]) for a, b in itertools.pairwise(edges)]
    top = max(found)
    return [round(value / top, 3) for value in found] if top > 0 else [0.0] * count
