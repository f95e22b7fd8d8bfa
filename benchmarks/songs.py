"""Songs made here, of which everything is known: key, tempo, meter, beats, chords, sections.

`song` makes the plain ones that the tests use; `piece` draws one at random from a seed: six ways to accompany in three
meters, drums or none, a melody in free rhythm, hands that are up to 8 ms early or late, any tuning, noise.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterator

Samples = npt.NDArray[np.float32]
Sound = npt.NDArray[np.float64]
RATE = 22_050
NAMES = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
MINOR_NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B")
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
EIGHTHS = {"4/4": 8, "3/4": 6, "6/8": 6}  # of a bar
OF_BEAT = {"4/4": 2, "3/4": 2, "6/8": 3}  # eighths of a beat
# Where the melody has notes, in eighths of a bar.
RHYTHMS = {
    "4/4": ((0, 2, 4, 6), (0, 3, 4, 6), (0, 4, 6, 7), (0, 2, 3, 4), (0, 1, 2, 4, 6), (0, 4), (0, 2, 4, 5, 6, 7)),
    "3/4": ((0, 2, 4), (0, 4), (0, 3, 4), (0, 2, 4, 5), (0, 1, 2, 4), (0,)),
    "6/8": ((0, 3), (0, 2, 3), (0, 2, 3, 5), (0, 1, 2, 3), (0, 3, 4, 5), (0,)),
}
# Ways to accompany: for each voice the eighths of a bar it plays at, with its level there.
STYLES: dict[str, tuple[dict[str, dict[int, float]], ...]] = {
    "4/4": (
        {"bass": {0: 0.5, 2: 0.25, 4: 0.5, 6: 0.25}, "chord": {0: 0.25, 4: 0.25},
         "hat": {0: 0.1, 2: 0.2, 4: 0.1, 6: 0.2}},
        {"bass": {0: 0.5, 4: 0.4, 7: 0.2}, "chord": {0: 0.25}, "kick": {0: 1, 4: 0.9}, "snare": {2: 0.6, 6: 0.6},
         "hat": dict.fromkeys(range(8), 0.1)},
        {"bass": {0: 0.4}, "arpeggio": dict.fromkeys(range(8), 0.3)},
        {"bass": {0: 0.45, 4: 0.4}, "chord": dict.fromkeys((0, 2, 4, 6), 0.22)},
        {"bass": {1: 0.4, 3: 0.4, 5: 0.4, 7: 0.4}, "chord": {0: 0.2, 3: 0.2}, "kick": dict.fromkeys((0, 2, 4, 6), 1),
         "hat": dict.fromkeys((1, 3, 5, 7), 0.2), "snare": {2: 0.3, 6: 0.3}},
        {"bass": {0: 0.5, 3: 0.3, 4: 0.4}, "chord": {2: 0.2, 6: 0.2}, "kick": {0: 0.9, 3: 0.5},
         "snare": {2: 0.5, 6: 0.5}},
    ),
    "3/4": (
        {"bass": {0: 0.5}, "chord": {2: 0.22, 4: 0.22}},
        {"bass": {0: 0.5}, "arpeggio": dict.fromkeys(range(6), 0.3)},
        {"bass": {0: 0.5, 4: 0.25}, "chord": {0: 0.2, 2: 0.2, 4: 0.2}, "kick": {0: 0.9}, "snare": {2: 0.35, 4: 0.35},
         "hat": dict.fromkeys((0, 2, 4), 0.12)},
    ),
    "6/8": (
        {"bass": {0: 0.5, 3: 0.35}, "arpeggio": dict.fromkeys(range(6), 0.3)},
        {"bass": {0: 0.5, 3: 0.35}, "chord": {0: 0.25, 3: 0.2}, "kick": {0: 0.9}, "snare": {3: 0.6},
         "hat": dict.fromkeys(range(6), 0.12)},
        {"bass": {0: 0.5, 3: 0.3}, "chord": {0: 0.2, 2: 0.15, 3: 0.2, 5: 0.15}},
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Piece:
    """Samples at 22,050 Hz, and what is true of them: times in seconds, chords one a bar."""

    samples: Samples = field(repr=False)
    key: str
    tempo: float
    meter: str
    cents: float
    snr_db: float | None
    beats: tuple[float, ...] = ()
    bars: tuple[float, ...] = ()
    chords: tuple[str, ...] = ()
    sections: tuple[tuple[str, float, float], ...] = ()
    new_style: bool = False  # accompanied in a way that the weights were not fitted on


def key_name(tonic: int, mode: str) -> str:
    """As hark writes it."""
    return f"{(NAMES if mode == 'major' else MINOR_NAMES)[tonic % 12]} {mode}"


@functools.lru_cache(256)
def note(midi: float, seconds: float, bright: float = 1.2, decay: float = 0.6) -> Sound:
    """A plucked note with five harmonics."""
    t = np.arange(round(seconds * RATE)) / RATE
    frequency = 440 * 2 ** ((midi - 69) / 12)
    sound = sum(np.sin(2 * np.pi * frequency * k * t) * np.exp(-t * k**0.5 / decay) / k**bright for k in range(1, 6))
    return np.asarray(sound * np.minimum(1, t / 0.004) * np.minimum(1, (seconds - t) / 0.02))


def song(tonic: int, mode: str, tempo: float, seconds: float = 20.0, seed: int = 0, tuning_cents: float = 0) -> Samples:
    """A song of four-bar phrases; `tonic` is 0 for C to 11 for B; `seed` chooses chords, melody and drums."""
    rng = np.random.default_rng(seed)
    beat = 60 / tempo
    track = np.zeros(round((seconds + 8 * beat) * RATE))
    bars = int(np.ceil(seconds / (4 * beat)))
    base = 48 + tonic + tuning_cents / 100
    click = rng.standard_normal(RATE // 10) * np.exp(-np.arange(RATE // 10) / (0.02 * RATE))
    for bar in range(bars):
        root, kind = PROGRESSIONS[mode][seed % 4][bar % 4] if bar < bars - 1 else (0, mode)
        chord = [root + interval for interval in TRIADS[kind]]
        for step in range(4):
            at = (4 * bar + step) * beat
            _place(track, note(base - 12 + chord[0] % 12, 0.9 * beat), at, 0.5 if step % 2 == 0 else 0.25)
            _place(track, click, at, (0.15 if step % 2 else 0.08) if seed // 4 % 2 == 0 else 0.0)
            if step in (0, 2):
                for each in chord:
                    _place(track, note(base + each, 1.9 * beat), at, 0.25)
            tune = chord[rng.integers(3)] if step in (0, 2) else SCALES[mode][rng.integers(7)]
            _place(track, note(base + 12 + tune, 0.9 * beat), at, 0.35)
            if rng.random() < 0.4:
                _place(track, note(base + 12 + SCALES[mode][rng.integers(7)], 0.4 * beat), at + beat / 2, 0.25)
    return _levelled(track[: round(seconds * RATE)])


def piece(
    seed: int, *, key: tuple[int, str] | None = None, tempo: float | None = None, meter: str = "4/4",
    seconds: float = 16.0, form: str = "A", cents: float | None = None, snr_db: float | None = None,
) -> Piece:  # fmt: skip
    """A piece drawn from a seed; each letter of `form` (such as AABA) is a section of about `seconds` in whole phrases.

    The last bar comes home to the tonic.

    Without `tempo` it is anything from 60 to 180 (6/8: 50 to 100 dotted quarters), without `cents` up to 40 off.
    """
    rng = np.random.default_rng(seed)
    tonic, mode = key or (int(rng.integers(12)), str(rng.choice(["major", "minor"])))
    tempo = tempo or float(np.round(rng.uniform(*((50, 100) if meter == "6/8" else (60, 180))), 1))
    cents = float(np.round(rng.uniform(-40, 40), 1)) if cents is None else cents
    eighth = 60 / tempo / OF_BEAT[meter]
    bar_seconds = EIGHTHS[meter] * eighth
    count = max(1, round(seconds / (4 * bar_seconds))) * 4
    count = max(count, int(np.ceil(seconds / bar_seconds)) if form == "A" else 4)
    track = np.zeros(round(((count * len(form) + 2) * bar_seconds + 1) * RATE))
    # A pick-up of silence, so that the first beat is not at 0.
    lead = float(rng.uniform(0.0, 0.4))
    players = {name: _Player(np.random.default_rng([seed, ord(name)]), mode, meter) for name in sorted(set(form))}
    chords, sections, at = [], [], lead
    for name in form:
        begin = at
        for bar in range(count):
            last = len(chords) == count * len(form) - 1
            chords.append(players[name].bar(track, at, bar, eighth, 48 + tonic + cents / 100, rng, last=last))
            at += bar_seconds
        sections.append((name, begin, at))
    total = round((at + 0.3) * RATE) if form != "A" else round(min(seconds + lead, at) * RATE)
    sound = _levelled(track[:total])
    if snr_db is not None:
        sound = _levelled(sound + _noise(rng, len(sound)) * np.sqrt(np.mean(sound**2) / 10 ** (snr_db / 10)))
    bars = lead + bar_seconds * np.arange(len(chords))
    beats = lead + 60 / tempo * np.arange(len(chords) * EIGHTHS[meter] // OF_BEAT[meter])
    end = total / RATE
    named = tuple(f"{NAMES[(tonic + root) % 12]}{'m' if kind == 'minor' else ''}" for root, kind in chords)
    return Piece(
        sound, key_name(tonic, mode), tempo, meter, cents, snr_db, tuple(beats[beats < end]), tuple(bars[bars < end]),
        named, tuple(sections), any(player.style is STYLES[meter][-1] for player in players.values()),
    )  # fmt: skip


class _Player:
    """Plays the bars of one section in its own way."""

    def __init__(self, rng: np.random.Generator, mode: str, meter: str) -> None:
        self.mode, self.meter = mode, meter
        self.style = STYLES[meter][rng.integers(len(STYLES[meter]))]
        self.chords = PROGRESSIONS[mode][rng.integers(4)]
        self.bright, self.decay = rng.uniform(0.8, 2.0), rng.uniform(0.3, 1.2)
        self.drums = rng.uniform(0.5, 1.2)
        self.octave = int(rng.choice([0, 12]))
        self.rhythms = [RHYTHMS[meter][rng.integers(len(RHYTHMS[meter]))] for _ in range(2)]

    def bar(
        self, track: Sound, at: float, number: int, eighth: float, base: float, rng: np.random.Generator, *, last: bool
    ) -> tuple[int, str]:
        root, kind = (0, self.mode) if last else self.chords[number % 4]
        chord = [root + interval for interval in TRIADS[kind]]
        for voice, steps in self.style.items():
            for index, (step, level) in enumerate(sorted(steps.items())):
                loud = level * rng.uniform(0.8, 1.2)
                for sound, share in self._voice(voice, chord, index, eighth, base, rng):
                    _place(track, sound, at + step * eighth + rng.uniform(-0.004, 0.004), loud * share)
        rhythm = self.rhythms[number % 2]
        for step, following in zip(rhythm, (*rhythm[1:], EIGHTHS[self.meter]), strict=True):
            strong = step % OF_BEAT[self.meter] == 0
            tune = chord[rng.integers(3)] if strong else SCALES[self.mode][rng.integers(7)]
            sound = note(base + self.octave + 12 + tune, 0.9 * (following - step) * eighth, self.bright, self.decay)
            _place(track, sound, at + step * eighth + rng.uniform(-0.008, 0.008), 0.35 * rng.uniform(0.7, 1.2))
        return root, kind

    def _voice(
        self, voice: str, chord: list[int], index: int, eighth: float, base: float, rng: np.random.Generator
    ) -> Iterator[tuple[Sound, float]]:
        if voice == "bass":
            yield note(base - 12 + chord[0] % 12, 1.8 * eighth, self.bright, self.decay), 1.0
        elif voice == "chord":
            yield from ((note(base + each, 3.6 * eighth, self.bright, self.decay), 1.0) for each in chord)
        elif voice == "arpeggio":
            yield note(base + chord[(0, 1, 2, 1)[index % 4]], 1.5 * eighth, self.bright, self.decay), 1.0
        else:
            yield _drum(voice, rng), self.drums


def _drum(kind: str, rng: np.random.Generator) -> Sound:
    t = np.arange(round(0.18 * RATE)) / RATE
    hiss = rng.standard_normal(len(t))
    if kind == "kick":
        return np.asarray(np.sin(2 * np.pi * (50 * t + 4 * (1 - np.exp(-t / 0.03)))) * np.exp(-t / 0.06))
    if kind == "snare":
        return np.asarray((0.6 * hiss + np.sin(2 * np.pi * 190 * t)) * np.exp(-t / 0.05))
    return np.asarray(np.diff(hiss, prepend=0.0) * np.exp(-t / 0.02))


def _place(track: Sound, sound: Sound, at: float, level: float) -> None:
    start = max(0, round(at * RATE))
    track[start : start + len(sound)] += level * sound[: max(0, len(track) - start)]


def _noise(rng: np.random.Generator, count: int) -> Sound:
    """Noise between white and pink (3 dB an octave), of power 1."""
    spectrum = np.fft.rfft(rng.standard_normal(count))
    shaped = np.fft.irfft(
        spectrum / np.maximum(np.arange(len(spectrum)), 50 * count / RATE) ** rng.uniform(0, 0.5), count
    )
    return np.asarray(shaped / shaped.std())


def _levelled(track: Sound | Samples) -> Samples:
    return np.asarray(0.7 * track / np.abs(track).max(), dtype=np.float32)
