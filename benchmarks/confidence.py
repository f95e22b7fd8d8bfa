"""How well the recogniser's confidence tells right from wrong: words, and whole transcripts.

python benchmarks/confidence.py [--data ../shared/data] [--cache FILE] [--fit]

Speech: the two clips of clear English; accented English (`read_english`); single digits, five of a speaker in a row
(`digits`); sentences spoken by the flite voices slt, rms and awb, clean and in kitchen noise at 20, 10 and 5 dB.
Speakers and sentences are halved by alternation: `--fit` fits the weights in `hark/engines/builtin/confidence.py` on
one half; the figures to go by are from the other. A transcript is good at a word error rate of 0.3 or less, and bad
above 0.5.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np

import measures
from hark.engines.builtin import confidence
from hark.engines.builtin.pool import Found
from hark.engines.builtin.recognise import Recogniser, segment_of
from measures import RATE, Recording, alignment, normalised

SENTENCES = """
We agreed to move the release to Friday because the tests are not finished yet.
Please send me the report before the end of the week.
The old man walked slowly down the road and sat under a large tree.
Can you tell me what time the train to Boston leaves tomorrow morning?
I think we should talk to the customer before we change the price.
She put the letter on the kitchen table and went out without a word.
Maria will write the documentation and Peter will review it by Thursday.
The weather was cold and there was snow on the mountains.
He asked for a glass of water and two pieces of bread.
There are three open questions and we need an answer to each of them.
My sister bought a new car last month but she does not like the color.
The company plans to hire twenty people in the next six months.
Turn off the lights in the living room and close the front door.
I am not sure that I can finish this work on time.
The president said that the government would not raise taxes this year.
We went to the market to buy apples, milk and some fresh fish.
It was the first time he had seen the sea.
The meeting starts at half past nine in the big room on the second floor.
The doctor told her to stay in bed for three days and drink a lot of tea.
Let us start with the budget and then look at the plan for next year.
The children were playing in the garden when it began to rain.
Thank you very much for your help with this problem.
The server was down for about two hours last night.
Nobody knows where the money went or who took it.
""".strip().splitlines()


def spoken() -> list[Recording]:
    """The sentences by flite (Debian package `flite`), the voices in turn."""
    made = []
    with tempfile.TemporaryDirectory() as folder:
        for number, text in enumerate(SENTENCES):
            path, voice = Path(folder) / f"{number}.wav", ("slt", "rms", "awb")[number % 3]
            subprocess.run(["flite", "-voice", voice, "-t", text, "-o", path], check=True)
            made.append(Recording(f"flite {number}", measures.load(path), text, f"flite {number // 3}"))
    return made


def noisy(recording: Recording, noise: np.ndarray, decibels: float) -> Recording:
    """A recording with noise at a signal-to-noise ratio."""
    at = abs(hash_of(recording.name)) % (len(noise) - len(recording.samples))
    piece = noise[at : at + len(recording.samples)]
    gain = np.sqrt(np.mean(recording.samples**2) / np.mean(piece**2) / 10 ** (decibels / 10))
    samples = (recording.samples + gain * piece).astype(np.float32)
    return Recording(f"{recording.name} {decibels:g} dB", samples, recording.text, recording.speaker)


def hash_of(text: str) -> int:
    return sum(ord(letter) * 7919**place for place, letter in enumerate(text[:6]))


def digits(folder: Path) -> list[Recording]:
    """Five digits of a speaker in a row, with pauses."""
    rows, made = measures.labelled(folder, 200), []
    pause = np.zeros(RATE // 4, np.float32)
    for speaker in sorted({row.speaker for row in rows}):
        own = [row for row in rows if row.speaker == speaker]
        for start in range(0, len(own) - 4, 5):
            five = own[start : start + 5]
            samples = np.concatenate([part for row in five for part in (row.samples, pause)])
            made.append(Recording(f"digits {speaker} {start}", samples, " ".join(row.text for row in five), speaker))
    return made


def everything(data: Path) -> list[Recording]:
    said = spoken()
    noise = measures.load(data / "commands" / "kitchen_noise.flac")
    mixed = [noisy(recording, noise, decibels) for decibels in (20, 10, 5) for recording in said]
    return [*measures.clips(data), *said, *mixed, *measures.labelled(data / "read_english"), *digits(data / "digits")]


def heard(data: Path, cache: Path | None) -> list[dict]:
    """For each recording its speaker, its text and what was found in each window."""
    if cache and cache.exists():
        return json.loads(cache.read_text())
    recogniser, rows = Recogniser(), []
    for recording in everything(data):
        windows = [[window.start, window.end, found] for window, found in recogniser.hear([recording.samples])]
        rows.append({"name": recording.name, "speaker": recording.speaker, "text": recording.text, "windows": windows})
    recogniser.close()
    if cache:
        cache.write_text(json.dumps(rows))
    return rows


def halves(rows: list[dict]) -> tuple[list[dict], list[dict]]:
    """Speakers (and sentences of flite) by turns in one half or the other; the two clips one in each."""
    order = {speaker: number % 2 for number, speaker in enumerate(sorted({row["speaker"] for row in rows}))}
    return [row for row in rows if not order[row["speaker"]]], [row for row in rows if order[row["speaker"]]]


def examined(rows: list[dict]) -> tuple[np.ndarray, np.ndarray, list[tuple[float, float, bool]]]:
    """Features and truth of every word; of every transcript its error rate, its confidence and whether it is warned."""
    features, right, transcripts = [], [], []
    for row in rows:
        found = [(start, [Found(*word) for word in words]) for start, _, words in row["windows"]]
        spoken_words = [confidence.spoken(words) for _, words in found]
        said = [word.text.partition("(")[0] for words in spoken_words for word in words]
        flat = ["".join(normalised(word)) for word in said]
        reference = normalised(row["text"])
        errors, good = alignment(reference, flat)
        right += good
        features += [line for _, words in found for line in confidence.features(words)]
        segments = [s for start, words in found if (s := segment_of(words, start, start + 1000))]
        score = confidence.trust(segments)
        transcripts.append((errors / len(reference), score, confidence.verdict(segments) is not None or not segments))
    return np.array(features), np.array(right, float), transcripts


def auc(score: np.ndarray, good: np.ndarray) -> float:
    """Area under the ROC curve: how often a good one scores higher than a bad one."""
    difference = score[good][:, None] - score[~good][None, :]
    return float(np.mean((difference > 0) + 0.5 * (difference == 0)))


def fit(features: np.ndarray, right: np.ndarray, rounds: int = 50, ridge: float = 1.0) -> np.ndarray:
    """Logistic regression by Newton's method, with a small ridge on all weights but the first."""
    inputs = np.column_stack((np.ones(len(features)), features))
    weights, penalty = np.zeros(inputs.shape[1]), ridge * np.eye(inputs.shape[1])
    penalty[0, 0] = 0
    for _ in range(rounds):
        likely = 1 / (1 + np.exp(-inputs @ weights))
        slope = inputs.T @ (right - likely) - penalty @ weights
        curve = inputs.T @ (inputs * (likely * (1 - likely))[:, None]) + penalty
        weights = weights + np.linalg.solve(curve, slope)
    return weights


def report(name: str, rows: list[dict]) -> None:
    features, right, transcripts = examined(rows)
    likely, true = confidence.probability(features), right > 0
    rate, score, warned = (np.array(column) for column in zip(*transcripts, strict=True))
    good, bad = rate <= 0.3, rate > 0.5
    unsure = likely < confidence.UNSURE
    print(f"{name}: {len(rows)} transcripts ({good.sum()} good, {bad.sum()} bad), {len(right)} words")
    print(f"  transcripts: AUC {auc(score[good | bad], good[good | bad]):.3f}")
    print(f"  bad transcripts warned {warned[bad].mean():.0%}, good ones warned {warned[good].mean():.0%}")
    print(f"  words: AUC {auc(likely, true):.3f} (posterior alone {auc(features[:, 0], true):.3f})")
    print(f"  words right {true.mean():.0%}, expected {likely.mean():.0%}")
    print(f"  words marked unsure: {unsure[~true].mean():.0%} of the wrong, {unsure[true].mean():.0%} of the right")
    for kind in ("jfk", "reading", "flite", "digits", "accented"):
        own = [row for row in rows if kind_of(row["name"]) == kind]
        if own:
            wrong, sure, told = np.mean(examined(own)[2], axis=0)
            print(f"    {kind:9} error rate {wrong:.2f}, confidence {sure:.2f}, warned {told:.0%} of {len(own)}")


def kind_of(name: str) -> str:
    first = name.partition(" ")[0]
    return first if first in ("jfk", "reading", "flite", "digits") else "accented"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=measures.DATA)
    parser.add_argument("--cache", type=Path, help="keep what was recognised in this file, or take it from there")
    parser.add_argument("--fit", action="store_true", help="print weights fitted on the first half")
    options = parser.parse_args()
    first, second = halves(heard(options.data, options.cache))
    if options.fit:
        features, right, _ = examined(first)
        print("weights:", ", ".join(f"{weight:.3f}" for weight in fit(features, right)))
        report("the half it was fitted on", first)
    report("the other half", second)


if __name__ == "__main__":
    main()
