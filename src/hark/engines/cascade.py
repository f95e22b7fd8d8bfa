"""A transcriber and a text model, joined: a visible choice, never a silent fallback."""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from dataclasses import fields, replace
from typing import TYPE_CHECKING

from hark.answers.answer import Answer, Delta, Notice, Usage
from hark.answers.transcript import Transcript
from hark.conversation.conversation import Conversation, Message, Text
from hark.engines.engine import Capabilities, Engine, Options
from hark.engines.steps import batch_steps
from hark.errors import ModelError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from hark.audio.audio import Audio
    from hark.engines.live import Live

KEPT = 128  # transcripts, for further questions about the same recordings, and the turns of dialogues
TOGETHER = 8  # segments translated at once
TRANSLATE = "Translate into the language {to}. Write only the translation of this one sentence of a talk:\n\n{text}"


def joined(hears: Capabilities, writes: Capabilities) -> Capabilities:
    """What a transcriber and a text model can do together."""
    return replace(
        hears,
        free_prompt=True,
        tasks=frozenset({"transcribe", "translate", "reply"}),
        options=hears.options | writes.options | {"to"},
        system_prompt=writes.system_prompt,
        several_clips=True,
        several_turns=writes.several_turns,
        max_seconds=None,  # of a question: the transcriber splits, and the text model reads
        batch_exact=False,
    )


class Cascade(Engine):
    """A transcriber hears, a text model answers from the transcript; every answer says so.

    Args:
        hears: the engine that transcribes.
        writes: an engine that answers conversations without audio.
    """

    def __init__(self, hears: Engine, writes: Engine) -> None:
        self.name = f"{hears.name} + {writes.name}"
        self.can = joined(hears.can, writes.can)
        self.parallel = min(hears.parallel, writes.parallel)
        self._hears, self._writes = hears, writes
        self._transcripts: OrderedDict[tuple[str, str | None], Transcript] = OrderedDict()
        self._lock = threading.Lock()

    def generate(self, conversation: Conversation, options: Options) -> Iterator[Delta]:
        """Answer from transcripts, each made once; a transcript alone comes from the transcriber.

        Raises:
            UnsupportedError: an option that the one that does the work does not honour.
            ModelError: nobody speaks in the recordings, so that the text model would answer about nothing.
        """
        if options.task == "transcribe":
            _refuse(self._hears, options)
            yield from self._hears.generate(conversation, options)
            return
        wished = replace(options, task=None, to=None, language=None, timestamps=None)
        _refuse(self._writes, wished)
        if options.task == "translate":
            yield from self._translated(conversation.clips[0], options, wished)
            return
        texts: dict[str, str] = {}
        seconds = 0.0
        for clip in conversation.clips:
            if clip.id not in texts:
                transcript = yield from self._transcript(clip, options.language, seconds)
                spoken = options.task == "reply"  # to the text model: its words are what the user says
                texts[clip.id] = transcript.text if spoken else _written(transcript, clip, len(texts) + 1)
                seconds += transcript.duration
        if texts and not any(texts.values()):
            raise ModelError(
                f"{self._hears.name} recognised no words, and {self._writes.name} hears nothing itself.",
                hint="A model that hears for itself may tell what there is: see `hark models`.",
            )
        how = f"{self._writes.name} read what {self._hears.name} wrote down; it heard no voices and no other sounds."
        yield Delta(notices=(Notice("method", how),), heard=seconds)
        for delta in self._writes.generate(_read(conversation, texts), wished):
            usage = replace(delta.usage, audio_seconds=seconds) if isinstance(delta.usage, Usage) else None
            yield replace(delta, usage=usage, heard=None)

    def _translated(self, clip: Audio, options: Options, wished: Options) -> Iterator[Delta]:
        """Each segment in the language wanted, at its own time."""
        transcript = yield from self._transcript(clip, options.language, 0.0)
        how = f"{self._writes.name} translated what {self._hears.name} wrote down."
        yield Delta(notices=(Notice("method", how),), heard=transcript.duration)
        spoken, gap, tokens = iter(transcript.segments), "", [0, 0]
        while some := list(itertools.islice(spoken, TOGETHER)):
            asked = [Conversation().say(TRANSLATE.format(to=options.to, text=part.text)) for part in some]
            answers = yield from batch_steps(self._writes, asked, wished)
            for part, answer in zip(some, answers, strict=True):
                text = " ".join(answer.text.split())
                segment = replace(part, text=text, words=(), language=options.to)
                yield Delta(gap + text, (segment,), answer.notices, language=options.to)
                gap = " "
                tokens[0] += answer.usage.input_tokens or 0
                tokens[1] += answer.usage.output_tokens or 0
        yield Delta(usage=Usage(transcript.duration, tokens[0] or None, tokens[1] or None))

    def live(self, options: Options, *, shows: bool) -> Live | None:
        """As the transcriber does it."""
        return self._hears.live(options, shows=shows)

    def warm(self) -> None:
        """Load both models."""
        self._hears.warm()
        self._writes.warm()

    def close(self) -> None:
        """Let go of both models."""
        self._hears.close()
        self._writes.close()

    def _transcript(self, clip: Audio, language: str | None, before: float) -> Generator[Delta, None, Transcript]:
        """The transcript of a clip, returned when its progress and notices have been told."""
        key = (clip.id, language)
        with self._lock:
            known = self._transcripts.get(key)
            if known:
                self._transcripts.move_to_end(key)
        if known is None:
            steps = []
            options = Options(task="transcribe", language=language)
            for delta in self._hears.generate(Conversation.ask((clip,)), options):
                steps.append(delta)
                yield Delta(heard=None if delta.heard is None else before + delta.heard)
            known = Transcript.of(Answer.of(steps), clip)
            with self._lock:
                self._transcripts[key] = known
                if len(self._transcripts) > KEPT:
                    self._transcripts.popitem(last=False)
        yield Delta(notices=known.notices)
        return known


def _refuse(engine: Engine, options: Options) -> None:
    for field in fields(options):
        set_ = getattr(options, field.name) is not None
        if set_ and field.name not in ("task", "timestamps", *engine.can.options):
            raise UnsupportedError(
                f"{engine.name} cannot honour the option {field.name}, and this is its part of the work.",
                hint=f"It takes {', '.join(sorted(engine.can.options)) or 'no options'}.",
            )


def _written(transcript: Transcript, clip: Audio, number: int) -> str:
    """A transcript as a text model reads it: each segment on a line, with its start and who speaks."""
    if not transcript.text.strip():
        return ""
    lines = [f'Recording {number} ("{clip.name}", {transcript.duration:.0f} s), written down by speech recognition:']
    for part in transcript.segments:
        speaker = f" {part.speaker}:" if part.speaker else ""
        doubt = " (unsure)" if part.unsure else ""
        lines.append(f"[{int(part.start) // 60}:{int(part.start) % 60:02}]{speaker} {part.text}{doubt}")
    return "\n".join(lines if transcript.segments else [*lines, transcript.text])


def _read(conversation: Conversation, texts: dict[str, str]) -> Conversation:
    """The conversation with each clip replaced by what was said in it."""
    silent = "(a recording in which nobody speaks)"

    def read(message: Message) -> Text:
        parts = [part.text if isinstance(part, Text) else texts[part.audio.id] or silent for part in message.parts]
        return Text("\n\n".join(parts))

    return Conversation(tuple(Message(message.role, (read(message),)) for message in conversation.messages))
