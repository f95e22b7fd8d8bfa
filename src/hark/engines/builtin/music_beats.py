"""Beats and bars of music whose tempo is known; beats by D. P. W. Ellis's dynamic programming, in librosa."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hark.engines.builtin.music_features import HOP, RATE
from hark.engines.builtin.music_meter import FRAMES_PER_SECOND, METERS, Rhythm

if TYPE_CHECKING:
    from hark.engines.builtin.music_features import Features, Values

_FEWEST_BEATS = 6
_LEAST_PULSE = 0.25  # measured: songs lie above 0.5, all else below 0.2
_LAST = 8  # frames (0.1 s) before the end, in which nothing begins any more
_FEWEST_BARS = 3  # to tell a meter from


def find_beats(librosa: Any, features: Features) -> dict[str, Any]:
    """Tempo, meter, beats and bars, or the reason why there are none."""
    onsets = features.onsets
    if onsets.max() < 1e-6:
        return {"reason": "There is no tempo: nothing begins or changes in a beat."}
    rhythm = Rhythm(features)
    pulses = rhythm.pulses()
    if not pulses:
        return {"reason": "There is no tempo to tell: there are too few beats."}
    best = pulses[0]
    frames = _heard(onsets, _tracked(librosa, onsets, best.tempo), 30 / best.tempo * FRAMES_PER_SECOND)
    if len(frames) < _FEWEST_BEATS:
        return {"reason": "There is no tempo to tell: there are too few beats."}
    pulse = _pulse(onsets, 60 / best.tempo * FRAMES_PER_SECOND)
    if pulse < _LEAST_PULSE:
        return {"reason": "There is no tempo to tell: no pulse repeats."}
    beats = frames * HOP / RATE
    fitted = 60 / float(np.polyfit(np.arange(len(beats)), beats, 1)[0])
    # Where the tracker slipped a beat the line through its beats is wrong; the repetition's own tempo is then better.
    exact = fitted if abs(fitted / best.tempo - 1) < 0.02 else best.tempo
    count, _ = METERS[best.meter]
    told = len(frames) >= _FEWEST_BARS * count
    first = _downbeat(rhythm, frames, count)
    return {
        "tempo": round(exact, 1),
        "other_tempi": tuple(round(exact * factor, 1) for factor in (0.5, 2)),
        "tempo_strength": round(pulse, 3),
        "meter": best.meter if told else None,
        "beats": _seconds(beats),
        "bars": _seconds(beats[first::count]) if told else (),
    }


def _tracked(librosa: Any, onsets: Values, tempo: float) -> Any:
    # Not trimmed: librosa takes quiet endings away.
    found = librosa.beat.beat_track(onset_envelope=onsets, sr=RATE, hop_length=HOP, bpm=tempo, trim=False)[1]
    frames = np.asarray(found, dtype=np.int64)
    return frames[frames < len(onsets) - _LAST]


def _heard(onsets: Values, frames: Any, half: float) -> Any:
    """The beats without those before the music begins and after it ends."""
    width = max(1, round(half))
    strength = np.array([onsets[max(0, frame - width) : frame + width].max(initial=0.0) for frame in frames])
    loud = np.flatnonzero(strength > 0.2 * np.median(strength)) if len(frames) else np.zeros(0, dtype=np.int64)
    return frames[loud[0] : loud[-1] + 1] if len(loud) else frames[:0]


def _downbeat(rhythm: Rhythm, frames: Any, count: int) -> int:
    """Which of the first beats begins a bar: where harmony changes and bass begins most."""
    strength = np.zeros(len(frames))
    for name, weight in (("harmony", 1.0), ("low", 1.0)):
        curve = rhythm.curves[name]
        near = np.array([curve[max(0, frame - 4) : frame + 5].max(initial=0.0) for frame in frames])
        strength += weight * (near - near.mean()) / (near.std() + 1e-9)
    return int(np.argmax([strength[first::count].mean() for first in range(count)]))


def _seconds(times: Values) -> tuple[float, ...]:
    return tuple(round(float(time), 3) for time in times)


def _pulse(onsets: Values, lag: float) -> float:
    """How well the onsets match themselves a beat later: the median over pieces of at least eight beats, 0 to 1."""
    length = max(round(8 * lag), round(10 * FRAMES_PER_SECOND))
    pieces = [onsets[start : start + length] for start in range(0, max(1, len(onsets) - length // 2), length)]
    matches = []
    for piece in pieces:
        centred = piece - piece.mean()
        shifts = [shift for shift in range(round(lag) - 2, round(lag) + 3) if 0 < shift < len(piece)]
        energy = float(centred @ centred) or 1.0
        matches.append(max((float(centred[shift:] @ centred[:-shift]) / energy for shift in shifts), default=0.0))
    return max(0.0, float(np.median(matches)))
