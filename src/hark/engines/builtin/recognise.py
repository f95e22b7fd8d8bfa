"""Speech to words with true times: windows cut at pauses, recognised by pocketsphinx on all cores, in order."""

from __future__ import annotations

import re
import weakref
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from hark.answers.answer import Delta
from hark.answers.transcript import Segment, Word
from hark.audio.speech import RATE
from hark.audio.windows import Window, windows
from hark.engines.builtin.confidence import confidences
from hark.engines.builtin.pool import Call, Pool

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from concurrent.futures import Future

    from numpy.typing import NDArray

    from hark.audio.audio import Audio

_FRAME_SECONDS = 0.01
_UNSURE = 0.5
_FILLER = re.compile(r"<.*>|\[.*\]|\+\+.*\+\+")
_PRONUNCIATION = re.compile(r"\(\d+\)$")
_FIRST_PERSON = re.compile(r"i('.+)?")


class Recogniser:
    """Recognises English speech offline; its worker processes are kept between calls until `close`.

    Several threads may use it at once.
    """

    def __init__(self, workers: int | None = None) -> None:
        self._pool = self._new_pool(workers)

    def recognise(self, source: Audio | Iterable[NDArray[np.float32]]) -> Iterator[Delta]:
        """Recognise a recording, or blocks of mono samples at 16 kHz; closing the iterator stops the work.

        Each delta carries a finished segment, in order, and how far the recording has been heard; times are in
        seconds of the recording.

        Raises:
            ModelError: the recogniser failed.
        """
        counted = _Counted(source.stream() if hasattr(source, "stream") else source)
        if not self._pool.mine:  # after a fork
            self._pool = self._new_pool(self._pool.size)
        pool, call = self._pool, Call()
        threads = ThreadPoolExecutor(pool.size, thread_name_prefix="hark-recogniser")
        pending: deque[tuple[Window, Future[list[list[Any]]]]] = deque()
        try:
            for window in windows(counted):
                pending.append((window, threads.submit(pool.run, _pcm(window.samples), call)))
                # Enough in flight to keep all workers busy, and no more than that: memory stays flat.
                while pending and (pending[0][1].done() or len(pending) > 2 * pool.size):
                    yield _delta(*pending.popleft())
            while pending:
                yield _delta(*pending.popleft())
            yield Delta(heard=counted.seconds)
        finally:
            call.stop()
            threads.shutdown(wait=False, cancel_futures=True)

    def close(self) -> None:
        """End the worker processes; they are started again when next needed."""
        self._pool.close()

    def _new_pool(self, workers: int | None) -> Pool:
        pool = Pool(workers)
        weakref.finalize(self, pool.close)
        return pool


class _Counted:
    """Blocks, and how many seconds of them have passed."""

    def __init__(self, blocks: Iterable[NDArray[np.float32]]) -> None:
        self._blocks = blocks
        self.seconds = 0.0

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        count = 0
        for block in self._blocks:
            count += len(block)
            self.seconds = count / RATE
            yield block


def _pcm(samples: NDArray[np.float32]) -> bytes:
    """16-bit samples with the peak at full scale: the recogniser's word error rate depends on the level."""
    peak = float(np.abs(samples).max(initial=0.0))
    return (samples * (32000 / max(peak, 1e-6))).astype("<i2").tobytes()


def _delta(window: Window, future: Future[list[list[Any]]]) -> Delta:
    segment = _segment(window, future.result())
    return Delta(segments=(segment,) if segment else (), heard=window.end)


def _segment(window: Window, found: list[list[Any]]) -> Segment | None:
    words = [
        _word(window, item, confidence)
        for item, confidence in zip(found, confidences(found), strict=True)
        if not _FILLER.fullmatch(item[0])
    ]
    if not words:
        return None
    lengths = [word.end - word.start for word in words]
    confidence = round(float(np.average([word.confidence or 0.0 for word in words], weights=lengths)), 3)
    text = " ".join(word.text for word in words)
    return Segment(text, words[0].start, words[-1].end, tuple(words), confidence, unsure=confidence < _UNSURE)


def _word(window: Window, item: list[Any], confidence: float) -> Word:
    text = _PRONUNCIATION.sub("", item[0])
    text = text.capitalize() if _FIRST_PERSON.fullmatch(text) else text
    start = window.start + item[1] * _FRAME_SECONDS
    end = min(window.end, window.start + (item[2] + 1) * _FRAME_SECONDS)
    return Word(text, round(start, 3), round(end, 3), round(confidence, 3), unsure=confidence < _UNSURE)
