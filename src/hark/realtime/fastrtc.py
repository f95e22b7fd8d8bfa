"""FastRTC (https://fastrtc.org) with a hark listener: in a browser by WebRTC or WebSocket, and on the telephone.

`stream(Handler(listener))` is all of it. Who has a `ReplyOnPause` of their own takes `PauseDetector`, `replies` and
`SpeechToText` instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import soxr

from hark.audio.audio import RATE, Audio
from hark.audio.speech import speech
from hark.conversation.conversation import Conversation
from hark.errors import HarkError, MissingExtraError, OptionError
from hark.listener import Listener
from hark.realtime import events
from hark.realtime.formats import Decoder
from hark.realtime.session import Session
from hark.server.config import Config
from hark.server.lanes import Lane
from hark.server.threads import steps

try:
    from fastrtc import AdditionalOutputs, AsyncStreamHandler, Stream, get_current_context
except ImportError as error:
    raise MissingExtraError.of("FastRTC", "fastrtc") from error

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from hark.realtime.session import Model

    Sound = tuple[int, NDArray[Any]]  # samples a second, and int16 or float32 of shape (n,), (1, n) or (channels, n)
    Speak = Callable[[str], Iterable[Sound]]

_log = logging.getLogger("hark")
_TELEPHONE = 8000  # samples a second
_IDLE_SECONDS = 30.0  # FastRTC warns when it got nothing for 60


def stream(handler: Any, *, sessions: int = 16, **options: Any) -> Stream:
    """FastRTC's `Stream` of sound around a handler, which reaches for nobody but its clients.

    Args:
        handler: a `Handler`, or any of FastRTC's.
        sessions: how many clients it holds at once.
        options: of `fastrtc.Stream`; `server_rtc_configuration` names STUN and TURN servers, of which there are none.
    """
    os.environ.setdefault(
        "GRADIO_ANALYTICS_ENABLED", "False"
    )  # Stream makes a page of gradio's, which tells its makers
    alone = {"server_rtc_configuration": {"iceServers": []}, "concurrency_limit": sessions, "verbose": False}
    return Stream(handler, modality="audio", mode="send-receive", **{**alone, **options})


class PauseDetector:
    """Tells how much of a piece of sound is speech: FastRTC's `PauseDetectionModel` on hark's own detector.

    Nothing is fetched; hand it to `ReplyOnPause(fn, model=PauseDetector())`.

    Args:
        threshold: how likely speech must be.
    """

    def __init__(self, threshold: float = 0.5) -> None:
        self.threshold = threshold

    def vad(self, audio: Sound, options: None = None) -> tuple[float, list[dict[str, int]]]:
        """Seconds of speech, and where it is: `start` and `end` in samples of the sound given.

        Raises:
            OptionError: there are options; they are given to the detector itself.
        """
        if options is not None:
            raise OptionError("PauseDetector takes no model_options.", hint="Say PauseDetector(threshold=...).")
        rate, samples = audio[0], _mono(audio)
        off = max(0.01, self.threshold - 0.15)
        found = speech([_resampled(samples, rate)], on=self.threshold, off=off, padding=0.0)
        spoken = [(start, min(end, round(len(samples) * RATE / rate))) for start, end in found]
        chunks = [{"start": round(s * rate / RATE), "end": round(e * rate / RATE)} for s, e in spoken]
        return sum(end - start for start, end in spoken) / RATE, chunks

    def warmup(self) -> None:
        """Load the detector now."""
        self.vad((RATE, np.zeros(RATE, np.float32)))


class SpeechToText:
    """FastRTC's `STTModel` with any model of hark that transcribes; options are those of `Listener.transcribe`."""

    def __init__(self, listener: Listener, **options: Any) -> None:
        self.listener, self.options = listener, options

    def stt(self, audio: Sound) -> str:
        """What is said.

        Raises:
            HarkError: as `Listener.transcribe`.
        """
        samples = _resampled(_mono(audio), audio[0])
        return self.listener.transcribe(Audio.of(samples, RATE), **self.options).text if len(samples) else ""


def replies(listener: Listener, **options: Any) -> Callable[[Sound], Iterator[AdditionalOutputs]]:
    """A function for `ReplyOnPause` that answers what is said, each turn by itself, piece by piece.

    Each piece of text is the one argument of an `AdditionalOutputs`; options are those of `Listener.answer`.
    """

    def reply(audio: Sound) -> Iterator[AdditionalOutputs]:
        samples = _resampled(_mono(audio), audio[0])
        if not len(samples):
            return
        asked = Conversation.ask((Audio.of(samples, RATE, name="turn"),))
        for delta in listener.answer(asked, task="reply", **options):
            if delta.text:
                yield AdditionalOutputs(delta.text)

    return reply


class Handler(AsyncStreamHandler):  # type: ignore[misc]
    """A live session for each client of a `Stream`: turns are found by a pause, and answers stopped by speech.

    Clients get the events of OpenAI's Realtime API as messages (those of a telephone, which knows none, do not).

    Args:
        model: a listener, or a way to one that is shared (`hark.server.lanes.Lane`).
        session: settings, as a `session.update` of OpenAI's Realtime API has them.
        transcribes: write down only, and answer nothing.
        speak: makes sound of an answer's text, such as `fastrtc.get_tts_model().stream_tts_sync`.
        on_event: called with the id of a client and each event of its session.

    Raises:
        EventError: the settings hold what hark cannot honour.
    """

    def __init__(
        self, model: Listener | Model, *, session: dict[str, Any] | None = None, transcribes: bool = False,
        speak: Speak | None = None, on_event: Callable[[str, dict[str, Any]], object] | None = None,
    ) -> None:  # fmt: skip
        super().__init__("mono", input_sample_rate=RATE)
        self._model: Model = Lane(model, Config()) if isinstance(model, Listener) else model
        self._wanted, self._transcribes, self._speak, self._on_event = session, transcribes, speak, on_event
        events.changed(events.Settings(type="transcription" if transcribes else "realtime"), session or {})
        self._client = ""
        self._gone = asyncio.Event()
        self._sounds: asyncio.Queue[Sound | None] = asyncio.Queue()
        self._speaking: asyncio.Task[None] | None = None

    def copy(self) -> Handler:
        """The handler of one client."""
        return Handler(
            self._model, session=self._wanted, transcribes=self._transcribes, speak=self._speak,
            on_event=self._on_event,
        )  # fmt: skip

    @cached_property
    def session(self) -> Session:
        """The session of this client."""
        return Session(self._model, self._model.listener.engine.name, self._tell, transcribes=self._transcribes)

    @cached_property
    def _decoder(self) -> Decoder:
        return Decoder("audio/pcm", self.input_sample_rate)

    @property
    def _out(self) -> int:
        """The rate of what is spoken: FastRTC's own resampler holds up everybody for seconds when it is first used."""
        return _TELEPHONE if self.phone_mode else int(self.output_sample_rate)

    @property
    def phone_mode(self) -> bool:
        """Is the client a telephone?"""
        return bool(self._phone_mode)

    @phone_mode.setter
    def phone_mode(self, value: bool) -> None:
        self._phone_mode = value
        if value:  # else FastRTC resamples each 20 ms by themselves
            self.input_sample_rate = _TELEPHONE

    async def start_up(self) -> None:
        """Hold the session for as long as the client is there."""
        self._client = get_current_context().webrtc_id
        try:
            await self.session.start()
            if self._wanted:
                await self.session.receive(json.dumps({"type": "session.update", "session": self._wanted}))
            await self._gone.wait()
        finally:
            await self.session.close()

    async def shutdown(self) -> None:
        """The client is gone; of a WebSocket, FastRTC cancels `start_up` instead."""
        self._gone.set()
        self._sounds.put_nowait(None)

    async def receive(self, frame: Sound) -> None:
        """Hear the next samples."""
        try:
            await self.session.hear(self._decoder.feed(np.asarray(frame[1]).tobytes()))
        except HarkError as error:
            await self.session.fail(error)

    async def emit(self) -> Sound | None:
        """The next sound to be played, when there is any: this waits, and does not spin."""
        try:
            async with asyncio.timeout(_IDLE_SECONDS):
                return await self._sounds.get()
        except TimeoutError:
            return None

    async def _tell(self, event: dict[str, Any]) -> None:
        if event["type"] == "error":
            _log.warning("A live session: %s", event["error"]["message"])
        if self._on_event:
            try:
                self._on_event(self._client, event)
            except Exception:  # noqa: BLE001 - the session goes on
                _log.exception("on_event failed.")
        if not self.phone_mode:
            await self.send_message(json.dumps(event, ensure_ascii=False, separators=(",", ":")))
        if self._speak and event["type"] == "response.done":
            self._say(event["response"])
        if self._speaking and event["type"] == "input_audio_buffer.speech_started":
            await self._hush()

    def _say(self, response: dict[str, Any]) -> None:
        text = " ".join(part["text"] for item in response["output"] for part in item["content"])
        if text.strip() and response["status"] in ("completed", "incomplete"):
            self._speaking = self.session.spawn(self._said(text))

    async def _said(self, text: str) -> None:
        speak = self._speak or (lambda _: ())
        try:
            async with contextlib.aclosing(steps(lambda: (sound for sound in speak(text)))) as sounds:
                async for rate, sound in _at(self._out, sounds):
                    self._sounds.put_nowait((rate, sound))
        except Exception:  # noqa: BLE001 - the session goes on
            _log.exception("An answer could not be spoken.")

    async def _hush(self) -> None:
        """Stop speaking: somebody interrupts."""
        way = self.session.settings.audio.input.turn_detection
        if self._speaking is None or way is None or not way.interrupt_response:
            return
        self._speaking.cancel()
        self._speaking = None
        while not self._sounds.empty():
            self._sounds.get_nowait()
        self.clear_queue()
        if self.phone_mode:  # what the telephone company holds of the answer
            await self.send_message(json.dumps({"event": "clear", "streamSid": self._client}))


async def _at(rate: int, sounds: AsyncIterator[Sound]) -> AsyncIterator[Sound]:
    """Pieces of one sound, mono float32, all at one rate."""
    resampler: soxr.ResampleStream | None = None
    async for sound in sounds:
        samples = _mono(sound)
        if sound[0] != rate:
            resampler = resampler or soxr.ResampleStream(sound[0], rate, 1, "float32")
            samples = resampler.resample_chunk(samples)
        if len(samples):
            yield rate, samples
    if resampler and len(rest := resampler.resample_chunk(np.zeros(0, np.float32), last=True)):
        yield rate, rest


def _mono(audio: Sound) -> NDArray[np.float32]:
    """Samples (n,) float32, the mean of all channels."""
    samples = np.asarray(audio[1])
    if samples.dtype == np.int16:
        samples = samples / np.float32(32768)
    return np.asarray(np.atleast_2d(samples).mean(axis=0), np.float32)


def _resampled(samples: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """Samples (n,) at 16 kHz."""
    return samples if rate == RATE else np.asarray(soxr.resample(samples, rate, RATE), np.float32)
