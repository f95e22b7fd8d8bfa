"""How well boundaries of sounds are found: those of examples/sounds (and a voice) one after another, at known times.

    python benchmarks/sound_events.py [COUNT]        40 sequences of 3 to 5 sounds, half of them in noise at -50 dBFS

In half of the sequences every other pause is 0 s long, all others are 0.3 to 1.5 s. A boundary is a beginning or an
end; where two sounds touch it is one. It is found if one lies within 0.25 s. The peer is librosa.effects.split
(top_db 40), which knows levels only.
"""

import sys
import time
from pathlib import Path

import librosa
import numpy as np
import soundfile

from hark.engines.builtin.sound_events import events

RATE = 16_000
FOLDER = Path(__file__).resolve().parents[1] / "examples"
WITHIN = 0.25
# A word that the caption of each must have.
KINDS = {
    "bell": ("bell", "ring", "tone"),
    "knocks": ("knock",),
    "siren": ("siren",),
    "noise": ("noise",),
    "voice": ("speech",),
}


def load(name: str) -> np.ndarray:
    """A sound without the silence around it, its peak at -6 dBFS."""
    path = FOLDER / "hesitant.flac" if name == "voice" else FOLDER / "sounds" / f"{name}.flac"
    samples = soundfile.read(path, dtype="float32")[0]
    heard = np.flatnonzero(np.abs(samples) > 0.02 * np.abs(samples).max())
    return 0.5 * samples[heard[0] : heard[-1] + 1] / np.abs(samples).max()


def sequence(seed: int, sounds: dict[str, np.ndarray]) -> tuple[np.ndarray, list[tuple[str, float, float]]]:
    """A recording, and what is in it from when to when."""
    rng = np.random.default_rng(seed)
    names = rng.permutation(list(sounds))[: rng.integers(3, 6)]
    parts, truth, at = [np.zeros(round(0.5 * RATE))], [], 0.5
    for number, name in enumerate(names):
        sound = sounds[name]
        parts.append(sound)
        truth.append((str(name), at, at + len(sound) / RATE))
        pause = 0.0 if number % 2 == 0 and seed % 4 < 2 else float(rng.uniform(0.3, 1.5))
        parts.append(np.zeros(round(pause * RATE)))
        at += len(sound) / RATE + round(pause * RATE) / RATE
    joined = np.concatenate([*parts, np.zeros(RATE // 2)])
    return joined + (10 ** (-50 / 20) * rng.standard_normal(len(joined)) if seed % 2 else 0.0), truth


def edges(stretches: list[tuple[float, float]]) -> list[float]:
    """Beginnings and ends, those closer than 0.05 s as one."""
    found: list[float] = []
    for time_ in sorted(each for stretch in stretches for each in stretch):
        if not found or time_ - found[-1] > 0.05:
            found.append(time_)
    return found


def matched(found: list[float], true: list[float]) -> int:
    """How many of the true ones are found, each by another."""
    left, hits = list(found), 0
    for each in true:
        near = min(left, key=lambda time_: abs(time_ - each), default=None)
        if near is not None and abs(near - each) <= WITHIN:
            left.remove(near)
            hits += 1
    return hits


def main(count: int) -> None:
    """Print precision and recall."""
    sounds = {name: load(name) for name in KINDS}
    ours, theirs, named, total, spent, seconds = np.zeros(2), np.zeros(2), 0, 0, 0.0, 0.0
    true_count = 0
    for seed in range(count):
        samples, truth = sequence(seed, sounds)
        true = edges([(start, end) for _, start, end in truth])
        began = time.process_time()
        found = events(samples)
        spent, seconds = spent + time.process_time() - began, seconds + len(samples) / RATE
        split = [(a / RATE, b / RATE) for a, b in librosa.effects.split(samples, top_db=40)]
        for score, stretches in ((ours, [(each.start, each.end) for each in found]), (theirs, split)):
            cut = edges(stretches)
            score += (matched(cut, true), len(cut))
        true_count += len(true)
        for name, start, end in truth:
            middle = [each.text for each in found if min(each.end, end) - max(each.start, start) > 0.5 * (end - start)]
            named += any(word in text for text in middle for word in KINDS[name])
            total += 1
    print(f"{'':22} precision  recall   (boundaries within {WITHIN} s; {true_count} in {count} recordings)")
    for name, (hits, cuts) in (("hark", ours), ("librosa.effects.split", theirs)):
        print(f"{name:22} {100 * hits / cuts:8.0f}%  {100 * hits / true_count:5.0f}%")
    print(f"captions that name the kind: {named} of {total}; {spent / seconds:.3f} CPU seconds a second")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)
