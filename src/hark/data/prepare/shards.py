"""One shard: the features of some samples in one file, and what they say in another that is written last."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hark.errors import DataError, HarkError, MissingExtraError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from hark.data.place import Place


@dataclass(frozen=True, slots=True)
class Wanted:
    """One sample of a shard: its recording, and the row of the index as far as it is known."""

    place: Place | None
    row: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Shard:
    """Some samples to be made features of; `number` tells its files."""

    folder: Path
    number: int
    samples: tuple[Wanted, ...]
    bins: int
    longest: float

    @property
    def features(self) -> Path:
        """The file of its features."""
        return self.folder / f"{self.number:05d}.safetensors"

    @property
    def index(self) -> Path:
        """The file of its rows; when it is there, the shard is whole."""
        return self.folder / f"{self.number:05d}.json"


def make(shard: Shard) -> int:
    """Hear the samples of a shard and write it; returns how many are in it.

    Raises:
        MissingExtraError: safetensors is not installed. OSError: the disk is full.
    """
    import numpy as np

    try:
        from safetensors.numpy import save
    except ImportError as error:
        raise MissingExtraError.of("Keeping features", "train") from error
    found: list[NDArray[np.float16]] = []
    rows, skipped, at = [], [], 0
    total, squares = np.zeros(shard.bins), np.zeros(shard.bins)
    for wanted in shard.samples:
        try:
            mel, seconds = _heard(wanted, shard)
        except (HarkError, OSError, ValueError) as error:
            skipped.append({"id": wanted.row["id"], "why": str(error)})
            continue
        total += mel.sum(axis=0, dtype=np.float64)
        squares += np.square(mel, dtype=np.float64).sum(axis=0)
        rows.append(wanted.row | {"shard": shard.number, "row": at, "frames": len(mel), "seconds": round(seconds, 4)})
        at += len(mel)
        found.append(mel.astype(np.float16))
    features = np.concatenate(found) if found else np.zeros((0, shard.bins), np.float16)
    _whole(shard.features, save({"features": features}))
    said = {"rows": rows, "skipped": skipped, "sum": total.tolist(), "squares": squares.tolist()}
    _whole(shard.index, json.dumps(said, ensure_ascii=False).encode())
    return len(rows)


def _heard(wanted: Wanted, shard: Shard) -> tuple[NDArray[np.float32], float]:
    from hark.data.prepare.fbank import RATE, log_mel

    if wanted.place is None:
        raise DataError(wanted.row["why"])
    samples = wanted.place.audio().samples(RATE)
    seconds = len(samples) / RATE
    if seconds > shard.longest:
        raise DataError(f"It lasts {seconds:.1f} s, more than {shard.longest:g} s.")
    mel = log_mel(samples, shard.bins)
    if not len(mel):
        raise DataError(f"It lasts {seconds:.3f} s, less than one frame.")
    return mel, seconds


def _whole(path: Path, data: bytes) -> None:
    """Write a file that is there whole or not at all, whatever kills the process."""
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
