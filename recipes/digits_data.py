"""Make the data of `recipes/digits.yaml`: singles to learn from, and recordings of 3 to 5 digits to judge by.

    python recipes/digits_data.py ../shared/data/digits data/digits

Sequences are singles of one speaker, none twice, with 0.05 to 0.25 s between them and 0.1 to 0.3 s at both ends, and
white noise 20 to 40 dB below the speech in all of it. They are FLAC files, so that anything that hears can be judged.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import soundfile

EACH = 150  # sequences of each speaker


def main(source: Path, out: Path) -> None:
    """Write `singles.jsonl`, `sequences.jsonl` and the recordings of the latter."""
    rows = [json.loads(line) for line in (source / "labels.jsonl").read_text().splitlines()]
    out.mkdir(parents=True, exist_ok=True)
    singles = [{**row, "audio": str((source / row["audio"]).resolve())} for row in rows]
    write(out / "singles.jsonl", singles)
    folder = out / "sequences"
    folder.mkdir(exist_ok=True)
    made = []
    for number, speaker in enumerate(sorted({row["speaker"] for row in rows})):
        own = [row for row in singles if row["speaker"] == speaker]
        rng = np.random.default_rng((7, number))
        for place in range(EACH):
            samples, rate, text = sequence(own, rng)
            path = folder / f"{speaker}_{place:03d}.flac"
            soundfile.write(path, samples, rate)
            made.append({"audio": f"sequences/{path.name}", "speaker": speaker, "text": text})
    write(out / "sequences.jsonl", made)


def sequence(own: list[dict[str, str]], rng: np.random.Generator) -> tuple[np.ndarray, int, str]:
    """Samples, their rate, and the text of one sequence."""
    chosen = [own[number] for number in rng.choice(len(own), rng.integers(3, 6), replace=False)]
    parts, rate = [], 0
    for row in chosen:
        samples, rate = soundfile.read(row["audio"])
        parts += [samples, np.zeros(int(rng.uniform(0.05, 0.25) * rate))]
    edges = [np.zeros(int(rng.uniform(0.1, 0.3) * rate)) for _ in range(2)]
    whole = np.concatenate([edges[0], *parts[:-1], edges[1]])
    level = np.sqrt((whole**2).mean())
    whole = whole / level * 0.1 + rng.normal(0, 0.1 * 10 ** (-rng.uniform(20, 40) / 20), len(whole))
    return np.clip(whole, -1, 1), rate, " ".join(row["text"] for row in chosen)


def write(path: Path, rows: list[dict[str, str]]) -> None:
    """Write rows as lines of JSON."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
