"""Whisper through faster-whisper and CTranslate2: word times, languages, translation to English, on CPU or GPU."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, Any

from hark.answers.answer import Delta, Notice, Usage
from hark.answers.transcript import Segment, Word
from hark.engines import whisper_folder
from hark.engines.engine import Capabilities, Engine, Options
from hark.engines.loading import Loading
from hark.errors import HarkError, ModelError, OptionError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from hark.audio.audio import Audio
    from hark.audio.windows import Window
    from hark.conversation.conversation import Conversation

RATE = 16000
STRETCH = 120.0  # seconds given to the library at once, so that memory does not grow with the recording
_TAIL = 30.0  # seconds at the end of a stretch in which the best pause is looked for

# From openai/whisper, `transcribe`: below or above these it holds its own output for failed, or for no speech.
_LOG_PROBABILITY, _COMPRESSION, _NO_SPEECH = -1.0, 2.4, 0.6
_WORD_PROBABILITY = 0.15  # openai/whisper, `word_anomaly_score`
_LANGUAGE_PROBABILITY = 0.5
_DEFAULT = Loading()


class FasterWhisper(Engine):
    """A CTranslate2 Whisper folder; the weights are loaded when it is first asked, and nothing is ever fetched."""

    def __init__(self, name: str, folder: Path, loading: Loading = _DEFAULT) -> None:
        self.name, self.folder, self.loading = name, folder, loading
        whisper_folder.refuse(name, loading)
        self.can = self.capabilities(name, folder)
        self._model: Any = None
        self._loading = threading.Lock()

    @staticmethod
    def capabilities(name: str, folder: Path | None) -> Capabilities:
        """What a Whisper can do, told from its vocabulary, or from its name alone where it is not here.

        Raises:
            ModelBrokenError: the folder lacks a file, or its vocabulary cannot be read.
        """
        languages = whisper_folder.named_languages(name) if folder is None else whisper_folder.languages(folder)
        kind = f"{name} {folder.name if folder else ''}"
        if "distil" in kind:  # trained on English alone, whatever their vocabulary holds (their model cards)
            languages = frozenset({"en"})
        translates = len(languages) > 1 and "turbo" not in kind  # turbo was not trained to translate (model card)
        return Capabilities(
            free_prompt=False,
            tasks=frozenset({"transcribe", "translate"} if translates else {"transcribe"}),
            options=frozenset({"language", "to", "temperature", "beams", "max_new_tokens"}),
            timestamps="word",
            languages=languages,
            batch_exact=True,
            streams=True,
        )

    def generate(self, conversation: Conversation, options: Options) -> Iterator[Delta]:
        """Transcribe or translate the clip, segment by segment.

        Raises:
            UnsupportedError: translation to a language other than English.
            OptionError: beams together with a temperature above 0.
            ModelBrokenError: the folder lacks a file, or one is damaged.
            ModelError: the model failed while it worked.
        """
        _refuse(self.name, options)
        audio = conversation.clips[0]
        model = self._loaded()
        try:
            yield from _Run(model, options).over(audio)
        except HarkError:
            raise
        except RuntimeError as error:
            raise ModelError(f"{self.name} failed: {error}", hint="`hark doctor` checks the model.") from error

    def warm(self) -> None:
        """Load the weights."""
        self._loaded()

    def close(self) -> None:
        """Let go of the weights; they are loaded again when next asked."""
        with self._loading:
            self._model = None

    def _loaded(self) -> Any:
        with self._loading:
            if self._model is None:
                self._model = whisper_folder.load(self.folder, self.loading)
            return self._model


class _Run:
    """One transcription: what was asked, and how far it has come."""

    def __init__(self, model: Any, options: Options) -> None:
        self.model, self.options = model, options
        self.language = options.language
        self.cursor = 0.0  # seconds; nothing that comes begins before it
        self.seconds = 0.0  # heard so far
        self.tokens = self.segments = self.doubtful = 0
        self.spoken = self.stopped = False
        self.notices: list[Notice] = []

    def over(self, audio: Audio) -> Iterator[Delta]:
        stretches = 0
        for stretch in cut(audio.stream(rate=RATE, mono=True), STRETCH):
            if self._full():
                break
            stretches, self.seconds = stretches + 1, stretch.end
            yield from self._transcribe(stretch)
            yield Delta(heard=self.seconds)
        self._conclude(audio.name, stretches)
        yield Delta(
            notices=(*audio.notices, *self.notices),
            usage=Usage(self.seconds, output_tokens=self.tokens),
            language=self._written,
        )

    @property
    def _written(self) -> str | None:
        return "en" if self.options.task == "translate" else self.language

    def _full(self) -> bool:
        """Has the limit of tokens been reached, with more to come?"""
        limit = self.options.max_new_tokens
        if limit is not None and self.tokens >= limit and not self.stopped:
            self.stopped = True
            self.notices.append(Notice("limit", f"The text broke off at {limit} tokens."))
        return self.stopped

    def _transcribe(self, stretch: Window) -> Iterator[Delta]:
        given = {"beam_size": self.options.beams, "temperature": self.options.temperature}
        found, about = self.model.transcribe(
            stretch.samples,
            language=self.language,
            task=self.options.task,
            word_timestamps=self.options.timestamps in (None, "word"),
            vad_filter=True,
            **{key: value for key, value in given.items() if value is not None},
        )
        if not about.duration_after_vad:
            return
        self.spoken = True
        if self.language is None:
            self._hear_language(about)
        for raw in found:
            if self._full():
                return
            yield self._delta(raw, stretch)

    def _hear_language(self, about: Any) -> None:
        self.language = about.language
        if about.language_probability < _LANGUAGE_PROBABILITY:
            taken = f"The language was taken to be {about.language!r}, with a probability of only"
            self.notices.append(Notice("unsure", f"{taken} {about.language_probability:.2f}; name it to make sure."))

    def _delta(self, raw: Any, stretch: Window) -> Delta:
        text, words, tokens = self._within_limit(raw)
        start = self._clock(raw.start, stretch)
        timed = tuple([self._word(word, stretch) for word in words])
        end = self._clock(raw.end, stretch) if len(words) == len(raw.words or ()) else self.cursor
        doubtful = (
            raw.avg_logprob < _LOG_PROBABILITY
            or raw.compression_ratio > _COMPRESSION
            or raw.no_speech_prob > _NO_SPEECH
        )
        confidence = round(math.exp(min(0.0, raw.avg_logprob)), 3)
        segment = Segment(text, start, end, timed, confidence, language=self._written, unsure=doubtful)
        joint = " " if self.segments else ""
        self.tokens, self.segments, self.doubtful = self.tokens + tokens, self.segments + 1, self.doubtful + doubtful
        return Delta(joint + text, (segment,), heard=end, language=self._written)

    def _within_limit(self, raw: Any) -> tuple[str, list[Any], int]:
        """The text, words and number of tokens of a segment, as far as the limit of tokens allows."""
        tokenizer, words = self.model.hf_tokenizer, list(raw.words or ())
        tokens = [token for token in raw.tokens if token < tokenizer.token_to_id("<|endoftext|>")]
        left = len(tokens) if self.options.max_new_tokens is None else self.options.max_new_tokens - self.tokens
        if left >= len(tokens):
            return raw.text.strip(), words, len(tokens)
        text = tokenizer.decode(tokens[:left])
        self.tokens += left
        self._full()
        self.tokens -= left
        while words and len("".join(word.word for word in words)) > len(text):
            words.pop()
        return text.strip(), words, left

    def _clock(self, seconds: float, stretch: Window) -> float:
        """A time of a stretch in the clock of the recording: never before the one given last, nor beyond the end."""
        self.cursor = round(min(max(self.cursor, stretch.start + float(seconds)), stretch.end), 3)
        return self.cursor

    def _word(self, raw: Any, stretch: Window) -> Word:
        start, end = self._clock(raw.start, stretch), self._clock(raw.end, stretch)
        probability = float(raw.probability)
        return Word(raw.word.strip(), start, end, round(probability, 3), unsure=probability < _WORD_PROBABILITY)

    def _conclude(self, name: str, stretches: int) -> None:
        if not self.segments:
            what = "no words were recognised" if self.spoken else "nobody speaks"
            self.notices.append(Notice("silence", f"In {name} {what}."))
        if self.doubtful:
            self.notices.append(
                Notice("unsure", f"{self.doubtful} of {self.segments} segments are doubtful; they are marked unsure.")
            )
        if stretches > 1:
            self.notices.append(
                Notice("split", f"{name} was heard in {stretches} stretches of up to {STRETCH / 60:.0f} minutes.")
            )


def cut(blocks: Iterable[NDArray[Any]], seconds: float) -> Iterator[Window]:
    """Cut a recording, silence and all, into stretches that end in pauses; each sample is in exactly one.

    Args:
        blocks: float32 mono at 16 kHz.
        seconds: the longest stretch; the pause is looked for in its last 30 s at most.
    """
    import numpy as np

    from hark.audio.windows import Window

    held, length, start, most = [np.zeros(0, np.float32)], 0, 0, int(seconds * RATE)
    for block in blocks:
        held.append(block)
        length += len(block)
        while length > most:
            joined = np.concatenate(held)
            end = _pause(joined[:most])
            yield Window(joined[:end], start / RATE, (start + end) / RATE)
            held, length, start = [joined[end:].copy()], length - end, start + end
    if length:
        yield Window(np.concatenate(held), start / RATE, (start + length) / RATE)


def _pause(samples: NDArray[Any]) -> int:
    """The middle of the longest pause in the last part of a stretch, as a position in samples.

    Where nobody pauses it is where speech is weakest.
    """
    from hark.audio.windows import windows

    tail = min(int(_TAIL * RATE), len(samples) // 2)
    offset = len(samples) - tail
    spoken = [
        (round(window.start * RATE), round(window.end * RATE))
        for window in windows([samples[offset:]], max_seconds=max(1.0, tail / RATE - 1.0))
    ]
    edges = [0, *(edge for stretch in spoken for edge in stretch), tail]
    pauses = list(zip(edges[::2], edges[1::2], strict=True))
    begin, end = max(pauses, key=lambda pause: (pause[1] - pause[0], 0 < pause[0] < tail, pause[0]))
    return offset + (begin + end) // 2


def _refuse(name: str, options: Options) -> None:
    if options.to not in (None, "en") and options.task == "translate":
        raise UnsupportedError(f"{name} cannot translate to {options.to!r}, only to English.", hint="Use --to en.")
    if options.to is not None and options.task != "translate":
        raise UnsupportedError(f"{name} transcribes in the language spoken.", hint="Translate to get another language.")
    if (options.temperature or 0) > 0 and (options.beams or 1) > 1:
        raise OptionError("Beams and a temperature above 0 exclude each other.", hint="Set one of them.")
