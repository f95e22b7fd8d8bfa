"""What the benchmarks share: recordings with their texts, and the word error rate."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
RATE = 16000
CLIPS = {
    "jfk": "And so, my fellow Americans, ask not what your country can do for you, ask what you can do for your "
    "country.",
    "reading": "Going along slushy country roads and speaking to damp audiences in draughty schoolrooms day after day "
    "for a fortnight, he'll have to put in an appearance at some place of worship on Sunday morning, and he can come "
    "to us immediately afterwards.",
}


@dataclass(frozen=True)
class Recording:
    """A recording of speech, mono at 16 kHz, what is said in it, and by whom."""

    name: str
    samples: np.ndarray
    text: str
    speaker: str

    @property
    def seconds(self) -> float:
        return len(self.samples) / RATE


def load(path: Path) -> np.ndarray:
    """Samples of a file, mono at 16 kHz."""
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return soxr.resample(samples.mean(axis=1), rate, RATE).astype(np.float32)


def clips(data: Path) -> list[Recording]:
    """The two clips of clear American English."""
    return [Recording(name, load(data / "clips" / f"{name}.flac"), text, name) for name, text in CLIPS.items()]


def labelled(folder: Path, limit: int | None = None) -> list[Recording]:
    """Recordings of a folder with a `labels.jsonl`, spread evenly where there are more than `limit`."""
    rows = [json.loads(line) for line in (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()]
    step = max(1, len(rows) // limit) if limit else 1
    rows = rows[::step][:limit]
    return [Recording(row["audio"], load(folder / row["audio"]), row["text"], row["speaker"]) for row in rows]


def normalised(text: str) -> list[str]:
    """Words for comparison: lower case, hyphens as spaces, other punctuation left out."""
    return re.sub(r"[^a-z0-9 ]", "", text.lower().replace("-", " ")).split()


def word_errors(reference: list[str], said: list[str]) -> int:
    """Words replaced, left out and put in (Levenshtein)."""
    return alignment(reference, said)[0]


def alignment(reference: list[str], said: list[str]) -> tuple[int, list[bool]]:
    """The number of word errors, and for each word said whether it is right."""
    rows = np.zeros((len(reference) + 1, len(said) + 1), int)
    rows[0], rows[:, 0] = np.arange(len(said) + 1), np.arange(len(reference) + 1)
    for i, word in enumerate(reference, 1):
        for j, other in enumerate(said, 1):
            rows[i, j] = min(rows[i - 1, j] + 1, rows[i, j - 1] + 1, rows[i - 1, j - 1] + (word != other))
    right = [False] * len(said)
    i, j = len(reference), len(said)
    while i and j:
        if rows[i, j] == rows[i - 1, j - 1] + (reference[i - 1] != said[j - 1]):
            i, j = i - 1, j - 1
            right[j] = reference[i] == said[j]
        elif rows[i, j] == rows[i, j - 1] + 1:
            j -= 1
        else:
            i -= 1
    return int(rows[-1, -1]), right
