"""Joins spoken turns into a conversation, and makes the song and the sounds of this folder.

    synthesise.py talk OUT.flac TURN.wav...    turns one after another, a short pause between them
    synthesise.py song OUT.flac                eight bars in G major at 96 beats per minute
    synthesise.py sounds FOLDER                a bell, knocks, a siren, wind and silence

Nothing here is random from one run to the next: the noise comes from generators with fixed seeds.
"""

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

Samples = npt.NDArray[np.float64]

RATE = 16_000
SPEECH_PEAK = 0.7
PAUSES_S = (0.5, 0.7, 0.45, 0.8, 0.6)  # between turns, in this order, over and over

BEATS_PER_MINUTE = 96
BEAT_S = 60 / BEATS_PER_MINUTE
BEATS_PER_BAR = 4

# One bar each; notes are MIDI numbers (60 is middle C), 67 is the G that the song comes home to.
CHORDS = (
    (55, 59, 62),  # G
    (52, 55, 59),  # E minor
    (48, 52, 55),  # C
    (50, 54, 57),  # D
    (55, 59, 62),  # G
    (48, 52, 55),  # C
    (50, 54, 57),  # D
    (55, 59, 62),  # G
)
# (note, beats)
MELODY = (
    *((74, 1), (71, 1), (67, 1), (69, 0.5), (71, 0.5)),
    *((76, 1), (74, 0.5), (71, 0.5), (67, 2)),
    *((72, 1), (72, 0.5), (74, 0.5), (76, 1), (72, 1)),
    *((69, 1), (66, 1), (69, 1), (74, 1)),
    *((74, 1), (71, 1), (67, 1), (69, 0.5), (71, 0.5)),
    *((76, 1), (74, 0.5), (72, 0.5), (67, 2)),
    *((74, 1), (72, 0.5), (69, 0.5), (66, 1), (69, 1)),
    *((71, 1), (69, 1), (67, 2)),
)


def clock(seconds: float) -> Samples:
    """The times, in seconds, of the samples in so many seconds."""
    return np.arange(round(seconds * RATE)) / RATE


def noise(seconds: float, seed: int) -> Samples:
    """White noise, the same for the same seed."""
    return np.random.default_rng(seed).standard_normal(round(seconds * RATE))


def smooth(sound: Samples, width: int) -> Samples:
    """Keeps the slow part of a sound: a moving average of so many samples, with soft edges."""
    window = np.hanning(width + 2)[1:-1]
    return np.asarray(np.convolve(sound, window / window.sum(), mode="same"))


def place(track: Samples, sound: Samples, at_s: float) -> None:
    """Adds a sound to a track from a moment on; what would run past the end is cut."""
    start = round(at_s * RATE)
    end = min(len(track), start + len(sound))
    track[start:end] += sound[: end - start]


def save(path: Path, sound: Samples, peak: float) -> None:
    """Writes a sound as 16-bit FLAC, its loudest sample at `peak` (silence stays silence)."""
    loudest = float(np.abs(sound).max(initial=0.0))
    scaled = sound * (peak / loudest) if loudest > 0 else sound
    path.parent.mkdir(parents=True, exist_ok=True)
    pcm = np.round(scaled * 32767).astype(np.int16)
    soundfile.write(path, pcm, RATE, format="FLAC", subtype="PCM_16", compression_level=1.0)


# --- speech


def turn(path: Path) -> Samples:
    """One spoken turn: without the silence around it, its loudest sample at 1."""
    sound, rate = soundfile.read(path, dtype="float64")
    if rate != RATE or sound.ndim != 1:
        raise SystemExit(f"{path}: expected one channel at {RATE} Hz")
    sound /= np.abs(sound).max()
    loud = np.flatnonzero(np.abs(sound) > 0.01)
    margin = RATE // 20
    return np.asarray(sound[max(0, loud[0] - margin) : loud[-1] + margin])


def talk(turns: list[Path]) -> Samples:
    """Turns one after another, a pause after each but the last, a quarter of a second of silence around."""
    edge = np.zeros(RATE // 4)
    parts = [edge]
    for number, path in enumerate(turns):
        if number > 0:
            parts.append(np.zeros(round(PAUSES_S[(number - 1) % len(PAUSES_S)] * RATE)))
        parts.append(turn(path))
    return np.concatenate([*parts, edge])


# --- song


def note(midi: int, seconds: float, harmonics: tuple[float, ...], attack_s: float, decay_s: float) -> Samples:
    """One note: harmonics of given strengths (the higher, the shorter), a soft start, a decay and a soft end."""
    t = clock(seconds)
    frequency = 440 * 2 ** ((midi - 69) / 12)
    sound = np.zeros(len(t))
    for order, strength in enumerate(harmonics, start=1):
        sound += strength * np.sin(2 * np.pi * frequency * order * t) * np.exp(-t * order**0.5 / decay_s)
    envelope = np.minimum(1, t / attack_s) * np.minimum(1, (seconds - t) / 0.03)
    return np.asarray(sound * envelope)


def chords_and_bass(track: Samples) -> None:
    """Each bar: the chord twice, slightly strummed; below it the root twice and the fifth."""
    for bar, chord in enumerate(CHORDS):
        start = bar * BEATS_PER_BAR * BEAT_S
        for half in (0, 2):
            for finger, midi in enumerate(chord):
                sound = note(midi, 2 * BEAT_S, (1, 0.5, 0.3, 0.15, 0.08), 0.005, 0.7)
                place(track, 0.22 * sound, start + half * BEAT_S + 0.012 * finger)
        for beat, midi in ((0, chord[0] - 12), (1.5, chord[0] - 12), (2, chord[2] - 12)):
            length = 1.4 if beat != 1.5 else 0.45
            place(track, 0.5 * note(midi, length * BEAT_S, (1, 0.5, 0.2), 0.008, 0.5), start + beat * BEAT_S)


def melody(track: Samples) -> None:
    """The tune, with a flute-like tone that hardly decays."""
    beat = 0.0
    for midi, beats in MELODY:
        sound = note(midi, 0.95 * beats * BEAT_S, (1, 0.35, 0.25, 0.08), 0.02, 1.2)
        place(track, 0.4 * sound, beat * BEAT_S)
        beat += beats


def drums(track: Samples) -> None:
    """A light pattern: bass drum on one and three, snare on two and four, a closed hat on each half beat."""
    t = clock(0.25)
    kick = np.sin(2 * np.pi * (50 * t + 2.5 * (1 - np.exp(-t / 0.03)))) * np.exp(-t / 0.08)
    snare = noise(0.25, seed=1) * np.exp(-t / 0.05) * 0.3 + np.sin(2 * np.pi * 190 * t) * np.exp(-t / 0.04) * 0.5
    hiss = noise(0.25, seed=2)
    hat = (hiss - smooth(hiss, 5)) * np.exp(-t / 0.015)
    for beat in range(len(CHORDS) * BEATS_PER_BAR):
        at_s = beat * BEAT_S
        place(track, 0.6 * kick if beat % 2 == 0 else 0.4 * snare, at_s)
        place(track, 0.06 * hat, at_s)
        place(track, 0.03 * hat, at_s + BEAT_S / 2)


def song() -> Samples:
    """Eight bars of four beats: twenty seconds."""
    track = np.zeros(round(len(CHORDS) * BEATS_PER_BAR * BEAT_S * RATE))
    chords_and_bass(track)
    melody(track)
    drums(track)
    return track


# --- sounds


def bell() -> Samples:
    """A church bell: partials that are not multiples of one another, each with a decay of its own."""
    t = clock(3.5)
    partials = ((0.5, 0.5, 1.6), (1, 1, 1.2), (1.19, 0.7, 0.9), (1.5, 0.4, 0.7), (2, 0.6, 0.6), (2.74, 0.3, 0.35))
    sound = np.zeros(len(t))
    for ratio, strength, decay_s in partials:
        sound += strength * np.sin(2 * np.pi * 520 * ratio * t) * np.exp(-t / decay_s)
    return sound * np.minimum(1, (3.5 - t) / 0.2)


def knocks() -> Samples:
    """Three knocks on a wooden door."""
    t = clock(0.3)
    wood = np.sin(2 * np.pi * 170 * t) + 0.6 * np.sin(2 * np.pi * 410 * t) + 0.3 * smooth(noise(0.3, seed=3), 4)
    knock = wood * np.exp(-t / 0.035)
    track = np.zeros(2 * RATE)
    for at_s, strength in ((0.3, 0.9), (0.7, 1.0), (1.1, 0.95)):
        place(track, strength * knock, at_s)
    return track


def siren() -> Samples:
    """An alarm that rises and falls between 500 and 1300 Hz, twice."""
    t = clock(4)
    frequency = 900 - 400 * np.cos(2 * np.pi * t / 2)
    phase = 2 * np.pi * np.cumsum(frequency) / RATE
    sound = sum(np.sin(order * phase) / order**1.5 for order in (1, 2, 3, 4))
    return np.asarray(sound * np.minimum(1, np.minimum(t, 4 - t) / 0.05))


def wind() -> Samples:
    """Wind: soft low noise in gusts, with a little hiss when it blows hard."""
    t = clock(4)
    gust = 0.55 - 0.3 * np.cos(2 * np.pi * t / 2.3) + 0.15 * np.sin(2 * np.pi * t / 0.9)
    low, high = (smooth(noise(4, seed), width) for seed, width in ((4, 80), (5, 12)))
    sound = gust * low / low.std() + 0.25 * gust**2 * high / high.std()
    return np.asarray(sound * np.minimum(1, np.minimum(t, 4 - t) / 0.3))


def sounds(folder: Path) -> None:
    """All the sounds, one file each."""
    for name, sound in (("bell", bell()), ("knocks", knocks()), ("siren", siren()), ("noise", wind())):
        save(folder / f"{name}.flac", sound, 0.6)
    save(folder / "silence.flac", np.zeros(2 * RATE), 0.0)


def main(arguments: list[str]) -> None:
    """Does what the command line says."""
    match arguments:
        case ["talk", out, *spoken] if spoken:
            save(Path(out), talk([Path(each) for each in spoken]), SPEECH_PEAK)
        case ["song", out]:
            save(Path(out), song(), 0.8)
        case ["sounds", folder]:
            sounds(Path(folder))
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
