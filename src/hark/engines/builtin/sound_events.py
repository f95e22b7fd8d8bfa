"""What is heard when, by signal analysis: stretches that sound alike, each described by what can be measured of it.

A stretch begins where the level rises out of the background and ends where it falls back, or where the spectrum changes
for good; what pauses for less than a second and goes on alike is one stretch.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from hark.answers.transcript import Segment
from hark.engines.builtin.levels import hop_levels
from hark.engines.builtin.sound import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hark.audio.audio import Audio
    from hark.engines.builtin.sound import SoundDescription
    from hark.engines.builtin.spectrum import Values

_RATE = 16_000
_HOP = 160
_SLICE_SECONDS = 300.0  # heard at once, which bounds memory
_ABOVE = 8.0  # dB over the background
_QUIETEST = -55.0  # dBFS
_BELOW_PEAK = 45.0
_PAUSE = 0.8  # seconds that part two stretches in any case
_SHORTEST = 0.04
_SIDE = 0.5  # seconds before and after a change of the spectrum
_CHANGE = 11.0  # dB by which the bands must differ, root mean square
_BANDS = 24
_CHANGING = frozenset({"siren", "rising tone", "falling tone", "music", "speech"})

_Stretch = tuple[float, float]


def hear(audio: Audio) -> tuple[Segment, ...]:
    """Captions with times in seconds; nothing where it is silent.

    Raises:
        AudioError: the recording cannot be decoded.
    """
    found: list[Segment] = []
    duration, start = audio.duration, 0.0
    while start < duration - 0.01:
        piece = audio[start : min(start + _SLICE_SECONDS, duration)]
        found += events(np.asarray(piece.samples(_RATE), dtype=np.float64), start)
        start += _SLICE_SECONDS
    return tuple(_joined(found))


def events(samples: Values, offset: float = 0.0) -> list[Segment]:
    """Captions of mono samples at 16 kHz; `offset` is added to their times."""
    from hark.audio.speech import speech

    clean = np.nan_to_num(samples, posinf=0.0, neginf=0.0)
    if not len(clean):
        return []
    spoken = [(a / _RATE, b / _RATE) for a, b in speech([clean.astype(np.float32)], padding=0)]
    found = list[Segment]()
    for whole, parts in _stretches(clean):
        said = _described(clean, spoken, whole)
        # What glides or sings changes its spectrum all the time, and is one thing.
        for part in [whole] if said.kind in _CHANGING else parts:
            text = caption(said if part == whole else _described(clean, spoken, part))
            found.append(Segment(text, round(offset + part[0], 2), round(offset + part[1], 2)))
    return _joined(found)


def _described(samples: Values, spoken: list[_Stretch], part: _Stretch) -> SoundDescription:
    start, end = part
    inside = [(max(a, start) - start, min(b, end) - start) for a, b in spoken if a < end and b > start]
    return describe(samples[round(start * _RATE) : round(end * _RATE)], _RATE, inside)


def caption(sound: SoundDescription) -> str:
    """A description in a few words."""
    words = _CAPTIONS.get(sound.kind)
    return words(sound) if words else sound.kind


def _stretches(samples: Values) -> list[tuple[_Stretch, list[_Stretch]]]:
    """Where something is heard, in seconds, each with its parts: cut where the spectrum changes for good."""
    levels = hop_levels(samples, _HOP)
    smooth = 10 * np.log10(np.convolve(10 ** (levels / 10), np.full(3, 1 / 3), mode="same") + 1e-12)
    background = float(np.percentile(smooth, 10))
    # A background as loud as the rest is itself what is heard.
    steady = smooth.max() - background < 2 * _ABOVE
    least = max(_QUIETEST, smooth.max() - _BELOW_PEAK, -np.inf if steady else background + _ABOVE)
    active = smooth > least
    edges = np.flatnonzero(np.diff(np.pad(active.astype(int), 1)))
    runs = [(int(a), int(b)) for a, b in edges.reshape(-1, 2) if (b - a) * _HOP / _RATE >= _SHORTEST]
    bands = _bands(samples, len(levels))
    joined = list[tuple[int, int]]()
    for begin, end in runs:
        near = joined and (begin - joined[-1][1]) * _HOP / _RATE < _PAUSE
        if near and _differ(bands, active, joined[-1], (begin, end)) < _CHANGE:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((begin, end))
    return [(_seconds(run), [_seconds(part) for part in _cut(bands, active, run)]) for run in joined]


def _seconds(run: tuple[int, int]) -> _Stretch:
    return run[0] * _HOP / _RATE, run[1] * _HOP / _RATE


def _bands(samples: Values, count: int) -> Values:
    """(hops, bands) levels in dB of logarithmic bands from 100 Hz to 8 kHz."""
    size = 512
    window = np.hanning(size)
    hertz = np.fft.rfftfreq(size, 1 / _RATE)
    edges = np.geomspace(100, 8000, _BANDS + 1)
    places = np.searchsorted(hertz, edges)
    padded = np.pad(samples, (size // 2, size))
    views = np.lib.stride_tricks.sliding_window_view(padded, size)[::_HOP][:count]
    found: Values = np.empty((count, _BANDS))
    for first in range(0, count, 1000):
        power = np.abs(np.fft.rfft(views[first : first + 1000] * window, axis=1)) ** 2
        sums = np.cumsum(np.pad(power, ((0, 0), (1, 0))), axis=1)
        widths = np.maximum(1, np.diff(places))
        found[first : first + 1000] = (sums[:, places[:-1] + widths] - sums[:, places[:-1]]) / widths
    return np.asarray(10 * np.log10(found + 1e-9))


def _mean(bands: Values, active: Values, run: tuple[int, int]) -> Values:
    rows = bands[run[0] : run[1]][active[run[0] : run[1]].astype(bool)]
    if not len(rows):
        return np.zeros(_BANDS)
    mean = 10 * np.log10(np.mean(10 ** (rows / 10), axis=0) + 1e-9)
    return np.asarray(np.maximum(mean - mean.max(), -40.0))


def _differ(bands: Values, active: Values, one: tuple[int, int], other: tuple[int, int]) -> float:
    gap = _mean(bands, active, one) - _mean(bands, active, other)
    return float(np.sqrt(np.mean(gap**2)))


def _cut(bands: Values, active: Values, run: tuple[int, int]) -> list[tuple[int, int]]:
    """The parts of a stretch between changes of its spectrum."""
    side = round(_SIDE * _RATE / _HOP)
    places = range(run[0] + side, run[1] - side + 1, 5)
    change = [_differ(bands, active, (at - side, at), (at, at + side)) for at in places]
    order = sorted(zip(change, places, strict=True), reverse=True)
    cuts = list[int]()
    for size, at in order:
        if size >= _CHANGE and all(abs(at - other) >= 2 * side for other in cuts):
            cuts.append(at)
    kept = list[int]()
    for at in sorted(cuts):
        left, right = (kept[-1] if kept else run[0]), min([cut for cut in cuts if cut > at], default=run[1])
        if _differ(bands, active, (left, at), (at, right)) >= 0.7 * _CHANGE:  # a siren changes, and comes back
            kept.append(at)
    return list(itertools.pairwise([run[0], *kept, run[1]]))


def _joined(found: Sequence[Segment]) -> list[Segment]:
    """Neighbours with the same caption are one."""
    joined = list[Segment]()
    for each in found:
        if joined and joined[-1].text == each.text and each.start - joined[-1].end < _PAUSE:
            joined[-1] = Segment(each.text, joined[-1].start, each.end)
        else:
            joined.append(each)
    return joined


def _noise(sound: SoundDescription) -> str:
    centre = sound.brightness or 0.0
    like = "low, like wind or traffic" if centre < 500 else "like a fan or water" if centre < 3000 else "like a hiss"
    return f"noise ({like})"


def _counted(count: int, one: str) -> str:
    return f"{count} {one}s" if count > 1 else one


_CAPTIONS: dict[str, Callable[[SoundDescription], str]] = {
    "speech": lambda _: "speech",
    "noise": _noise,
    "bursts": lambda s: _counted(s.onsets, "knock or click").replace("knock or clicks", "knocks or clicks"),
    "beeps": lambda s: f"{_counted(s.onsets, 'beep')} ({s.note})" if s.note else _counted(s.onsets, "beep"),
    "bell": lambda _: "a bell or another ringing metal",
    "ringing tone": lambda s: f"a struck or plucked tone ({s.note})" if s.note else "a struck or plucked tone",
    "steady tone": lambda s: f"a steady tone of {s.pitch:.0f} Hz" if s.pitch else "a steady tone",
    "siren": lambda _: "a tone that rises and falls, like a siren",
    "mixture": lambda s: "speech and other sounds" if s.speech > 0.1 else "a sound of no single kind",
    "hum": lambda s: f"mains hum at {s.hum} Hz" if s.hum else "hum",
}
