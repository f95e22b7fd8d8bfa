"""Rate and channel changes: plain mean to mono, soxr between rates, blocks of even size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import soxr

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray


def to_mono(block: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mix (n, channels) to (n, 1) as the mean of the channels, so that the level stays."""
    if block.shape[1] == 1:
        return block
    if block.shape[1] == 2:
        # Two columns are added much faster than an axis of length two is averaged.
        mixed = block[:, 0] + block[:, 1]
        mixed *= np.float32(0.5)
        return mixed[:, np.newaxis]
    mean: NDArray[np.float32] = block.mean(axis=1, dtype=np.float32, keepdims=True)
    return mean


def resampled(
    blocks: Iterable[NDArray[np.float32]], channels: int, rate: int, wanted: int
) -> Iterator[NDArray[np.float32]]:
    """Change the sample rate of (n, channels) blocks; the blocks' sizes make no difference to the sound."""
    if rate == wanted:
        yield from blocks
        return
    stream = soxr.ResampleStream(rate, wanted, channels, dtype="float32", quality="HQ")
    for block in blocks:
        out = stream.resample_chunk(np.ascontiguousarray(block, dtype=np.float32))
        if len(out):
            yield out
    rest = stream.resample_chunk(np.zeros((0, channels), np.float32), last=True)
    if len(rest):
        yield rest


def even(blocks: Iterable[NDArray[np.float32]], size: int) -> Iterator[NDArray[np.float32]]:
    """Cut blocks anew so that each holds `size` frames, the last what is left."""
    kept: list[NDArray[np.float32]] = []
    count = 0
    for block in blocks:
        kept.append(block)
        count += len(block)
        if count < size:
            continue
        joined = np.concatenate(kept) if len(kept) > 1 else kept[0]
        whole = count - count % size
        for first in range(0, whole, size):
            yield joined[first : first + size]
        kept, count = ([joined[whole:]], count - whole) if count > whole else ([], 0)
    if count:
        yield np.concatenate(kept)


def joined(blocks: Iterable[NDArray[np.float32]], expected: int, channels: int) -> NDArray[np.float32]:
    """Put blocks together in one array, allocated once when `expected` frames is right."""
    out = np.empty((max(1, expected), channels), np.float32)
    count = 0
    for block in blocks:
        if count + len(block) > len(out):
            grown = np.empty((max(count + len(block), len(out) * 3 // 2), channels), np.float32)
            grown[:count] = out[:count]
            out = grown
        out[count : count + len(block)] = block
        count += len(block)
    return out[:count]
