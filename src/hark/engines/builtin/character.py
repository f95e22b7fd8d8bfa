"""What kind of sound it is: a closer look at up to two minutes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from hark.engines.builtin import spectrum
from hark.engines.builtin.levels import SILENT, hop_levels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hark.engines.builtin.spectrum import Values

Kind = Literal[
    "silence", "speech", "music", "noise", "bursts", "beeps", "bell", "ringing tone", "steady tone", "hum",
    "rising tone", "falling tone", "siren", "mixture",
]  # fmt: skip

_NOTES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")


def note_name(hertz: float) -> str:
    """The nearest note in equal temperament (A4 = 440 Hz), as `A4`."""
    midi = round(69 + 12 * np.log2(hertz / 440))
    return f"{_NOTES[midi % 12]}{midi // 12 - 1}"


class Character:
    """A closer look at up to two minutes of sound, without the stretches in which someone speaks."""

    def __init__(self, samples: Values, rate: int, start: float, speech: Sequence[tuple[float, float]]) -> None:
        self.rate, self.start, self.samples = rate, start, samples
        frames = spectrum.frames(samples, rate)
        times = start + np.arange(len(frames.level)) * spectrum.HOP_SECONDS
        spoken = np.zeros(len(times), dtype=bool)
        for begin, end in speech:
            spoken |= (times >= begin) & (times <= end)
        heard = ~spoken if not spoken.all() else np.ones_like(spoken)
        loudest = float(frames.level[heard].max())
        active = heard & (frames.level >= min(loudest, max(-70.0, loudest - 35)))
        self.duty = float(active.sum() / heard.sum())
        self.level, self.tonality = frames.level[active], frames.tonality[active]
        self.centroid, self.pitches = frames.centroid[active], frames.pitch[active]
        self.pitch = self.pitches[~np.isnan(self.pitches)]
        self.voiced = len(self.pitch) / max(1, len(self.pitches))
        self.hertz, self.power = spectrum.spectrum(samples, rate)
        self.hum = spectrum.mains_hum(self.hertz, self.power)
        self.levels = hop_levels(samples, max(1, round(rate * spectrum.HOP_SECONDS)))

    def known(self) -> dict[str, Any]:
        """What a description takes from here."""
        values: dict[str, Any] = {
            "voiced": round(self.voiced, 3),
            "tonality": round(float(np.median(self.tonality)), 3),
            "brightness": round(float(np.median(self.centroid)), 1),
            "hum": self.hum,
            "telephone_band": spectrum.telephone_band(self.hertz, self.power),
        }
        if self.voiced > 0.3:
            low, middle, high = (round(float(each), 1) for each in np.percentile(self.pitch, (5, 50, 95)))
            values |= {"pitch": middle, "note": note_name(middle), "pitch_low": low, "pitch_high": high}
        return values

    def kind(self, onsets: Sequence[float]) -> tuple[Kind, dict[str, Any]]:
        """What it sounds like, and what only this kind of sound has; the order of the questions matters."""
        tonal = float(np.median(self.tonality))
        burst = self._bursts(onsets)
        if burst:
            return burst, {}
        decay = self._decay()
        if decay and tonal > 0.7:
            return ("bell" if self._inharmonic() else "ringing tone"), {"decay": decay}
        if self.voiced > 0.8:
            gliding = self._glide()
            if gliding:
                return gliding
        if self.hum and tonal > 0.5 and float(np.median(self.centroid)) < 500:
            return "hum", {}
        if self._melodic(tonal):
            return "music", {}
        spread = float(np.subtract(*np.percentile(self.level, (95, 5))))
        if tonal < 0.3 and self.voiced < 0.06 and spread < 22:
            return "noise", {}
        return "mixture", {}

    def _bursts(self, onsets: Sequence[float]) -> Kind | None:
        """Sounds that fall by 20 dB within 0.2 s, with pauses: beeps hold their level and have a pitch."""
        falls = [self._fall(time) for time in onsets if 0 <= time - self.start < len(self.samples) / self.rate]
        if not falls or self.duty > 0.6:
            return None
        short, long = np.median(falls, axis=0)
        if long <= 0.2 and not (short > 0.6 * long and self.voiced > 0.5):
            return "bursts"
        return "beeps" if short > 0.6 * long and self.voiced > 0.5 and long < 2 else None

    def _fall(self, time: float) -> tuple[float, float]:
        """Seconds from an onset until the level is 6 and 20 dB below the burst's peak."""
        levels = self.levels[round((time - self.start) / spectrum.HOP_SECONDS) :]
        peak = levels[:8].max()
        after = levels[int(levels[:8].argmax()) :]
        falls = [int((after < peak - drop).argmax()) if (after < peak - drop).any() else len(after) for drop in (6, 20)]
        return falls[0] * spectrum.HOP_SECONDS, falls[1] * spectrum.HOP_SECONDS

    def _decay(self) -> float | None:
        """How fast it dies away after its loudest moment, in dB per second, where it does so evenly."""
        levels = self.levels[int(self.levels.argmax()) :]
        below = levels < max(SILENT - 25, levels.max() - 40)
        levels = levels[: int(below.argmax())] if below.any() else levels
        if len(levels) < 20:
            return None
        times = np.arange(len(levels)) * spectrum.HOP_SECONDS
        slope, base = np.polyfit(times, levels, 1)
        even = np.std(levels - base - slope * times) < 0.35 * np.std(levels)
        fallen = -slope * times[-1] > 8
        return round(float(-slope), 1) if even and fallen and 2 < -slope < 150 else None

    def _inharmonic(self) -> bool:
        """Whether there are three strong partials or more that are no multiples of one fundamental (within 2 %)."""
        hertz, power = self.hertz, self.power
        inner = power[1:-1]
        top = (inner > power[:-2]) & (inner >= power[2:]) & (inner > power.max() * 10**-2.5)
        partials = hertz[1:-1][top]
        partials = partials[np.diff(partials, prepend=0.0) > 15]
        if len(partials) < 3:
            return False
        candidates = [partials[0] / divisor for divisor in (1, 2, 3)]
        ratios = [partials / fundamental for fundamental in candidates]
        return all(bool((np.abs(ratio - np.round(ratio)) > 0.02 * ratio).any()) for ratio in ratios)

    def _glide(self) -> tuple[Kind, dict[str, Any]] | None:
        octaves = np.log2(self.pitch)
        low, high = np.percentile(octaves, (5, 95))
        if high - low < 1 / 12:
            return "steady tone", {}
        smooth = np.convolve(np.pad(octaves, 4, mode="edge"), np.ones(9) / 9, mode="valid")
        if np.percentile(np.abs(np.diff(octaves)), 95) > 0.1:
            return None
        if abs(smooth[-1] - smooth[0]) > 0.85 * (smooth.max() - smooth.min()):
            return ("rising tone" if smooth[-1] > smooth[0] else "falling tone"), {}
        third = (high - low) / 3
        zones = [1 if each > high - third else -1 for each in smooth if each > high - third or each < low + third]
        turns = int(np.count_nonzero(np.diff(zones)))
        if turns < 2:
            return None
        changes = np.flatnonzero(np.diff(np.sign(smooth - (high + low) / 2)))
        whole = changes[2:] - changes[:-2] if len(changes) > 2 else 2 * np.diff(changes)
        period = float(np.median(whole)) * spectrum.HOP_SECONDS
        return "siren", {"pitch_period": round(period, 2)}

    def _melodic(self, tonal: float) -> bool:
        """Whether several notes follow one another, each a steady tone."""
        if len(self.pitch) < 50 or tonal < 0.3:
            return False
        notes = np.round(12 * np.log2(self.pitch / 440))
        runs = np.split(notes, np.flatnonzero(np.diff(notes)) + 1)
        held = [run[0] % 12 for run in runs if len(run) >= 12]  # voices glide, and rarely stay on a note for 0.12 s
        total = sum(len(run) for run in runs if len(run) >= 12)
        return len(set(held)) >= 4 and total > 0.6 * len(notes)
