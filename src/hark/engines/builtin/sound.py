"""A description of a sound by signal analysis: what can be measured, in plain words; numpy only.

Levels of the whole recording are measured as it streams by; its character from the first two minutes of sound.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hark.engines.builtin import spectrum
from hark.engines.builtin.character import Character
from hark.engines.builtin.levels import SILENT, Levels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from hark.audio.audio import Audio
    from hark.engines.builtin.character import Kind
    from hark.engines.builtin.spectrum import Values

Samples = npt.NDArray[np.float32]
CAVEAT = "This is measured from the signal; to name what made a sound takes an audio-language model."


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundDescription:
    """What was measured of a sound; times in seconds, levels in dBFS, frequencies in hertz.

    Attributes:
        kind: what it sounds like, as far as measurement goes; `mixture` where nothing stands out.
        peak_dbfs, level_dbfs: the highest sample, and the mean power.
        clipped: share of samples at full scale; silence, speech: share of the time.
        onsets: how many sudden beginnings there are; onset_times: the first of them; regular: evenly spaced.
        pitch: median pitch; note: its name; pitch_low, pitch_high: its range.
        pitch_period: seconds of one rise and fall.
        voiced, tonality: share of the sounding time with a pitch; share of power in steady partials.
        brightness: spectral centroid; decay: how fast it dies away in dB per second.
        hum: mains frequency where it hums; telephone_band: nothing above 4 kHz.
        detail_seconds: how much the character was measured from.
    """

    kind: Kind
    duration: float
    peak_dbfs: float
    level_dbfs: float
    clipped: float = 0.0
    silence: float = 0.0
    speech: float = 0.0
    onsets: int = 0
    onset_times: tuple[float, ...] = ()
    regular: bool = False
    pitch: float | None = None
    note: str | None = None
    pitch_low: float | None = None
    pitch_high: float | None = None
    pitch_period: float | None = None
    voiced: float = 0.0
    tonality: float = 0.0
    brightness: float | None = None
    decay: float | None = None
    hum: int | None = None
    telephone_band: bool = False
    detail_seconds: float = 0.0

    def sentence(self) -> str:
        """One or two plain sentences."""
        if self.kind == "silence":
            almost = "almost " if self.peak_dbfs > -90 else ""
            return f"It is {almost}silent: {self.duration:.1f} s, nothing above {self.peak_dbfs:.0f} dBFS."
        extra = []
        if self.speech >= 0.1 and self.kind not in ("speech", "mixture"):  # a detector takes the odd ring for a voice
            extra.append(f"with what seems speech for {100 * self.speech:.0f} % of the time")
        if self.clipped > 1e-4:
            extra.append("clipped")
        if self.silence > 0.05 and self.kind not in ("bursts", "beeps"):
            extra.append(f"{100 * self.silence:.0f} % silence")
        if self.hum:
            extra.append(f"with mains hum at {self.hum} Hz")
        if self.telephone_band:
            extra.append("nothing above 4 kHz, as from a telephone")
        tail = "".join(f", {each}" for each in extra)
        return f"{_WORDS[self.kind](self)} It lasts {self.duration:.1f} s and is {loudness(self.level_dbfs)}{tail}."

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, what is not known left out, with what such an analysis cannot tell."""
        values = {name: value for name, value in asdict(self).items() if value is not None}
        return values | {"description": self.sentence(), "caveat": CAVEAT}


def hear(audio: Audio, speech: Sequence[tuple[float, float]]) -> SoundDescription:
    """Describe a recording, given the stretches of it in which someone speaks, which are not found out here.

    Raises:
        AudioError: the recording cannot be decoded.
    """
    return describe(audio.stream(), speech=speech)


def describe(
    sound: Samples | Iterable[Samples], rate: int = 16_000, speech: Sequence[tuple[float, float]] = ()
) -> SoundDescription:
    """Describe mono samples, whole or in blocks of any size; memory does not grow with their length.

    `speech` are the stretches, as (start, end) in seconds, in which someone speaks; what is measured beside duration
    and level leaves them out, unless they fill most of the time that is not silent.
    """
    levels = Levels(rate)
    for chunk in _chunks(sound, rate):
        levels.add(chunk)
    duration = levels.samples / rate
    spoken = sum(max(0.0, min(end, duration) - max(0.0, start)) for start, end in speech)
    share = min(1.0, spoken / duration) if duration else 0.0
    known = levels.known() | {"duration": round(duration, 3), "speech": round(share, 3)}
    if levels.loudest < SILENT:
        return SoundDescription(kind="silence", **known)
    mostly = share > 0.5 * (1 - known["silence"])
    onsets = [time for time in levels.onset_times() if mostly or not _inside(time, speech)]
    known |= {"onset_times": tuple(onsets[:64]), "regular": _regular(onsets)}
    known["onsets"] = levels.onset_count() if not speech else len(onsets)
    detail = levels.detail()
    known["detail_seconds"] = round(len(detail) / rate, 3)
    measured = Character(detail, rate, levels.detail_start, () if mostly else speech)
    if mostly:
        return SoundDescription(kind="speech", **known, **measured.known())
    kind, more = measured.kind(onsets)
    return SoundDescription(kind=kind, **known, **(measured.known() | more))


def loudness(level: float) -> str:
    """A level in dBFS in words."""
    words = ((-55, "very quiet"), (-38, "quiet"), (-24, "of medium level"), (-12, "loud"))
    return next((word for limit, word in words if level < limit), "very loud")


def _chunks(sound: Samples | Iterable[Samples], rate: int) -> Iterator[Values]:
    """Pieces of exactly a second (the last may be shorter), so that results do not depend on the blocks given."""
    size = 100 * max(1, round(rate * spectrum.HOP_SECONDS))
    waiting: list[Values] = []
    count = 0
    for block in [sound] if isinstance(sound, np.ndarray) else sound:
        clean = np.nan_to_num(np.asarray(block, dtype=np.float64), posinf=0.0, neginf=0.0)
        waiting.append(clean)
        count += len(clean)
        if count >= size:
            joined = np.concatenate(waiting)
            for start in range(0, count - size + 1, size):
                yield joined[start : start + size]
            waiting = [joined[count - count % size :]]
            count %= size
    if count:
        yield np.concatenate(waiting)


def _inside(time: float, stretches: Sequence[tuple[float, float]]) -> bool:
    return any(start <= time <= end for start, end in stretches)


def _regular(times: Sequence[float]) -> bool:
    gaps = np.diff(times)
    return len(gaps) >= 2 and bool(gaps.std() < 0.15 * gaps.mean())


def _pitch_words(sound: SoundDescription) -> str:
    return f"{sound.pitch:.0f} Hz ({sound.note})" if sound.pitch else "no clear pitch"


def _range_words(sound: SoundDescription) -> str:
    return f"between about {sound.pitch_low:.0f} and {sound.pitch_high:.0f} Hz"


def _times_words(sound: SoundDescription) -> str:
    shown = ", ".join(f"{time:.2f}" for time in sound.onset_times[:6])
    more = " ..." if sound.onsets > 6 else ""
    return f"at {shown}{more} s" + (", evenly spaced" if sound.regular else "")


def _noise_words(sound: SoundDescription) -> str:
    centre = sound.brightness or 0.0
    if centre < 500:
        like = "wind, rumble or traffic"
    elif centre < 3000:
        like = "a fan, water or a machine"
    else:
        like = "a hiss, rain or a spray"
    return f"It sounds like noise without pitch or beat, such as {like} (centred at {centre:.0f} Hz)."


def _mixture_words(sound: SoundDescription) -> str:
    if sound.detail_seconds < 0.05:
        return "It is too short to tell what it sounds like."
    spoken = f"; someone speaks for {100 * sound.speech:.0f} % of the time" if sound.speech else ""
    return f"It is a mixture in which no single kind of sound stands out{spoken}."


_WORDS: dict[Kind, Callable[[SoundDescription], str]] = {
    "speech": lambda s: f"Someone speaks for {100 * s.speech:.0f} % of the time.",
    "music": lambda _: "It sounds like music: steady notes of several pitches follow one another.",
    "noise": _noise_words,
    "bursts": lambda s: (
        f"It sounds like {s.onsets} knock{'s' * (s.onsets != 1)} or click{'s' * (s.onsets != 1)}: short bursts "
        f"{_times_words(s)}."
    ),
    "beeps": lambda s: f"It sounds like {s.onsets} beep{'s' * (s.onsets != 1)} of {_pitch_words(s)} {_times_words(s)}.",
    "bell": lambda s: (
        f"It rings like a bell: several partials that are no multiples of one another die away at {s.decay:.0f} dB a "
        "second."
    ),
    "ringing tone": lambda s: (
        f"A tone is struck or plucked and dies away at {s.decay:.0f} dB a second: {_pitch_words(s)}."
    ),
    "steady tone": lambda s: f"It is a steady tone of {_pitch_words(s)}, like a beep or a whistle.",
    "rising tone": lambda s: f"It is a tone that rises {_range_words(s)}.",
    "falling tone": lambda s: f"It is a tone that falls {_range_words(s)}.",
    "hum": lambda _: "It hums.",
    "siren": lambda s: f"It rises and falls like a siren, {_range_words(s)}, every {s.pitch_period:.1f} s.",
    "mixture": _mixture_words,
}
