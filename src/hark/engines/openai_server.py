"""Any server that speaks OpenAI's protocol: vLLM, SGLang, llama.cpp, Ollama, OpenAI, the Hugging Face router."""

from __future__ import annotations

import contextlib
import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from hark.answers.answer import Answer, Delta, Notice, Usage
from hark.engines.engine import Capabilities, Engine, Gone, Options, wanted_all, while_wanted
from hark.engines.openai_client import Client, RefusalError, events, explained, parsed
from hark.engines.openai_wire import Bare, ChatReply, Transcription, chat_body, transcription_form
from hark.errors import UnsupportedError
from hark.tasks import TASKS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hark.answers.schema import Schema
    from hark.audio.audio import Audio
    from hark.audio.windows import Window
    from hark.conversation.conversation import Conversation

RATE = 16000
# Seconds uploaded at once for transcription: vLLM decodes no more, and as 16-bit WAV it is below the 25 MB that vLLM
# and OpenAI take.
STRETCH = 600.0
AT_ONCE = 4  # conversations of a batch that are asked at a time
_PATHS = {"transcribe": "audio/transcriptions", "translate": "audio/translations"}

# What servers want otherwise than OpenAI: the change, and the words by which they refuse to do it OpenAI's way.
_CHAT = {
    "max_completion_tokens": r"max_tokens|max_completion_tokens",
    "no stream_options": r"stream_options|include_usage",
    "audio_url": r"input_audio|audio_url|\bpart\b|\bcontent\b|message format",
}
# How else a schema is told, each where the ways before it are refused: see `chat_body`.
_SCHEMA = dict.fromkeys(
    ("schema not strict", "schema as json_object", "schema in words"),
    # not the words "JSON Schema": they are in the prompt, and some refusals repeat it
    r"response_format|json_schema|json_object|(?<!json )schema|schema (contains|conversion)|structured|grammar",
)
_TRANSCRIPTION = {
    "no words": r"granularit|timestamp|\bword",
    "no times": r"verbose_json|response_format|granularit|timestamp|\bsegment",
    "no stream": r"\bstream",
}
_NO_SCHEMA = "its server takes no schema, or not this one."
_NO_ENDPOINT = re.compile(r"support.*(transcription|translation)|(transcription|translation).*support", re.IGNORECASE)


class OpenAIServer(Engine):
    """A model on a server; audio is decoded here and always sent, and nothing is sent before it is asked.

    Args:
        name: `openai:MODEL@http://host:port/v1`, or `openai:MODEL` for `OPENAI_BASE_URL`, else OpenAI itself.
        timeout: seconds that the server may be silent.
        backoff: seconds before the first retry.

    Raises:
        ModelNotFoundError: the name is incomplete or holds an address that cannot be used.
    """

    parallel = 32  # it is the server that works
    can = Capabilities(
        free_prompt=True,
        tasks=frozenset(_PATHS),
        options=frozenset({"language", "to", "temperature", "top_p", "max_new_tokens", "seed", "stop", "schema"}),
        system_prompt=True,
        several_clips=True,
        several_turns=True,
        timestamps="word",  # where the server gives them; it is known when it is asked
        streams=True,
    )

    def __init__(self, name: str, *, timeout: float = 600.0, backoff: float = 0.5) -> None:
        self.name = name
        self._model, url = parsed(name)
        self._client = Client(url, timeout=timeout, backoff=backoff)
        self._learned: frozenset[str] = frozenset()  # the changes this server wants, and endpoints it lacks
        self._ways: dict[Schema, frozenset[str]] = {}  # those it wants for one schema: it may take another as it is

    def generate(self, conversation: Conversation, options: Options) -> Iterator[Delta]:
        """Ask the server; a transcript or translation comes from its own endpoint, where it has one.

        Raises:
            ModelNotFoundError: the server has no such model; the hint lists those it has.
            ModelError: it was not reached, failed, or answered nothing.
            UnsupportedError, OptionError: it refused what was asked, in its own words.
        """
        if options.to is not None and options.task != "translate":
            raise UnsupportedError(f"{self.name} cannot honour the option to here.", hint="Translate, or say it.")
        try:
            if options.task not in _PATHS:
                yield from self._answer(conversation, options)
            elif why := self._needs_words(conversation, options):
                yield from self._in_words(conversation, options, why)
            else:
                yield from self._listen(conversation, options)
        except RefusalError as refusal:
            raise explained(refusal, self.name, self._client) from None

    def generate_batch(
        self, conversations: Sequence[Conversation], options: Options, gone: Gone = wanted_all
    ) -> list[Answer]:
        """Answer several conversations, a few at a time: it is the server that works.

        The first is asked alone, so that what this server wants otherwise is learnt once.

        Raises:
            HarkError: as `generate`.
        """
        from concurrent.futures import ThreadPoolExecutor

        def one(number: int) -> Answer:
            make = partial(self.generate, conversations[number], options)
            return Answer.of(while_wanted(make, partial(gone, number)))

        numbers = range(len(conversations))
        first = [one(number) for number in numbers[:1]]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return [*first, *pool.map(one, numbers[1:])]

    def close(self) -> None:
        """Close all connections; they are opened again when next asked."""
        self._client.close()

    def _needs_words(self, conversation: Conversation, options: Options) -> str | None:
        """Why a task has to be put into words for the chat endpoint; None where it need not."""
        if conversation.system or conversation.turns > 1 or conversation.prompt.strip():
            return "a transcription endpoint takes no other text"
        if options.task == "translate" and options.to not in (None, "en"):
            return "a translation endpoint translates to English alone"
        if options.task == "translate" and options.language:
            return "a translation endpoint is not told the language spoken"
        for name in ("top_p", "max_new_tokens", "seed", "stop"):
            if getattr(options, name) is not None:
                return f"transcription endpoints do not know {name}"
        return f"its server has no {options.task} endpoint" if f"no {options.task}" in self._learned else None

    def _listen(self, conversation: Conversation, options: Options) -> Iterator[Delta]:
        """Transcribe clip after clip by the endpoint; where there turns out to be none, ask in words."""
        total, begun = Usage(), False
        for number, clip in enumerate(conversation.clips):
            run = _Listening(self, clip, options)
            try:
                with contextlib.closing(run.steps()) as steps:  # type: ignore[type-var]
                    for step in steps:
                        glue = "\n" if number and step.text and begun and not run.begun else ""
                        begun, run.begun = begun or bool(step.text), run.begun or bool(step.text)
                        yield replace(step, text=glue + step.text)
            except RefusalError as refusal:
                if begun or not _no_endpoint(refusal):
                    raise
                self._learned |= {f"no {options.task}"}
                why = f"its server has no {options.task} endpoint"
                yield from self._in_words(conversation, options, why)
                return
            total = _together(total, run.usage)
        yield Delta(usage=total)

    def _in_words(self, conversation: Conversation, options: Options, why: str) -> Iterator[Delta]:
        """Ask the model itself for a task that has an endpoint."""
        if options.timestamps not in (None, "none"):
            raise UnsupportedError(f"{self.name} cannot give times: {why}.", hint="Leave out timestamps.")
        heard = [_spoken_in(clip) for clip in conversation.clips]
        if not any(spoken for _, spoken in heard):
            yield _silence(conversation.clips, Usage(sum(seconds for seconds, _ in heard)))
            return
        task = TASKS[options.task or "transcribe"]
        asked = conversation.with_prompt(task.prompt.format(language=options.to or "en"))
        yield Delta(notices=(Notice("method", f"{self.name} was asked in words, because {why}."),))
        yield from self._answer(asked, replace(options, task=None, to=None))

    def _answer(self, conversation: Conversation, options: Options) -> Iterator[Delta]:
        """Chat: the question and all its audio in one request."""
        if options.timestamps not in (None, "none"):
            raise UnsupportedError(f"{self.name} cannot give times of what it answers.", hint="Transcribe.")
        if options.language:
            conversation = conversation.with_prompt(f"The language spoken is {options.language!r}.")

        def attempt(changes: frozenset[str]) -> Iterator[Delta]:
            reply, bare = ChatReply(), Bare() if options.schema else None
            notices = tuple(notice for clip in conversation.clips for notice in clip.notices)
            if "schema in words" in changes:
                notices += (Notice("method", f"{self.name} was asked for JSON in words alone: {_NO_SCHEMA}"),)
            body = chat_body(self._model, conversation, options, changes)
            seconds = sum(clip.duration for clip in conversation.clips)  # counted: they are decoded by now
            with self._client.post("chat/completions", json=body) as response:
                yield Delta(heard=seconds, notices=notices)
                for event in events(response):
                    text = reply.read(event)
                    yield Delta(bare.take(text) if bare else text)  # empty where held back: a place to stop
            yield Delta(notices=reply.conclude(self.name), usage=Usage(seconds, *reply.tokens))

        yield from self.adapting(attempt, _CHAT, options.schema)

    def adapting(
        self,
        attempt: Callable[[frozenset[str]], Iterator[Delta]],
        remedies: dict[str, str],
        schema: Schema | None = None,
    ) -> Iterator[Delta]:
        """Make a request, and make it again in another way where the server's refusal names what it does not take.

        A way that worked is remembered for this server, or for this schema. If a remedy is refused for what it should
        have mended, the refusal is the one that came first.
        """
        changes, causes = self._learned, dict[str, RefusalError]()
        if schema:
            changes, remedies = changes | self._ways.get(schema, frozenset()), _SCHEMA | remedies
        while True:
            try:
                with contextlib.closing(attempt(changes)) as steps:  # type: ignore[type-var]
                    for step in steps:
                        self._remember(changes, schema)
                        yield step
            except RefusalError as refusal:
                if refusal.status not in (400, 415, 422) and not (schema and refusal.status == 500):  # llama.cpp: 500
                    raise
                named = [way for way, words in remedies.items() if re.search(words, refusal.said, re.IGNORECASE)]
                new = [way for way in named if way not in changes]
                if not new:
                    raise next((causes[way] for way in named if way in causes), refusal) from None
                causes[new[0]] = refusal
                changes |= {new[0]}
            else:
                return

    def _remember(self, changes: frozenset[str], schema: Schema | None) -> None:
        self._learned |= changes - set(_SCHEMA)
        if schema and changes & set(_SCHEMA):
            self._ways = {**dict(list(self._ways.items())[-63:]), schema: changes & set(_SCHEMA)}

    def upload(self, stretch: Window, options: Options, into: Transcription) -> Iterator[Delta]:
        """Have one stretch transcribed or translated by the endpoint."""
        from hark.audio.audio import Audio

        wav = Audio.of(stretch.samples, RATE).to_wav()
        path = _PATHS[options.task or "transcribe"]

        def attempt(changes: frozenset[str]) -> Iterator[Delta]:
            form = transcription_form(self._model, options, changes)
            if options.timestamps in ("segment", "word") and form["response_format"] == "json":
                raise UnsupportedError(f"{self.name} cannot give times.", hint="Leave out timestamps.")
            with self._client.post(path, data=form, files={"file": ("audio.wav", wav, "audio/wav")}) as response:
                yield from into.read(events(response), stretch)
            if options.timestamps == "word" and into.said and not into.words:
                raise UnsupportedError(
                    f"{self.name} cannot give times of each word.", hint="Ask for segments, or --align-with."
                )

        yield from self.adapting(attempt, _TRANSCRIPTION)


class _Listening:
    """One clip through the transcription endpoint, stretch by stretch; a stretch without speech is not sent."""

    def __init__(self, engine: OpenAIServer, clip: Audio, options: Options) -> None:
        self.engine, self.clip, self.options = engine, clip, options
        self.usage = Usage()
        self.begun = False

    def steps(self) -> Iterator[Delta]:
        from hark.answers.doubt import unspoken
        from hark.audio.speech import speech
        from hark.engines.faster_whisper import cut

        into = Transcription(self.options)
        stretches, sent, seconds = 0, 0, 0.0
        for stretch in cut(self.clip.stream(rate=RATE, mono=True), STRETCH):
            stretches, seconds = stretches + 1, stretch.end
            if spoken := [(stretch.start + s / RATE, stretch.start + e / RATE) for s, e in speech([stretch.samples])]:
                sent += 1
                with contextlib.closing(self.engine.upload(stretch, self.options, into)) as steps:  # type: ignore[type-var]
                    for step in steps:
                        segments, doubts = unspoken(step.segments, spoken)
                        yield replace(step, segments=segments, notices=(*step.notices, *doubts))
            yield Delta(heard=seconds)
        self.usage = replace(into.usage, audio_seconds=seconds)
        yield Delta(notices=self._notices(into, stretches, sent), language=into.language)

    def _notices(self, into: Transcription, stretches: int, sent: int) -> tuple[Notice, ...]:
        found = [*self.clip.notices, *into.notices]
        if not into.said:
            what = "no words were recognised" if sent else "nobody speaks"
            found.append(Notice("silence", f"In {self.clip.name} {what}."))
        if into.limited:
            found.append(Notice("limit", "The text broke off at a limit of tokens."))
        if stretches > 1:
            found.append(
                Notice("split", f"{self.clip.name} was sent in stretches of up to {STRETCH / 60:.0f} minutes.")
            )
        return tuple(found)


def _spoken_in(clip: Audio) -> tuple[float, bool]:
    """The seconds of a clip, and whether anybody speaks in it."""
    from hark.audio.speech import speech

    spoken = next(speech(clip.stream(rate=RATE, mono=True)), None) is not None
    return clip.duration, spoken


def _silence(clips: tuple[Audio, ...], usage: Usage) -> Delta:
    notices = [Notice("silence", f"In {clip.name} nobody speaks.") for clip in clips]
    return Delta(notices=(*(n for clip in clips for n in clip.notices), *notices), usage=usage)


def _no_endpoint(refusal: RefusalError) -> bool:
    """Does a refusal mean that the server has no such endpoint, rather than no such model?"""
    if refusal.no_model:
        return False
    return refusal.status in (404, 405, 501) or (refusal.status == 400 and bool(_NO_ENDPOINT.search(refusal.said)))


def _together(one: Usage, other: Usage) -> Usage:
    tokens = [
        None if a is None and b is None else (a or 0) + (b or 0)
        for a, b in ((one.input_tokens, other.input_tokens), (one.output_tokens, other.output_tokens))
    ]
    return Usage(one.audio_seconds + other.audio_seconds, *tokens)
