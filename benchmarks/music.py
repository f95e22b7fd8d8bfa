"""How often key, tempo, meter, beats, chords and sections of music are right, on pieces made here (songs.py).

    python benchmarks/music.py            240 pieces in all keys, 60 in three meters, 24 in sections, 144 plain songs
    python benchmarks/music.py --quick    a tenth of it
    python benchmarks/music.py --fit      the weights of music_meter.py anew, from 240 pieces that no table has

Pieces are 14 s long, at any tempo from 60 to 180, up to 40 cents out of tune, in noise at 20 or 10 dB or none. Tempo is
right within 4 %, as in MIREX; half, double and other simple ratios are counted apart. The peer is librosa as it comes:
`beat_track`, and `chroma_cqt` with the same profiles of keys. In each meter one style was never fitted on.
"""

import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import librosa
import numpy as np
import numpy.typing as npt
import soundfile

from hark.engines.builtin.music import Analysis, analyse, listen, rank_keys
from hark.engines.builtin.music_meter import METERS, Rhythm
from songs import MINOR_NAMES, NAMES, RATE, Piece, Samples, key_name, piece, song

TEMPI = (60, 80, 100, 120, 140, 170)
FITTED = range(240)
REPORTED = 10_000  # seeds from here on
FORMS = ("AABA", "ABAB", "AABB", "ABCA", "ABAC", "ABCB")


def key_verdict(found: str | None, true: str) -> str:
    """What kind of mistake a key is, in MIREX's terms."""
    if found == true:
        return "right"
    if found is None:
        return "none"
    (tonic, mode), (other, other_mode) = ((_class(name), name.split()[1]) for name in (true, found))
    if other_mode != mode:
        relative = (tonic + 9) % 12 if mode == "major" else (tonic + 3) % 12
        return {relative: "relative", tonic: "parallel"}.get(other, "other")
    return "fifth" if (other - tonic) % 12 in (5, 7) else "other"


def _class(key: str) -> int:
    name, mode = key.split()
    return (NAMES if mode == "major" else MINOR_NAMES).index(name)


def tempo_verdict(found: float | None, tempo: float) -> str:
    """Whether a tempo is right within 4 %, or right but for a simple ratio."""
    if found is None:
        return "none"
    ratios = ((1, "right"), (2, "double"), (0.5, "half"), (3, "triple"), (1 / 3, "third"), (1.5, "3:2"), (2 / 3, "2:3"))
    for factor, verdict in ratios:
        if abs(found / (factor * tempo) - 1) <= 0.04:
            return verdict
    return "other"


def plain_librosa(samples: Samples) -> tuple[str, float]:
    """Key and tempo as librosa gives them when asked in the plainest way."""
    tempo = float(np.ravel(librosa.beat.beat_track(y=samples, sr=RATE)[0])[0])
    return rank_keys(librosa.feature.chroma_cqt(y=samples, sr=RATE).mean(axis=1))[0][1], tempo


def matched(found: Iterable[float], true: Iterable[float], within: float) -> float:
    """F-measure of times: each true one may be met by one found."""
    left, true, hits = list(found), list(true), 0
    count = len(left)
    for each in true:
        near = min(left, key=lambda time: abs(time - each), default=None)
        if near is not None and abs(near - each) <= within:
            left.remove(near)
            hits += 1
    return 2 * hits / (count + len(true)) if count + len(true) else 1.0


def keys_and_tempi(count: int) -> None:
    """The table of keys and tempi in 4/4, by noise."""
    print(f"{'noise':>8} {'pieces':>7} {'':8} {'key':>6} {'tempo':>6} {'octave':>7}   mistakes")
    spent = 0.0
    for snr in (None, 20.0, 10.0):
        ours, theirs, new = Counter[str](), Counter[str](), Counter[str]()
        for number in range(count // 3):
            key = (number % 12, ("major", "minor")[number // 12 % 2])
            made = piece(REPORTED + number + 1000 * int(snr or 0), key=key, seconds=14, snr_db=snr)
            began = time.process_time()
            music = analyse(made.samples, RATE)
            spent += time.process_time() - began
            both = ((music.key, music.tempo, ours), (*plain_librosa(made.samples), theirs))
            for named, tempo, counter in both:
                counter.update([f"key {key_verdict(named, made.key)}", f"tempo {tempo_verdict(tempo, made.tempo)}"])
            if made.new_style:
                new.update(["all", f"tempo {tempo_verdict(music.tempo, made.tempo)}"])
        for name, counter in (("hark", ours), ("librosa", theirs)):
            octave = counter["tempo half"] + counter["tempo double"]
            shown = [f"{100 * n / (count // 3):5.1f}%" for n in (counter["key right"], counter["tempo right"], octave)]
            wrong = {kind: n for kind, n in counter.most_common() if not kind.endswith("right")}
            print(f"{f'{snr:.0f} dB' if snr else 'none':>8} {count // 3:>7} {name:8} {' '.join(shown)}    {wrong}")
        print(f"{'':16} of {new['all']} in a style not fitted on: tempo right in {new['tempo right']}")
    print(f"{spent / (count // 3 * 3):.2f} CPU seconds for 14 s of music\n")


def meters(count: int) -> None:
    """How often meter and tempo are right, beats, bars and chords, by meter."""
    print(f"{'meter':>6} {'pieces':>7} {'meter':>7} {'tempo':>7} {'beats F':>8} {'bars F':>7} {'chords':>7}   heard as")
    for meter in METERS:
        heard, tempi, scores = Counter[str | None](), Counter[str](), list[tuple[float, float, float]]()
        for number in range(count // 3):
            made = piece(REPORTED + 100 + number, meter=meter, seconds=16, snr_db=(None, 20.0, 10.0)[number % 3])
            music = analyse(made.samples, RATE)
            heard[music.meter] += 1
            tempi[tempo_verdict(music.tempo, made.tempo)] += 1
            beats, bars = matched(music.beats, made.beats, 0.07), matched(music.bars, made.bars, 0.07)
            scores.append((beats, bars, chords_right(music, made)))
        beats, bars, chords = np.mean(scores, axis=0)
        total = sum(heard.values())
        right = f"{100 * heard[meter] / total:6.1f}% {100 * tempi['right'] / total:6.1f}%"
        print(f"{meter:>6} {total:>7} {right} {beats:8.2f} {bars:7.2f} {100 * chords:6.1f}%   {dict(heard)}")


def chords_right(music: Analysis, made: Piece) -> float:
    """The share of the time in which the chord is right, looked at ten times a second."""
    classes = {name: number for number, name in enumerate(NAMES)} | {"C#": 1, "D#": 3, "Gb": 6, "G#": 8, "A#": 10}

    def at(time: float, bars: tuple[float, ...], chords: list[str | None]) -> tuple[int, bool] | None:
        place = int(np.searchsorted(bars, time, side="right")) - 1
        chord = chords[place] if 0 <= place < len(chords) else None
        return (classes[chord.removesuffix("m")], chord.endswith("m")) if chord else None

    found = [chord for section in music.sections for chord in section.chords]
    times = np.arange(made.bars[0], len(made.samples) / RATE, 0.1)
    return float(np.mean([at(t, music.bars, found) == at(t, made.bars, list(made.chords)) for t in times]))


def sections(count: int, first: int = REPORTED + 500) -> None:
    """Boundaries found within 0.5 and 3 s, and librosa's own segmentation, told how many there are."""
    scores = list[tuple[float, ...]]()
    for number in range(count):
        form = FORMS[number % len(FORMS)]
        made = piece(first + number, form=form, seconds=10, snr_db=(None, 20.0)[number % 2])
        true = [b for (one, _, b), (other, _, _) in zip(made.sections, made.sections[1:], strict=False) if one != other]
        music = analyse(made.samples, RATE)
        found = [section.start for section in music.sections[1:]]
        stack = np.vstack(
            [librosa.feature.chroma_cqt(y=made.samples, sr=RATE), librosa.feature.mfcc(y=made.samples, sr=RATE)]
        )
        beats = librosa.beat.beat_track(y=made.samples, sr=RATE)[1]
        synced = librosa.util.sync(librosa.util.normalize(stack, axis=1), beats)
        cut = librosa.segment.agglomerative(synced, len(true) + 1)
        theirs = [librosa.frames_to_time([0, *beats], sr=RATE)[each] for each in cut[1:]]
        alike = same_labels(music, made)
        scores.append((*(matched(times, true, w) for times in (found, theirs) for w in (0.5, 3.0)), alike))
    means = np.mean(scores, axis=0)
    print(f"\nsections of {count} pieces: F at 0.5 s {means[0]:.2f}, at 3 s {means[1]:.2f}")
    print(f"librosa agglomerative, told the number: {means[2]:.2f}, {means[3]:.2f}")
    print(f"pairs of moments rightly alike or not: {100 * means[4]:.0f} %")


def same_labels(music: Analysis, made: Piece) -> float:
    """Of all pairs of moments (one a second), the share rightly given the same label or another."""
    times = np.arange(made.sections[0][1], made.sections[-1][2], 1.0)
    true = [next(name for name, start, end in made.sections if start <= t < end) for t in times]
    found = [next((s.label for s in music.sections if s.start <= t < s.end), "-") for t in times]
    same = [np.equal.outer(np.array(names), np.array(names)) for names in (true, found)]
    return float((same[0] == same[1]).mean())


def plain_songs(tempi: tuple[int, ...]) -> None:
    """Key and tempo of songs from another generator, which nothing was fitted on."""
    print(f"\n{'tempo':>6} {'key right':>10} {'tempo right':>12}   mistakes")
    for tempo in tempi:
        verdicts = Counter[str]()
        for tonic in range(12):
            for mode in ("major", "minor"):
                music = analyse(song(tonic, mode, tempo, seed=tonic + tempo // 10), RATE)
                verdicts.update(["key " + key_verdict(music.key, key_name(tonic, mode))])
                verdicts.update(["tempo " + tempo_verdict(music.tempo, tempo)])
        wrong = {kind: n for kind, n in verdicts.items() if not kind.endswith("right")}
        print(f"{tempo:>6} {verdicts['key right']:>7}/24 {verdicts['tempo right']:>9}/24   {wrong or ''}")


def no_music() -> Iterator[tuple[str, Samples, int]]:
    """Noise, a tone, and the real speech and kitchen noise beside the repository where they are."""
    rng = np.random.default_rng(0)
    yield "white noise", (0.1 * rng.standard_normal(20 * RATE)).astype(np.float32), RATE
    yield "tone", (0.3 * np.sin(2 * np.pi * 440 * np.arange(10 * RATE) / RATE)).astype(np.float32), RATE
    shared = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    for path in (*sorted(shared.glob("clips/*")), *sorted(shared.glob("commands/kitchen*"))):
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        yield path.name, samples.mean(axis=1), rate


def fit(penalty: float = 0.01) -> npt.NDArray[np.float64]:
    """Weights of a conditional logit model: of all hypotheses of a piece the true one is to be the likeliest."""
    from scipy.optimize import minimize

    examples = []
    for seed in FITTED:
        meter = ("4/4", "4/4", "4/4", "3/4", "6/8", "4/4", "3/4", "4/4")[seed % 8]
        made = piece(seed, meter=meter, seconds=14, snr_db=(None, 20.0, 10.0)[seed % 3])
        if made.new_style:
            continue
        rhythm = Rhythm(listen(librosa, made.samples, RATE))
        tempi = rhythm._tempi()  # noqa: SLF001 - the candidates themselves, before they are ranked
        pairs = [(tempo, each) for tempo in tempi for each in METERS]
        right = [i for i, (t, each) in enumerate(pairs) if each == meter and abs(t / made.tempo - 1) <= 0.04]
        if right:
            examples.append((np.array([rhythm.features(*pair) for pair in pairs]), right[0]))
    scale = np.vstack([rows for rows, _ in examples]).std(axis=0)

    def loss(weights: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        total, slope = penalty * weights @ weights, 2 * penalty * weights
        for rows, right in examples:
            scores = rows / scale @ weights
            likely = np.exp(scores - scores.max())
            likely /= likely.sum()
            total -= np.log(likely[right] + 1e-12) / len(examples)
            slope = slope - (rows[right] - likely @ rows) / scale / len(examples)
        return float(total), slope

    return np.asarray(minimize(loss, np.zeros(len(scale)), jac=True).x / scale)


def main(arguments: list[str]) -> None:
    """Print the tables."""
    warnings.simplefilter("ignore")
    if "--fit" in arguments:
        print("WEIGHTS =", np.round(fit(), 2).tolist())
        return
    quick = "--quick" in arguments
    analyse(song(0, "major", 100, 5.0), RATE)  # librosa compiles at the first call
    keys_and_tempi(24 if quick else 240)
    meters(6 if quick else 60)
    sections(4 if quick else 24)
    plain_songs(TEMPI[3:4] if quick else TEMPI)
    print()
    for name, samples, rate in no_music():
        music = analyse(samples, rate)
        print(f"{name:<24} key: {music.key or '-':<10} tempo: {music.tempo or '-'}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
