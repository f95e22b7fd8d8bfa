"""How often hark's offline diariser gives speech to the wrong speaker: the diarisation error rate (DER) on dialogues.

python benchmarks/diarization.py [--data ../shared/data] [--half report] [--dialogues 4] [--collar 0.25]

Dialogues of about a minute are put together from single digits (`digits`: 4 men, 8 kHz), in long turns (up to 8
digits) and short ones (up to 3), from sentences of accented readers (`read_english`; less than a minute where they have
said all they have), and from sentences of synthetic voices (flite, espeak-ng). Nothing is heard twice. The diariser's
constants were tuned on the half `tune`; figures to go by are those of the half `report`, which has other recordings of
the digits' four speakers, other readers, and other voices. Beside it: one speaker for everything; scikit-learn's
average linkage of the same pieces by the same distance, told the number; pyannote.audio with `--pyannote FOLDER`.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import measures
from dialogues import VOICES, Dialogue, read, spoken, synthetic
from hark.audio.audio import Audio
from hark.evaluation.metrics.diarization import Errors, errors
from hark.speakers import cluster, diarize
from hark.speakers.features import Features, features
from hark.speakers.turns import Turn, joined, named

if TYPE_CHECKING:
    from collections.abc import Iterator

HALVES = ("tune", "report")
SETS = (
    ("digits, long turns", "digits", 8),
    ("digits, short turns", "digits", 3),
    ("readers", "readers", 2),
    ("voices", "voices", 2),
)


def pools(data: Path, half: int) -> dict[str, dict[str, list[np.ndarray]]]:
    """The utterances of each speaker of each kind in one half."""
    readers = read(data / "read_english")
    mine = {who: readers[who] for who in sorted(readers)[half::2] if len(readers[who]) > 1}
    digits = {who: said[half::2] for who, said in read(data / "digits").items()}
    return {"digits": digits, "readers": mine, "voices": synthetic(VOICES[half])}


def dialogues(data: Path, half: int, count: int) -> Iterator[tuple[str, int, Dialogue]]:
    """The kind of a dialogue, how many speakers it has, and the dialogue."""
    stock = pools(data, half)
    for kind, pool, longest in SETS:
        for speakers in (1, 2, 3, 4) if len(stock[pool]) >= 4 else ():
            for number in range(count):
                samples, turns = spoken(stock[pool], speakers, 1000 * half + 10 * speakers + number, longest=longest)
                yield kind, speakers, Dialogue(f"{kind} {number}", samples, measures.RATE, turns)


def everybody(found: Features) -> tuple[Turn, ...]:
    """One speaker for all speech."""
    return joined(named((start / 100, end / 100, 0) for start, end in found.speech), 0.5)


def average_linkage(found: Features, speakers: int) -> tuple[Turn, ...]:
    """scikit-learn's clustering of the same pieces by the same distance, told how many speakers there are."""
    from sklearn.cluster import AgglomerativeClustering

    pieces = list(diarize.pieces(found))
    points = diarize.points(found)
    gaussians = cluster.Gaussians.of([points[diarize.voice(found, *piece)] for piece in pieces])
    spreads = gaussians.spread(np.arange(len(pieces)))
    every = np.arange(len(pieces))
    distances = np.stack([gaussians.distance(np.full(len(pieces), one), every, spreads) for one in every])
    model = AgglomerativeClustering(min(speakers, len(pieces)), metric="precomputed", linkage="average")
    labels = model.fit_predict(np.maximum(0, distances)) if len(pieces) > 1 else np.zeros(1, int)
    return joined(named((a / 100, b / 100, int(who)) for (a, b), who in zip(pieces, labels, strict=True)), 0.5)


def measured(data: Path, half: int, given: argparse.Namespace) -> dict[str, dict[tuple[str, int], list]]:
    """For each way, kind and number of speakers: the errors, and how many speakers were found, in each dialogue."""
    table: dict[str, dict[tuple[str, int], list]] = {}
    seconds = spent = 0.0
    for kind, speakers, dialogue in dialogues(data, half, given.dialogues):
        begin = time.process_time()
        found = features([dialogue.samples])
        ways = {"hark": diarize.turns_of(found)}
        spent += time.process_time() - begin
        seconds += len(dialogue.samples) / dialogue.rate
        ways["hark, told the number"] = diarize.turns_of(found, speakers)
        ways["one speaker for all"] = everybody(found)
        if importlib.util.find_spec("sklearn"):
            ways["average linkage, told the number"] = average_linkage(found, speakers)
        if given.pyannote:
            from hark.speakers.folders import diarize_with

            ways["pyannote.audio"] = diarize_with(given.pyannote, Audio.of(dialogue.samples, dialogue.rate))
        for way, turns in ways.items():
            row = table.setdefault(way, {}).setdefault((kind, speakers), [])
            row.append((errors(dialogue.turns, turns, collar=given.collar), len({turn.speaker for turn in turns})))
    print(f"{seconds / 60:.0f} minutes of dialogues; hark took {spent / seconds:.4f} of audio time\n")
    return table


def total(rows: list) -> Errors:
    return sum((row[0] for row in rows), Errors())


def show(table: dict[str, dict[tuple[str, int], list]]) -> None:
    kinds = list(dict.fromkeys(kind for kind, _ in table["hark"]))
    print("| DER, % | " + " | ".join(kinds) + " | all | number right |\n|" + "---|" * (len(kinds) + 3))
    for way, rows in table.items():
        cells = [total([row for (name, _), found in rows.items() if name == kind for row in found]) for kind in kinds]
        every = [(speakers, row) for (_, speakers), found in rows.items() for row in found]
        right = np.mean([row[1] == speakers for speakers, row in every])
        cells.append(total([row for _, row in every]))
        print(f"| {way} | " + " | ".join(f"{100 * cell.rate:.1f}" for cell in cells) + f" | {100 * right:.0f} % |")
    print("\n| hark | speakers | DER, % | missed | made up | confused | told the number | found |\n|" + "---|" * 8)
    for (kind, speakers), rows in table["hark"].items():
        sums = total(rows)
        parts = " | ".join(f"{100 * part / sums.speech:.1f}" for part in (sums.missed, sums.false_alarm, sums.confused))
        told = 100 * total(table["hark, told the number"][kind, speakers]).rate
        found = " ".join(str(row[1]) for row in rows)
        print(f"| {kind} | {speakers} | {100 * sums.rate:.1f} | {parts} | {told:.1f} | {found} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=measures.DATA)
    parser.add_argument("--half", choices=HALVES, default="report")
    parser.add_argument("--dialogues", type=int, default=4)
    parser.add_argument("--collar", type=float, default=0.25)
    parser.add_argument("--pyannote", help="a folder of pyannote.audio")
    given = parser.parse_args()
    if not given.pyannote:
        here = "installed" if importlib.util.find_spec("pyannote") else "not installed"
        print(f"pyannote.audio is {here}; it was not run (--pyannote FOLDER).")
    show(measured(given.data, HALVES.index(given.half), given))


if __name__ == "__main__":
    main()
