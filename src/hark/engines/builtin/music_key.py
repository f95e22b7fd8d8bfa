"""The key of music, and its chords, from amounts of pitch classes.

The key is found by correlating how much of each pitch class there is with the profiles of the 24 keys: C. L. Krumhansl
and E. J. Kessler, Psychological Review 89 (1982), 334-368; the method is Krumhansl and Schmuckler's (C. L. Krumhansl,
Cognitive Foundations of Musical Pitch, 1990, chapter 4). Chords are matched with templates of triads (T. Fujishima,
ICMC 1999, 464-467), with the bass for the root.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hark.engines.builtin.music_features import Features, Values

# Measured on synthetic songs, speech, kitchen noise, white noise, bells and sirens (benchmarks/music.py).
_LEAST_KEY_STRENGTH = 0.65
_LEAST_PITCH_CLASSES = 3.0  # effective number; a single tone or bell has fewer and so no key
_LEAST_CHROMA_CONTRAST = 0.25
_BASS = 0.7  # weight of the tonic in the bass; 0.5 to 1 do as well
_PROFILES = {
    "major": (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
    "minor": (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
}
_TONICS = {  # the spelling with the fewer sharps or flats
    "major": ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"),
    "minor": ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B"),
}
KEYS = tuple(f"{tonic} {mode}" for mode, tonics in _TONICS.items() for tonic in tonics)
_SHARP = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_FLAT = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
_FLAT_KEYS = frozenset("F Bb Eb Ab Db".split())  # of major keys; a minor key is spelt as its relative


def find_key(features: Features) -> dict[str, Any]:
    """The likeliest key and the next, or the reason why there is none."""
    amounts = np.sqrt(features.chroma).mean(axis=0)  # the root: one loud note must not outweigh many
    if amounts.max() < 1e-4 or amounts.std() / amounts.mean() < _LEAST_CHROMA_CONTRAST:
        return {"reason": "There is no key: no notes stand out."}
    powers = features.chroma.mean(axis=0)
    if powers.sum() ** 2 / (powers**2).sum() < _LEAST_PITCH_CLASSES:
        return {"reason": "There is no key to tell: there are too few different notes."}
    (strength, key), (other_strength, other) = rank_keys(amounts, np.sqrt(features.bass).mean(axis=0))[:2]
    if strength < _LEAST_KEY_STRENGTH:
        return {"reason": "There is no key to tell: the notes fit none."}
    return {
        "key": key,
        "key_strength": round(strength, 3),
        "other_key": other,
        "other_key_strength": round(other_strength, 3),
        "key_relation": _relation(key, other),
        "tuning_cents": round(100 * features.tuning, 1),
    }


def rank_keys(amounts: Values, bass: Values | None = None) -> list[tuple[float, str]]:
    """All 24 keys with the correlation (-1 to 1) of their profile with the amounts of the 12 pitch classes from C.

    With the amounts in the `bass` a key whose tonic lies there comes first: its relative key has the same notes.
    """
    profiles = [np.roll(profile, tonic) for profile in _PROFILES.values() for tonic in range(12)]
    fits = [float(np.corrcoef(profile, amounts)[0, 1]) for profile in profiles]
    low = np.zeros(12) if bass is None else bass / (bass.sum() + 1e-9)
    ranked = sorted(zip(fits, KEYS, range(24), strict=True), key=lambda each: -each[0] - _BASS * low[each[2] % 12])
    return [(fit, key) for fit, key, _ in ranked]


def split_key(key: str) -> tuple[int, str]:
    """The tonic of a key in semitones above C, and its mode."""
    tonic, mode = key.split()
    return _TONICS[mode].index(tonic), mode


def note_names(key: str | None) -> tuple[str, ...]:
    """How the 12 pitch classes from C are spelt in a key: all with flats, or all with sharps."""
    if key is None:
        return _SHARP
    tonic, mode = split_key(key)
    major = _TONICS["major"][(tonic + 3) % 12 if mode == "minor" else tonic]
    return _FLAT if major in _FLAT_KEYS else _SHARP


def find_chords(features: Features, frames: Sequence[int], key: str | None) -> list[str | None]:
    """A triad (`G`, `Em`) for each stretch between frames of the chroma; None where no notes stand out."""
    names, found = note_names(key), list[str | None]()
    for start, end in itertools.pairwise(frames):
        notes = np.sqrt(features.chroma[start : max(end, start + 1)]).mean(axis=0)
        bass = np.sqrt(features.bass[start : max(end, start + 1)]).mean(axis=0)
        if notes.sum() < 1e-3 or notes.std() / notes.mean() < _LEAST_CHROMA_CONTRAST:
            found.append(None)
            continue
        fits = [
            (
                sum(notes[(root + step) % 12] for step in steps) / notes.sum() + 0.3 * bass[root] / (bass.sum() + 1e-9),
                root,
                kind,
            )
            for steps, kind in (((0, 4, 7), ""), ((0, 3, 7), "m"))
            for root in range(12)
        ]
        _, root, kind = max(fits)
        found.append(names[root] + kind)
    return found


def _relation(key: str, other: str) -> str:
    (first, first_mode), (second, second_mode) = (split_key(name) for name in (key, other))
    if first_mode == second_mode:
        return "fifth" if (second - first) % 12 in (5, 7) else "other"
    if first == second:
        return "parallel"
    relative = 9 if first_mode == "major" else 3
    return "relative" if (second - first) % 12 == relative else "other"
