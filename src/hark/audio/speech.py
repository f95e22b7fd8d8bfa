"""Where there is speech: the Silero v6 detector on onnxruntime, streaming, with memory that does not grow.

The network is the ONNX file in the faster-whisper wheel (https://github.com/snakers4/silero-vad, MIT); it is found
without importing faster-whisper, which would load CTranslate2.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hark.errors import ModelBrokenError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

RATE = 16000
FRAME = 512  # samples of one probability: 32 ms
_CONTEXT = 64  # samples of the frame before that the network sees again
_BATCH = 64  # frames given at once; always as many, so that results do not depend on how the audio came in
LOUD, FAINT = 0.25, 0.0025  # peaks: what the detector is given at least, and what is too faint to be amplified to it


class Stretch(NamedTuple):
    """A stretch of speech, as positions in samples at 16 kHz; `end` is the first sample after it."""

    start: int
    end: int


class SpeechDetector:
    """Tells how likely each 32 ms frame is speech; keeps its state between calls, so live audio can be fed."""

    def __init__(self) -> None:
        self._state = np.zeros((2, 1, 1, 128), np.float32)
        self._context = np.zeros(_CONTEXT, np.float32)
        self._rest = np.zeros(0, np.float32)

    def feed(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Hear samples (n,) at 16 kHz; return the probabilities (frames,) of the frames completed by them.

        Raises:
            ModelBrokenError: the detector's file is missing.
        """
        samples = np.concatenate((self._rest, samples))
        whole = len(samples) // FRAME * FRAME
        self._rest = samples[whole:].copy()
        return self._run(samples[:whole])

    def finish(self) -> NDArray[np.float32]:
        """The probability of the last, incomplete frame, filled with silence; (0,) where there is none."""
        return self.feed(np.zeros(-len(self._rest) % FRAME, np.float32))

    def _run(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        if not len(samples):
            return np.zeros(0, np.float32)
        stream = np.concatenate((self._context, samples))
        frames = np.lib.stride_tricks.sliding_window_view(stream, _CONTEXT + FRAME)[::FRAME]
        inputs = {"input": np.ascontiguousarray(frames), "h": self._state[0], "c": self._state[1]}
        output, hidden, cell = _session().run(None, inputs)
        self._state = np.stack((hidden, cell))
        self._context = stream[-_CONTEXT:].copy()
        probabilities: NDArray[np.float32] = output.reshape(-1)
        return probabilities


class Hysteresis:
    """Turns probabilities, frame by frame, into stretches of speech (in frames, without padding).

    Speech begins at `on` and ends when the probability has stayed below `off` for `silence` frames; stretches of fewer
    than `shortest` frames are clicks, not speech.
    """

    def __init__(self, *, on: float = 0.5, off: float = 0.35, silence: int, shortest: int) -> None:
        self._on, self._off, self._silence, self._shortest = on, off, silence, shortest
        self._frame = 0
        self._quiet: int | None = None  # since when the probability has been low
        self.start: int | None = None  # where the stretch that is open now began
        self._certain = False

    def feed(self, probability: float) -> tuple[int, int] | None:
        """Take the next frame; return the stretch that is now known to be over, as (first frame, frame after)."""
        frame, self._frame = self._frame, self._frame + 1
        if self.start is None:
            if probability >= self._on:
                self.start, self._quiet = frame, None
            return None
        if probability >= self._off:
            self._quiet = None
        elif self._quiet is None:
            self._quiet = frame
        if self._quiet is not None and self._frame - self._quiet >= self._silence:
            return self._close(self.start, self._quiet)
        return None

    @property
    def certain(self) -> bool:
        """Is the open stretch long enough by now to be speech?"""
        if self.start is None:
            return False
        heard = (self._frame if self._quiet is None else self._quiet) - self.start
        return self._certain or heard >= self._shortest

    def cut(self, frame: int) -> None:
        """Let the open stretch go on from a later frame: what lay before has been used."""
        self.start, self._certain = frame, True

    def finish(self) -> tuple[int, int] | None:
        """The stretch still open at the end of the recording."""
        if self.start is None:
            return None
        return self._close(self.start, self._frame if self._quiet is None else self._quiet)

    def _close(self, start: int, end: int) -> tuple[int, int] | None:
        wanted = end > start and (self._certain or end - start >= self._shortest)
        self.start, self._quiet, self._certain = None, None, False
        return (start, end) if wanted else None


def stretches(
    probabilities: Iterable[float], *, on: float = 0.5, off: float = 0.35, min_speech: float = 0.1,
    min_silence: float = 0.3, padding: float = 0.12,
) -> Iterator[Stretch]:  # fmt: skip
    """Turn the probabilities of 32 ms frames into padded stretches; times are in seconds.

    Padding never takes more than half of a pause, so stretches never overlap.
    """
    machine = Hysteresis(on=on, off=off, silence=frames(min_silence), shortest=frames(min_speech))
    pad = padded(padding, min_silence)
    total = 0
    for probability in probabilities:
        total += FRAME
        if found := machine.feed(probability):
            yield Stretch(max(0, found[0] * FRAME - pad), found[1] * FRAME + pad)
    if found := machine.finish():
        yield Stretch(max(0, found[0] * FRAME - pad), min(total, found[1] * FRAME + pad))


def speech(blocks: Iterable[NDArray[np.float32]], **options: float) -> Iterator[Stretch]:
    """The stretches of speech in blocks of mono samples at 16 kHz, as they are found; options as of `stretches`."""
    total = 0

    def probabilities() -> Iterator[float]:
        nonlocal total
        for samples, found in detect(blocks):
            total += len(samples)
            yield from found.tolist()

    for start, end in stretches(probabilities(), **options):
        yield Stretch(start, min(end, total))


def detect(
    blocks: Iterable[NDArray[np.float32]],
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Blocks of any size as pieces of 64 frames with their probabilities; the last is shorter, not filled up.

    The detector loses speech far below the level it learned on, so it hears quiet recordings amplified, by up to 40 dB.
    """
    detector, peak = SpeechDetector(), 0.0
    for piece in _pieces(blocks, _BATCH * FRAME):
        peak = max(0.9 * peak, float(np.abs(piece).max()), FAINT)
        found = detector.feed(piece * np.float32(max(1.0, LOUD / peak)))
        yield piece, found if len(piece) % FRAME == 0 else np.concatenate((found, detector.finish()))


def _pieces(blocks: Iterable[NDArray[np.float32]], size: int) -> Iterator[NDArray[np.float32]]:
    held, length = [np.zeros(0, np.float32)], 0
    for block in blocks:
        held.append(block)
        length += len(block)
        if length >= size:
            joined = np.concatenate(held)
            for start in range(0, length - size + 1, size):
                yield joined[start : start + size]
            held, length = [joined[length - length % size :].copy()], length % size
    last = np.concatenate(held)
    if len(last):
        yield last


def frames(seconds: float) -> int:
    """How many frames fit best; at least one."""
    return max(1, round(seconds * RATE / FRAME))


def padded(padding: float, min_silence: float) -> int:
    """Padding in samples, at most half of the shortest pause."""
    return min(round(padding * RATE), frames(min_silence) * FRAME // 2)


@cache
def _session() -> Any:
    import onnxruntime

    package = importlib.util.find_spec("faster_whisper")
    places = package.submodule_search_locations if package else None
    path = Path(places[0]) / "assets" / "silero_vad_v6.onnx" if places else Path("silero_vad_v6.onnx")
    if not path.is_file():
        raise ModelBrokenError("The speech detector is missing.", hint="pip install --force-reinstall faster-whisper")
    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = options.intra_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
