"""Long audio as windows cut at pauses; the only way hark cuts audio, so that times stay true."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hark.audio.speech import FAINT, FRAME, LOUD, RATE, Hysteresis, SpeechDetector, detect, frames, padded
from hark.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray


_FALL = 0.998  # by which the peak of live sound is forgotten with each frame
_PAUSE = 0.35  # below that likelihood nobody speaks, as `Hysteresis` has it


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A piece of a recording that holds speech: samples (n,) float32 mono at 16 kHz, exactly as in the recording.

    `start` and `end` are in seconds of the recording; `start * 16000` is a whole number of samples. The first `shared`
    seconds are the last ones of the window before, where speech gave no pause to cut it at; `continues` says that the
    next window begins so.
    """

    samples: NDArray[np.float32]
    start: float
    end: float
    shared: float = 0.0
    continues: bool = False


def windows(
    blocks: Iterable[NDArray[np.float32]], *, max_seconds: float = 30.0, min_silence: float = 0.3,
    min_speech: float = 0.1, padding: float = 0.12, overlap: float = 0.0,
) -> Iterator[Window]:  # fmt: skip
    """Cut blocks of mono samples at 16 kHz where speech pauses; times in seconds, memory bounded by `max_seconds`.

    Every sample of speech is in one window; pauses of `min_silence` and longer are left out but for the padding.
    Speech that runs on beyond `max_seconds` is cut at a shorter pause, in the last third or else before it. Where there
    is none it is cut in the last third where it is weakest, and the next window begins `overlap` seconds (a quarter of
    `max_seconds` at most) before the cut, so that a word that was cut is whole in one of the two; see `joining.py`.
    Other windows never overlap, and all are in order.

    Raises:
        OptionError: `max_seconds` is too short to cut sensibly.
    """
    if max_seconds < 1.0:
        raise OptionError(f"Windows of {max_seconds} s are too short.", hint="Allow at least 1 second.")
    cutter = _Cutter(max_seconds, min_silence, min_speech, padding, min(overlap, max_seconds / 4))
    for samples, probabilities in detect(blocks):
        for number, probability in enumerate(probabilities.tolist()):
            yield from cutter.feed(samples[number * FRAME : (number + 1) * FRAME], probability)
    yield from cutter.finish()


def stretch(
    samples: NDArray[np.float32], *, max_seconds: float = 30.0, min_silence: float = 0.3, padding: float = 0.12
) -> NDArray[np.float32]:
    """The samples (n,) of the one window of a recording; all of them where there are several, or none."""
    found = list(windows([samples], max_seconds=max_seconds, min_silence=min_silence, padding=padding))
    return found[0].samples if len(found) == 1 else samples


class LiveWindows:
    """The windows of sound that is fed as it comes, in blocks of any size; options as of `windows`."""

    def __init__(
        self, *, max_seconds: float = 30.0, min_silence: float = 0.3, min_speech: float = 0.1, padding: float = 0.12,
        overlap: float = 0.0,
    ) -> None:  # fmt: skip
        self._cutter = _Cutter(max_seconds, min_silence, min_speech, padding, min(overlap, max_seconds / 4))
        self._detector, self._peak = SpeechDetector(), FAINT
        self._rest = np.zeros(0, np.float32)

    def feed(self, samples: NDArray[np.float32]) -> Iterator[Window]:
        """Hear the next samples (n,), and give the windows that are over by their end."""
        joined = np.concatenate((self._rest, samples))
        whole = len(joined) // FRAME * FRAME
        self._rest = joined[whole:].copy()
        for frame in joined[:whole].reshape(-1, FRAME):
            yield from self._cutter.feed(frame, self._probability(frame))

    def finish(self) -> Iterator[Window]:
        """The window that the end of the sound cuts short."""
        if len(self._rest):
            filled = np.pad(self._rest, (0, FRAME - len(self._rest)))
            yield from self._cutter.feed(self._rest, self._probability(filled))
        yield from self._cutter.finish()

    @property
    def open(self) -> tuple[float, NDArray[np.float32]]:
        """The samples (n,) of the window that is not over, and the second at which it begins; empty in a pause."""
        return self._cutter.open()

    def _probability(self, frame: NDArray[np.float32]) -> float:
        self._peak = max(_FALL * self._peak, float(np.abs(frame).max()), FAINT)
        return float(self._detector.feed(frame * np.float32(max(1.0, LOUD / self._peak)))[0])


class _Cutter:
    """Holds the frames since the window that is open began, and lets go of all others."""

    def __init__(
        self, max_seconds: float, min_silence: float, min_speech: float, padding: float, overlap: float
    ) -> None:
        self._machine = Hysteresis(silence=frames(min_silence), shortest=frames(min_speech))
        self._pad = padded(padding, min_silence)
        self._most = int(max_seconds * RATE)
        self._overlap = int(overlap * RATE / FRAME)  # frames
        self._shared = 0  # samples of the window that comes next which the one before has too
        self._held: list[NDArray[np.float32]] = []
        self._likely: list[float] = []
        self._first = 0  # number of the first frame held
        self._used = 0  # sample up to which windows have been given out

    def feed(self, samples: NDArray[np.float32], probability: float) -> Iterator[Window]:
        self._held.append(samples)
        self._likely.append(probability)
        if found := self._machine.feed(probability):
            yield self._window(found[0] * FRAME - self._pad, found[1] * FRAME + self._pad)
        if self._machine.start is None:
            self._forget(self._end - -(-self._pad // FRAME))
        elif self._end * FRAME + self._pad + FRAME - self._begin(self._machine.start) > self._most:
            cut, paused = self._place()
            back = 0 if paused else self._overlap
            yield self._window(self._begin(self._machine.start), cut * FRAME, back * FRAME)
            self._machine.cut(cut - back)
            self._forget(cut - back)

    def finish(self) -> Iterator[Window]:
        if found := self._machine.finish():
            yield self._window(found[0] * FRAME - self._pad, found[1] * FRAME + self._pad)

    def open(self) -> tuple[float, NDArray[np.float32]]:
        start = self._machine.start
        if start is None:
            return self._end * FRAME / RATE, np.zeros(0, np.float32)
        begin = self._begin(start)
        return begin / RATE, np.concatenate(self._held)[max(0, begin - self._first * FRAME) :]

    @property
    def _end(self) -> int:
        return self._first + len(self._held)

    def _begin(self, frame: int) -> int:
        return max(self._used, frame * FRAME - self._pad)

    def _place(self) -> tuple[int, bool]:
        """The frame at which to cut speech that runs on, and whether there is a pause, of about 100 ms or more."""
        likely = np.array(self._likely)
        power = np.array([np.mean(np.square(held)) for held in self._held])
        level = 10 * np.log10(power + 1e-10)
        smooth = [
            np.convolve(values, np.full(3, 1 / 3), "valid") for values in (likely, likely + (level - level.max()) / 40)
        ]
        count = self._most // FRAME // 3
        late = slice(len(likely) - count, None)
        for part in (late, slice(len(likely) - 2 * count, late.start)):  # before that, a window would be too short
            pauses = np.flatnonzero(smooth[0][part] < _PAUSE)
            if len(pauses):
                return self._first + part.start + 1 + int(pauses[np.argmin(smooth[1][part][pauses])]), True
        return self._first + late.start + 1 + int(np.argmin(smooth[1][late])), False

    def _window(self, start: int, end: int, continued: int = 0) -> Window:
        offset = self._first * FRAME
        samples = np.concatenate(self._held)
        start = max(start, self._used, offset)
        end = min(end, offset + len(samples))
        self._used, shared, self._shared = end - continued, self._shared, continued
        found = samples[start - offset : end - offset]
        return Window(found, start / RATE, end / RATE, shared / RATE, continues=continued > 0)

    def _forget(self, frame: int) -> None:
        gone = max(0, frame - self._first)
        del self._held[:gone], self._likely[:gone]
        self._first += gone
