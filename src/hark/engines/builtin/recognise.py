"""Speech to words with true times: windows cut at pauses, recognised by pocketsphinx on all cores, in order."""

from __future__ import annotations

import contextlib
import re
import weakref
from collections import deque
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

import numpy as np

from hark.answers.answer import Delta
from hark.answers.transcript import Segment, Word
from hark.audio.joining import OVERLAP, Joiner
from hark.audio.speech import RATE
from hark.audio.windows import Window, windows
from hark.engines.builtin.confidence import UNSURE, confidences, spoken
from hark.engines.builtin.pool import Call, Found, Pool

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator
    from concurrent.futures import Future

    from numpy.typing import NDArray

    from hark.audio.audio import Audio

_FRAME_SECONDS = 0.01
_BEAT = 0.05  # seconds between places to stop
# Of windows, in seconds; the decoder needs some silence around speech.
WINDOWS = {"min_silence": 0.4, "padding": 0.2, "overlap": OVERLAP}
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
        joiner = Joiner()
        with contextlib.closing(self.hear(counted)) as windows_heard:
            for one in windows_heard:
                if one is None:
                    yield Delta()
                    continue
                window, found = one
                segment = segment_of(found, window.start, window.end)
                yield Delta(segments=tuple(joiner.add(window, segment)), heard=window.end)
        yield Delta(segments=tuple(joiner.finish()), heard=counted.seconds)

    def hear(self, blocks: Iterable[NDArray[np.float32]]) -> Generator[tuple[Window, list[Found]] | None, None, None]:
        """The windows of a recording, in order, each with what was found in it, fillers and all.

        Windows may share some seconds (see `hark.audio.joining`). None comes now and then in between: a place to stop.
        """
        self._own()
        pool, call = self._pool, Call()
        threads = ThreadPoolExecutor(pool.size, thread_name_prefix="hark-recogniser")
        pending: deque[tuple[Window, Future[list[Found]]]] = deque()
        try:
            for window in windows(blocks, **WINDOWS):
                pending.append((window, threads.submit(pool.run, pcm(window.samples, gain(window.samples)), call)))
                # Enough in flight to keep all workers busy, and no more than that: memory stays flat.
                while pending and (pending[0][1].done() or len(pending) > 2 * pool.size):
                    yield from _result(*pending.popleft())
            while pending:
                yield from _result(*pending.popleft())
        finally:
            call.stop()
            threads.shutdown(wait=False, cancel_futures=True)

    def words(self, window: Window) -> Segment | None:
        """What is said in one window.

        Raises:
            ModelError: the recogniser failed.
        """
        self._own()
        return segment_of(self._pool.run(pcm(window.samples, gain(window.samples)), Call()), window.start, window.end)

    def close(self) -> None:
        """End the worker processes; they are started again when next needed."""
        self._pool.close()

    @property
    def parallel(self) -> int:
        """How many windows are recognised at a time."""
        return self._pool.size

    @property
    def workers(self) -> list[int]:
        """The process ids of the workers that are there now."""
        return self._pool.pids

    def _own(self) -> None:
        if not self._pool.mine:  # after a fork
            self._pool = self._new_pool(self._pool.size)

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


def gain(samples: NDArray[np.float32]) -> float:
    """What brings the peak to full scale: the recogniser's word error rate depends on the level."""
    return 32000 / max(float(np.abs(samples).max(initial=0.0)), 1e-6)


def pcm(samples: NDArray[np.float32], scale: float) -> bytes:
    """Samples, times `scale`, as the recogniser takes them: 16-bit."""
    return np.clip(samples * scale, -32768, 32767).astype("<i2").tobytes()


def _result(window: Window, future: Future[list[Found]]) -> Iterator[tuple[Window, list[Found]] | None]:
    while not wait((future,), _BEAT).done:
        yield None
    yield window, future.result()


def segment_of(found: list[Found], start: float, end: float) -> Segment | None:
    """What was found in a window that lies at `start` to `end` seconds; None where there is no word."""
    pairs = zip(spoken(found), confidences(found), strict=True)
    words = tuple(_word(item, confidence, start, end) for item, confidence in pairs)
    if not words:
        return None
    text = " ".join(word.text for word in words)
    confidence = round(float(np.mean([word.confidence or 0.0 for word in words])), 3)
    return Segment(text, words[0].start, words[-1].end, words, confidence, unsure=confidence < UNSURE)


def _word(item: Found, confidence: float, start: float, end: float) -> Word:
    text = _plain(item.text)
    first = round(start + item.first * _FRAME_SECONDS, 3)
    after = round(min(end, start + (item.last + 1) * _FRAME_SECONDS), 3)
    return Word(text, first, after, round(confidence, 3), unsure=confidence < UNSURE)


def written(text: str) -> str:
    """Text as the recogniser gives it, without the marks of pronunciations."""
    return " ".join(map(_plain, text.split()))


def _plain(word: str) -> str:
    word = _PRONUNCIATION.sub("", word)
    return word.capitalize() if _FIRST_PERSON.fullmatch(word) else word
