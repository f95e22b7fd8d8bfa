"""Key and tempo of music by signal analysis, with the extra `music` (librosa).

The key is found by correlating how much of each pitch class there is with the profiles of the 24 keys: C. L. Krumhansl
and E. J. Kessler, Psychological Review 89 (1982), 334-368; the method is Krumhansl and Schmuckler's (C. L. Krumhansl,
Cognitive Foundations of Musical Pitch, 1990, chapter 4). Beats are tracked as D. P. W. Ellis does, Journal of New Music
Research 36 (2007), 51-60, in librosa.
"""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import soxr

from hark.errors import MissingExtraError

if TYPE_CHECKING:
    from hark.audio.audio import Audio

Samples = npt.NDArray[np.float32]
Values = npt.NDArray[np.float64]

RATE = 22_050
LIMIT_SECONDS = 180.0
_HOP = 256
_SHORTEST_SECONDS = 2.0
_SILENCE_DBFS = -60.0
_FEWEST_BEATS = 6
# Measured on synthetic songs, speech, kitchen noise, white noise, bells and sirens (benchmarks/music.py): songs lie
# above 0.8 and 0.5, all else below 0.65 and 0.2.
_LEAST_KEY_STRENGTH = 0.65
_LEAST_PULSE = 0.25
_LEAST_PITCH_CLASSES = 3.0  # effective number; a single tone or bell has fewer and so no key
_LEAST_CHROMA_CONTRAST = 0.3
_CLOSE = 0.1  # two keys this near in strength are both named
_PROFILES = {
    "major": (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
    "minor": (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
}
_TONICS = {  # the spelling with the fewer sharps or flats
    "major": ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"),
    "minor": ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B"),
}
KEYS = tuple(f"{tonic} {mode}" for mode, tonics in _TONICS.items() for tonic in tonics)


@dataclass(frozen=True, slots=True, kw_only=True)
class Music:
    """What signal analysis knows of a piece of music.

    Attributes:
        seconds: how much was analysed.
        key, other_key: the likeliest key (`G major`) and the next; None where there is none to tell.
        key_strength, other_key_strength: correlation with the key's profile, at most 1.
        key_relation: what the other key is to the first: `relative`, `parallel`, `fifth` or `other`.
        tempo: beats per minute; `other_tempi` are half and double of it, which listeners may also tap.
        tempo_strength: how alike the music is from one beat to the next, at most 1.
        beats: times of the beats in seconds.
        tuning_cents: how far the pitch lies above (below: negative) A = 440 Hz.
        loudness_dbfs: mean level; dynamics_db: how far loud passages lie above quiet ones.
        reasons: why there is no key or no tempo; notices: what else to know.
    """

    seconds: float
    key: str | None = None
    key_strength: float = 0.0
    other_key: str | None = None
    other_key_strength: float = 0.0
    key_relation: str | None = None
    tempo: float | None = None
    other_tempi: tuple[float, ...] = ()
    tempo_strength: float = 0.0
    beats: tuple[float, ...] = ()
    tuning_cents: float | None = None
    loudness_dbfs: float = -120.0
    dynamics_db: float = 0.0
    reasons: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()

    def sentence(self) -> str:
        """Key and tempo in words, with what else they could be, and why where there is none."""
        parts = [_key_words(self)] if self.key else []
        if self.tempo:
            others = " or ".join(f"{tempo:.0f}" for tempo in self.other_tempi)
            parts.append(f"The tempo is about {self.tempo:.0f} beats per minute (counted otherwise: {others}).")
        return " ".join([*parts, *self.reasons])

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; what is not known is left out."""
        return {name: value for name, value in asdict(self).items() if value not in (None, ())}


def hear(audio: Audio) -> Music:
    """Key and tempo of the first three minutes of a recording.

    Raises:
        MissingExtraError: librosa is not installed.
        AudioError: the recording cannot be decoded.
    """
    _librosa()
    blocks, wanted = [], round((LIMIT_SECONDS + 1) * RATE)
    for block in audio.stream(rate=RATE):
        blocks.append(block)
        wanted -= len(block)
        if wanted <= 0:
            break
    return key_and_tempo(np.concatenate(blocks) if blocks else np.zeros(0, np.float32), RATE)


def key_and_tempo(samples: Samples, rate: int) -> Music:
    """Key and tempo of mono samples at a rate in hertz; only the first three minutes are analysed.

    Raises:
        MissingExtraError: librosa is not installed.
    """
    librosa = _librosa()
    cut = samples[: round(LIMIT_SECONDS * rate)]
    notices = (f"Only the first {LIMIT_SECONDS:.0f} s were analysed.",) if len(cut) < len(samples) else ()
    seconds = len(cut) / rate
    sound = np.nan_to_num(cut, posinf=0.0, neginf=0.0).astype(np.float32)
    levels = _levels(sound, rate)
    loudness = _decibels(float(np.mean(levels**2)))
    known: dict[str, Any] = {"seconds": round(seconds, 3), "loudness_dbfs": round(loudness, 1), "notices": notices}
    if seconds < _SHORTEST_SECONDS:
        return Music(**known, reasons=("It is too short to tell a key or a tempo.",))
    if loudness < _SILENCE_DBFS:
        return Music(**known, reasons=("It is silent: there is no key and no tempo.",))
    known["dynamics_db"] = round(_dynamics(levels), 1)
    sound = soxr.resample(sound / np.abs(sound).max(), rate, RATE).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # librosa warns of frames without pitch; that is told in the reasons
        key, tempo = _key(librosa, sound), _tempo(librosa, sound)
    reasons = tuple(found.pop("reason") for found in (key, tempo) if "reason" in found)
    return Music(**known, **key, **tempo, reasons=reasons)


def _librosa() -> Any:
    try:
        import librosa
    except ImportError as error:
        raise MissingExtraError.of("Key and tempo of music", "music") from error
    return librosa


# --- key


def _key(librosa: Any, sound: Samples) -> dict[str, Any]:
    harmonic = librosa.effects.harmonic(sound)
    tuning = float(librosa.estimate_tuning(y=harmonic, sr=RATE))
    chroma = librosa.feature.chroma_cqt(
        y=harmonic, sr=RATE, tuning=tuning, hop_length=1024, bins_per_octave=36, norm=None
    )
    amounts: Values = np.asarray(chroma, dtype=np.float64).mean(axis=1)
    if amounts.max() < 1e-6 or amounts.std() / amounts.mean() < _LEAST_CHROMA_CONTRAST:
        return {"reason": "There is no key: no notes stand out."}
    if amounts.sum() ** 2 / (amounts**2).sum() < _LEAST_PITCH_CLASSES:
        return {"reason": "There is no key to tell: there are too few different notes."}
    (strength, key), (other_strength, other) = rank_keys(amounts)[:2]
    if strength < _LEAST_KEY_STRENGTH:
        return {"reason": "There is no key to tell: the notes fit none."}
    return {
        "key": key,
        "key_strength": round(strength, 3),
        "other_key": other,
        "other_key_strength": round(other_strength, 3),
        "key_relation": _relation(key, other),
        "tuning_cents": round(100 * tuning, 1),
    }


def rank_keys(amounts: Values) -> list[tuple[float, str]]:
    """All 24 keys with the correlation (-1 to 1) of their profile with the amounts of the 12 pitch classes from C."""
    profiles = [np.roll(profile, tonic) for profile in _PROFILES.values() for tonic in range(12)]
    fits = (float(np.corrcoef(profile, amounts)[0, 1]) for profile in profiles)
    return sorted(zip(fits, KEYS, strict=True), reverse=True)


def _relation(key: str, other: str) -> str:
    (first, first_mode), (second, second_mode) = (_split(name) for name in (key, other))
    if first_mode == second_mode:
        return "fifth" if (second - first) % 12 in (5, 7) else "other"
    if first == second:
        return "parallel"
    relative = 9 if first_mode == "major" else 3
    return "relative" if (second - first) % 12 == relative else "other"


def _split(key: str) -> tuple[int, str]:
    """The tonic of a key in semitones above C, and its mode."""
    tonic, mode = key.split()
    return _TONICS[mode].index(tonic), mode


def _key_words(music: Music) -> str:
    if music.key_strength - music.other_key_strength >= _CLOSE:
        return f"The key is {music.key}."
    why = {
        "relative": ", its relative key, which has the same notes",
        "parallel": ", its parallel key, which has the same tonic",
        "fifth": ", a fifth away, which differs in one note",
    }.get(music.key_relation or "", "")
    return f"The key is probably {music.key}; it could also be {music.other_key}{why}."


# --- tempo


def _tempo(librosa: Any, sound: Samples) -> dict[str, Any]:
    onsets: Values = librosa.onset.onset_strength(y=sound, sr=RATE, hop_length=_HOP)
    if onsets.max() < 1e-6:
        return {"reason": "There is no tempo: nothing begins or changes in a beat."}
    grid = {"onset_envelope": onsets, "sr": RATE, "hop_length": _HOP}
    # A prior narrower than librosa's (one octave): with that, songs without drums came out at half their tempo.
    rough = float(np.ravel(librosa.feature.tempo(**grid, start_bpm=110, std_bpm=0.7))[0])
    beats: Values = np.asarray(librosa.beat.beat_track(**grid, bpm=rough)[1]) * _HOP / RATE
    if len(beats) < _FEWEST_BEATS or rough <= 0:
        return {"reason": "There is no tempo to tell: there are too few beats."}
    pulse = _pulse(onsets, 60 / rough * RATE / _HOP)
    if pulse < _LEAST_PULSE:
        return {"reason": "There is no tempo to tell: no pulse repeats."}
    fitted = 60 / float(np.polyfit(np.arange(len(beats)), beats, 1)[0])
    # Where the tracker slipped a beat the line through its beats is wrong; its own tempo is then the better one.
    exact = fitted if abs(fitted / rough - 1) < 0.05 else rough
    return {
        "tempo": round(exact, 1),
        "other_tempi": tuple(round(exact * factor, 1) for factor in (0.5, 2)),
        "tempo_strength": round(pulse, 3),
        "beats": tuple(round(float(beat), 3) for beat in beats),
    }


def _pulse(onsets: Values, lag: float) -> float:
    """How well the onsets match themselves a beat later: the median over pieces of at least eight beats, 0 to 1."""
    length = max(round(8 * lag), round(10 * RATE / _HOP))
    pieces = [onsets[start : start + length] for start in range(0, max(1, len(onsets) - length // 2), length)]
    matches = []
    for piece in pieces:
        centred = piece - piece.mean()
        shifts = [shift for shift in range(round(lag) - 2, round(lag) + 3) if 0 < shift < len(piece)]
        energy = float(centred @ centred) or 1.0
        matches.append(max((float(centred[shift:] @ centred[:-shift]) / energy for shift in shifts), default=0.0))
    return max(0.0, float(np.median(matches)))


# --- loudness


def _levels(sound: Samples, rate: int) -> Values:
    """Root mean square of each 0.4 s, the block length of ITU-R BS.1770."""
    length = max(1, round(0.4 * rate))
    pieces = [sound[start : start + length].astype(np.float64) for start in range(0, len(sound), length)]
    return np.array([np.sqrt(np.mean(piece**2)) for piece in pieces] or [0.0])


def _dynamics(levels: Values) -> float:
    heard = levels[levels > 10 ** (_SILENCE_DBFS / 20)]
    if len(heard) < 2:
        return 0.0
    quiet, loud = np.percentile(heard, (10, 95))
    return float(20 * np.log10(loud / quiet))


def _decibels(power: float) -> float:
    return max(-120.0, 10 * float(np.log10(power + 1e-12)))
