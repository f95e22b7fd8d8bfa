"""What signal analysis knows of music, with the extra `music` (librosa): key, tempo, meter, bars, sections, chords."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import soxr

from hark.engines.builtin import music_features
from hark.engines.builtin.music_beats import find_beats
from hark.engines.builtin.music_features import RATE, SLOW_HOP, Features, Samples, Values
from hark.engines.builtin.music_key import KEYS, find_chords, find_key, note_names, rank_keys
from hark.engines.builtin.music_loudness import integrated_loudness
from hark.engines.builtin.music_sections import find_sections
from hark.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hark.audio.audio import Audio

__all__ = ["KEYS", "Analysis", "Section", "analyse", "hear", "listen", "note_names", "rank_keys"]

LIMIT_SECONDS = 600.0
_SHORTEST_SECONDS = 2.0
_SILENCE_DBFS = -60.0
_CLOSE = 0.1  # two keys this near in strength are both named


@dataclass(frozen=True, slots=True)
class Section:
    """A section from start to end in seconds; sections that sound alike have one label. Chords: one a bar."""

    label: str
    start: float
    end: float
    loudness_dbfs: float
    chords: tuple[str | None, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What signal analysis knows of a piece of music.

    Attributes:
        seconds: how much was analysed.
        key, other_key: the likeliest key (`G major`) and the next; None where there is none to tell.
        key_strength, other_key_strength: correlation with the key's profile, at most 1.
        key_relation: what the other key is to the first: `relative`, `parallel`, `fifth` or `other`.
        tempo: beats per minute; `other_tempi` are half and double of it, which listeners may also tap.
        tempo_strength: how alike the music is from one beat to the next, at most 1.
        meter: `4/4`, `3/4` or `6/8` (which has two beats a bar), the likeliest of the three.
        beats, bars: their times in seconds.
        sections: of whole bars.
        tuning_cents: how far the pitch lies above (below: negative) A = 440 Hz.
        loudness_lufs: integrated loudness (ITU-R BS.1770-5) of the whole recording.
        loudness_dbfs: mean level of the mono mix; dynamics_db: how far loud passages lie above quiet ones.
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
    meter: str | None = None
    beats: tuple[float, ...] = ()
    bars: tuple[float, ...] = ()
    sections: tuple[Section, ...] = ()
    tuning_cents: float | None = None
    loudness_lufs: float | None = None
    loudness_dbfs: float = -120.0
    dynamics_db: float = 0.0
    reasons: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()

    def sentence(self) -> str:
        """Key, tempo and meter in words, with what else they could be, and why where there is none."""
        parts = [_key_words(self)] if self.key else []
        if self.tempo:
            others = " or ".join(f"{tempo:.0f}" for tempo in self.other_tempi)
            parts.append(f"The tempo is about {self.tempo:.0f} beats per minute (counted otherwise: {others}).")
        if self.meter:
            parts.append(f"The meter seems to be {self.meter}.")
        return " ".join([*parts, *self.reasons])

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; what is not known is left out."""
        return {name: value for name, value in asdict(self).items() if value not in (None, ())}


def hear(audio: Audio) -> Analysis:
    """What is known of a recording of music, the first ten minutes of it.

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
    sound = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
    return analyse(sound, RATE, loudness_lufs=integrated_loudness(audio))


def analyse(samples: Samples, rate: int, *, loudness_lufs: float | None = None) -> Analysis:
    """What is known of mono samples at a rate in hertz; only the first ten minutes are analysed.

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
    known["loudness_lufs"] = loudness_lufs
    if seconds < _SHORTEST_SECONDS:
        return Analysis(**known, reasons=("It is too short to tell a key or a tempo.",))
    if loudness < _SILENCE_DBFS:
        return Analysis(**known, reasons=("It is silent: there is no key and no tempo.",))
    known["dynamics_db"] = round(_dynamics(levels), 1)
    features = listen(librosa, sound, rate)
    key, beats = find_key(features), find_beats(librosa, features)
    reasons = tuple(found.pop("reason") for found in (key, beats) if "reason" in found)
    sections = _sections(features, beats.get("bars", ()), key.get("key"), levels, seconds)
    return Analysis(**known, **key, **beats, sections=sections, reasons=reasons)


def listen(librosa: Any, sound: Samples, rate: int) -> Features:
    """The features of mono samples that are not silent, whatever their level."""
    even = soxr.resample(sound / np.abs(sound).max(), rate, RATE).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # librosa warns of frames without pitch; that is told in the reasons
        return music_features.measure(librosa, even)


def _librosa() -> Any:
    try:
        import librosa
    except ImportError as error:
        raise MissingExtraError.of("The analysis of music", "music") from error
    return librosa


def _sections(
    features: Features, bars: Sequence[float], key: str | None, levels: Values, seconds: float
) -> tuple[Section, ...]:
    """Sections with their level and chords; the first begins with the recording and the last ends with it."""
    stretches = find_sections(features, bars, seconds)
    if not stretches:
        return ()
    frames = [min(round(time * RATE / SLOW_HOP), len(features.chroma) - 1) for time in (*bars, seconds)]
    chords = find_chords(features, frames, key)
    edges = [0.0, *(bars[stretch.first_bar] for stretch in stretches[1:]), round(seconds, 3)]
    found = list[Section]()
    for stretch, start, end in zip(stretches, edges, edges[1:], strict=False):
        part = levels[int(start / 0.4) : max(int(end / 0.4), int(start / 0.4) + 1)]
        level = round(_decibels(float(np.mean(part**2))), 1)
        found.append(Section(stretch.label, start, end, level, tuple(chords[stretch.first_bar : stretch.last_bar])))
    return tuple(found)


def _key_words(music: Analysis) -> str:
    if music.key_strength - music.other_key_strength >= _CLOSE:
        return f"The key is {music.key}."
    why = {
        "relative": ", its relative key, which has the same notes",
        "parallel": ", its parallel key, which has the same tonic",
        "fifth": ", a fifth away, which differs in one note",
    }.get(music.key_relation or "", "")
    return f"The key is probably {music.key}; it could also be {music.other_key}{why}."


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
