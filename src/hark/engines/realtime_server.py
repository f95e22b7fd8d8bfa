"""A model behind a realtime server: sound goes up while its text comes down (OpenAI, vLLM, another hark)."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from hark.answers.answer import Delta, Notice, Usage
from hark.answers.transcript import Segment
from hark.engines.engine import Capabilities, Engine, Options
from hark.engines.live import Live, Partial
from hark.engines.openai_client import parsed
from hark.engines.realtime_client import RATE, Connection, Dictation

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from hark.audio.windows import Window
    from hark.conversation.conversation import Conversation

_PAUSE = 0.7  # seconds: speech is sent from one such pause to the next, which is what its times are known by
_LONGEST = 60.0  # seconds sent as one turn
_PIECE = RATE // 2  # samples sent at once
_STEP = 0.1  # seconds of live speech sent at once


class RealtimeServer(Engine):
    """A transcriber on a realtime server; audio is decoded here, and only stretches with speech are sent.

    Args:
        name: `realtime:MODEL@ws://host:port/v1`, or `realtime:MODEL` for `OPENAI_BASE_URL`, else OpenAI itself.
        timeout: seconds that the server may be silent.

    Raises:
        ModelNotFoundError: the name is incomplete or holds an address that cannot be used.
    """

    parallel = 32  # it is the server that works
    can = Capabilities(free_prompt=False, options=frozenset({"language"}), timestamps="segment", streams=True)

    def __init__(self, name: str, *, timeout: float = 600.0) -> None:
        self.name = name
        self.timeout = timeout
        self._model, self._url = parsed(name)

    def generate(self, conversation: Conversation, options: Options) -> Iterator[Delta]:
        """Write down the clip, stretch by stretch.

        Raises:
            ModelNotFoundError: the server has no such model.
            ModelError: it was not reached, failed, or left in the middle.
            UnsupportedError, OptionError: it refused what was asked, in its own words.
            MissingExtraError: the library for WebSockets is not installed.
        """
        with contextlib.closing(_Listening(self, options.language)) as listening:
            yield from listening.steps(conversation)

    def live(self, options: Options, *, shows: bool) -> Live:
        """A turn that is sent as it comes; text that may still change is never told by these protocols."""
        del shows
        return _Turn(self, options.language)

    def dictation(self, language: str | None) -> Dictation:
        """A new connection, ready for a turn.

        Raises:
            HarkError: as `generate`.
        """
        connection = Connection(self.name, self._url, timeout=self.timeout)
        try:
            return Dictation.of(connection, self._model, language)
        except BaseException:
            connection.close()
            raise


class _Listening:
    """A recording on its way through a server."""

    def __init__(self, engine: RealtimeServer, language: str | None) -> None:
        self._engine, self._language = engine, language
        self._dictation: Dictation | None = None
        self._tokens: tuple[int, int] | None = None
        self._begun = self._reworded = False

    def steps(self, conversation: Conversation) -> Iterator[Delta]:
        from hark.audio.windows import windows

        clip = conversation.clips[0]
        blocks = clip.stream(rate=RATE, mono=True)
        for window in windows(blocks, max_seconds=_LONGEST, min_silence=_PAUSE):
            yield from self._said(window)
            yield Delta(heard=window.end)
        self.close()
        seconds = clip.duration  # known: it is decoded by now
        notices = list(clip.notices)
        if not self._begun:
            notices.append(Notice("silence", f"In {clip.name} nobody speaks, or no words were recognised."))
        if self._reworded:
            said = "The server worded some text otherwise in the end; the transcript holds its last words."
            notices.append(Notice("method", said))
        yield Delta(notices=tuple(notices), heard=seconds, usage=Usage(seconds, *(self._tokens or (None, None))))

    def _said(self, window: Window) -> Iterator[Delta]:
        dictation, told = self._next(), ""
        for piece in self._spoken(dictation, window):
            new = piece if told else piece.lstrip()
            yield Delta(f" {new}" if new and not told and self._begun else new, language=self._language)
            told += new
        text = dictation.text.strip()
        self._reworded = self._reworded or text != told.strip()
        if text:
            self._begun = True
            yield Delta(segments=(Segment(text, window.start, window.end, language=self._language),))
        if not dictation.several:
            self.close()

    def _spoken(self, dictation: Dictation, window: Window) -> Iterator[str]:
        """Send a stretch, and give its text as it comes."""
        dictation.begin()
        for start in range(0, len(window.samples), _PIECE):
            dictation.hear(window.samples[start : start + _PIECE])
            yield from dictation.read(wait=False)
        dictation.end()
        yield from dictation.read(wait=True)

    def _next(self) -> Dictation:
        if self._dictation is None:
            self._dictation = self._engine.dictation(self._language)
        return self._dictation

    def close(self) -> None:
        if self._dictation:
            dictation, self._dictation = self._dictation, None
            if dictation.tokens:
                before = self._tokens or (0, 0)
                self._tokens = (before[0] + dictation.tokens[0], before[1] + dictation.tokens[1])
            dictation.connection.close()


class _Turn(Live):
    """A turn while it is spoken, over a connection of its own."""

    def __init__(self, engine: RealtimeServer, language: str | None) -> None:
        self._engine, self._language = engine, language
        self._dictation: Dictation | None = None
        self._told, self._samples = "", 0
        self._unsent: list[NDArray[np.float32]] = []

    def due(self, waiting: float) -> bool:
        """Soon: the server hears nothing twice."""
        return waiting >= _STEP

    def hear(self, samples: NDArray[np.float32]) -> Partial:
        """Send the samples, and take the text that is there."""
        dictation = self._send(samples)
        self._told += "".join(dictation.read(wait=False))
        return Partial(self._told.lstrip())

    def finish(self, samples: NDArray[np.float32]) -> Partial:
        """Send the last samples, and wait for all of the text."""
        dictation = self._send(samples)
        dictation.end()
        text = self._told = (self._told + "".join(dictation.read(wait=True))).strip()
        seconds = self._samples / RATE
        return Partial(text, "", (Segment(text, 0.0, seconds, language=self._language),) if text else ())

    def close(self) -> None:
        """Leave the server."""
        if self._dictation:
            self._dictation.connection.close()

    def _send(self, samples: NDArray[np.float32]) -> Dictation:
        self._samples += len(samples)
        self._unsent.append(samples)  # until it is: a server that is not there yet may come
        if self._dictation is None:
            self._dictation = self._engine.dictation(self._language)
            self._dictation.begin()
        while self._unsent:
            self._dictation.hear(self._unsent[0])
            self._unsent.pop(0)
        return self._dictation
