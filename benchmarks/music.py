"""How often key and tempo are right: songs in all 24 keys at several tempi, made here.

    python benchmarks/music.py            24 keys x 6 tempi, 20 s each
    python benchmarks/music.py --quick    24 keys x 1 tempo

Each song has chords (four progressions, one of which does not begin on the tonic), a bass and a melody; every other
one has drums. A table says how often the key and the tempo (within 4 %, as in MIREX) are right, and what kind of
mistake the others are. Below it a line for each sound that has neither key nor tempo.
"""

import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from hark.engines.builtin.music import key_and_tempo

Samples = npt.NDArray[np.float32]
RATE = 22_050
NAMES = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
MINOR_NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B")
TEMPI = (60, 80, 100, 120, 140, 170)
TRIADS = {"major": (0, 4, 7), "minor": (0, 3, 7)}
# Chords as (semitones above the tonic, mode); the last of a minor song has the raised leading note.
PROGRESSIONS = {
    "major": (
        ((0, "major"), (9, "minor"), (5, "major"), (7, "major")),
        ((0, "major"), (5, "major"), (7, "major"), (0, "major")),
        ((9, "minor"), (5, "major"), (0, "major"), (7, "major")),
        ((0, "major"), (7, "major"), (9, "minor"), (5, "major")),
    ),
    "minor": (
        ((0, "minor"), (8, "major"), (5, "minor"), (7, "major")),
        ((0, "minor"), (5, "minor"), (7, "major"), (0, "minor")),
        ((8, "major"), (10, "major"), (0, "minor"), (7, "major")),
        ((0, "minor"), (10, "major"), (8, "major"), (7, "major")),
    ),
}
SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}


def note(midi: float, seconds: float) -> npt.NDArray[np.float64]:
    """A plucked note with five harmonics."""
    t = np.arange(round(seconds * RATE)) / RATE
    frequency = 440 * 2 ** ((midi - 69) / 12)
    sound = sum(np.sin(2 * np.pi * frequency * k * t) * np.exp(-t * k**0.5 / 0.6) / k**1.2 for k in range(1, 6))
    return np.asarray(sound * np.minimum(1, t / 0.004) * np.minimum(1, (seconds - t) / 0.02))


def song(tonic: int, mode: str, tempo: float, seconds: float = 20.0, seed: int = 0, tuning_cents: float = 0) -> Samples:
    """A song of four-bar phrases; `tonic` is 0 for C to 11 for B; `seed` chooses chords, melody and drums."""
    rng = np.random.default_rng(seed)
    beat = 60 / tempo
    track = np.zeros(round((seconds + 8 * beat) * RATE))

    def place(sound: npt.NDArray[np.float64], at: float, level: float) -> None:
        start = round(at * RATE)
        track[start : start + len(sound)] += level * sound[: len(track) - start]

    bars = int(np.ceil(seconds / (4 * beat)))
    base = 48 + tonic + tuning_cents / 100
    click = rng.standard_normal(RATE // 10) * np.exp(-np.arange(RATE // 10) / (0.02 * RATE))
    for bar in range(bars):
        root, kind = PROGRESSIONS[mode][seed % 4][bar % 4] if bar < bars - 1 else (0, mode)
        chord = [root + interval for interval in TRIADS[kind]]
        for step in range(4):
            at = (4 * bar + step) * beat
            place(note(base - 12 + chord[0] % 12, 0.9 * beat), at, 0.5 if step % 2 == 0 else 0.25)
            place(click, at, (0.15 if step % 2 else 0.08) if seed // 4 % 2 == 0 else 0.0)
            if step in (0, 2):
                for each in chord:
                    place(note(base + each, 1.9 * beat), at, 0.25)
            tune = chord[rng.integers(3)] if step in (0, 2) else SCALES[mode][rng.integers(7)]
            place(note(base + 12 + tune, 0.9 * beat), at, 0.35)
            if rng.random() < 0.4:
                place(note(base + 12 + SCALES[mode][rng.integers(7)], 0.4 * beat), at + beat / 2, 0.25)
    cut = track[: round(seconds * RATE)]
    return np.asarray(0.7 * cut / np.abs(cut).max(), dtype=np.float32)


def key_verdict(found: str | None, tonic: int, mode: str) -> str:
    """What kind of mistake a key is, in MIREX's terms."""
    names = NAMES if mode == "major" else MINOR_NAMES
    if found == f"{names[tonic]} {mode}":
        return "right"
    if found is None:
        return "none"
    name, other_mode = found.split()
    other = (NAMES if other_mode == "major" else MINOR_NAMES).index(name)
    if other_mode != mode:
        relative = (tonic + 9) % 12 if mode == "major" else (tonic + 3) % 12
        return {relative: "relative", tonic: "parallel"}.get(other, "other")
    return "fifth" if (other - tonic) % 12 in (5, 7) else "other"


def tempo_verdict(found: float | None, tempo: float) -> str:
    """Whether a tempo is right within 4 %, or right but for a factor of two or three."""
    if found is None:
        return "none"
    for factor, verdict in ((1, "right"), (2, "double"), (0.5, "half"), (3, "triple"), (1 / 3, "third"), (1.5, "3:2")):
        if abs(found / (factor * tempo) - 1) <= 0.04:
            return verdict
    return "other"


def main(arguments: list[str]) -> None:
    """Print the table."""
    tempi = TEMPI[3:4] if "--quick" in arguments else TEMPI
    key_and_tempo(song(0, "major", 100, 5.0), RATE)  # librosa compiles at the first call
    keys: Counter[str] = Counter()
    started = time.perf_counter()
    print(f"{'tempo':>6} {'key right':>10} {'tempo right':>12}   mistakes")
    for tempo in tempi:
        verdicts = []
        for tonic in range(12):
            for mode in ("major", "minor"):
                music = key_and_tempo(song(tonic, mode, tempo, seed=tonic + tempo // 10), RATE)
                verdicts.append((key_verdict(music.key, tonic, mode), tempo_verdict(music.tempo, tempo)))
        of_keys, of_tempi = Counter(v[0] for v in verdicts), Counter(v[1] for v in verdicts)
        keys.update(of_keys)
        wrong = {k: n for k, n in (of_keys + of_tempi).items() if k != "right"}
        print(f"{tempo:>6} {of_keys['right']:>7}/24 {of_tempi['right']:>9}/24   {wrong or ''}")
    spent = (time.perf_counter() - started) / (24 * len(tempi))
    print(f"keys: {dict(keys)}; {spent:.2f} s per song of 20 s\n")
    for name, samples, rate in no_music():
        music = key_and_tempo(samples, rate)
        print(f"{name:<24} key: {music.key or '-':<10} tempo: {music.tempo or '-'}")


def no_music() -> Iterator[tuple[str, Samples, int]]:
    """Noise, a tone, and the real speech and kitchen noise beside the repository where they are."""
    rng = np.random.default_rng(0)
    yield "white noise", (0.1 * rng.standard_normal(20 * RATE)).astype(np.float32), RATE
    yield "tone", (0.3 * np.sin(2 * np.pi * 440 * np.arange(10 * RATE) / RATE)).astype(np.float32), RATE
    shared = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    for path in (*sorted(shared.glob("clips/*")), *sorted(shared.glob("commands/kitchen*"))):
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        yield path.name, samples.mean(axis=1), rate


if __name__ == "__main__":
    main(sys.argv[1:])
