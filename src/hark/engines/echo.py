"""The engine that says what it heard: for tests, documentation, and finding out what reaches a model."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import TYPE_CHECKING

from hark.answers.answer import Delta, Notice, Usage
from hark.answers.transcript import Segment
from hark.conversation.conversation import Text
from hark.engines.echo_json import fitting
from hark.engines.engine import Capabilities, Engine, Options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hark.audio.audio import Audio
    from hark.conversation.conversation import Conversation

RATE = 16000
_BLOCK_SECONDS = 2**17 / RATE  # as most are decoded, so that none are joined
_PLAIN = ("task", "timestamps", "schema")  # they decide the form of the answer; all other options are said in it


class Echo(Engine):
    """Decodes every clip in full and answers with its length, its rate and a hash of its samples.

    Transcribing gives one segment for each clip. A free prompt gives what was said, turn by turn, and the options in
    force; with a `schema`, JSON that fits it and depends on what was heard. `max_new_tokens` and `stop` count and cut
    as in a model whose tokens are words.
    """

    name = "echo"
    parallel = 4
    can = Capabilities(
        free_prompt=True,
        tasks=frozenset({"transcribe", "translate"}),
        options=frozenset(field.name for field in fields(Options)) - {"task", "timestamps", "adapter"},
        system_prompt=True,
        several_clips=True,
        several_turns=True,
        timestamps="segment",
        batch_exact=True,
        streams=True,
    )

    def generate(self, conversation: Conversation, options: Options) -> Iterator[Delta]:
        """Hear all clips, then say so word by word."""
        heard: list[_Heard] = []
        before = 0.0
        for audio in conversation.clips:
            known = next((one for one in heard if one.audio == audio), None)
            if known is None:
                yield from _progress(before, known := _Heard(audio))
                yield Delta(notices=(*audio.notices, *known.notices))
            heard.append(known)
            before += known.seconds
        if options.task in self.can.tasks:
            pieces = [piece for one in heard if (piece := _segment(one, options))]
        else:
            text = _report(conversation, heard, options)
            if options.schema:
                text = fitting(options.schema, "".join(text.split(options.schema.words)).strip())
            pieces = [Segment(text, 0.0, before)]
        asked = sum(len(part.split()) for message in conversation.messages for part in [message.text])
        yield from _say(pieces, options, Usage(before, input_tokens=asked))


class _Heard:
    """What there is to say about one clip; iterating decodes it, block by block, and gives the seconds so far."""

    def __init__(self, audio: Audio) -> None:
        self.audio, self.seconds, self.digest, self.silent = audio, 0.0, "", True

    def __iter__(self) -> Iterator[float]:
        import hashlib

        import numpy as np

        hashed = hashlib.sha256()
        samples = 0
        for block in self.audio.stream(rate=RATE, mono=True, block_seconds=_BLOCK_SECONDS):
            hashed.update(np.ascontiguousarray(block, "<f4").data)
            samples += len(block)
            self.silent = self.silent and not block.any()
            self.seconds = samples / RATE
            yield self.seconds
        self.digest = hashed.hexdigest()[:8]

    @property
    def notices(self) -> tuple[Notice, ...]:
        return (Notice("silence", f"There is nothing but silence in {self.audio.name}."),) if self.silent else ()

    def __str__(self) -> str:
        what = " of silence" if self.silent else ""
        return f"{self.seconds:.1f} s{what}, {RATE} Hz, sha256 {self.digest}"


def _progress(before: float, one: _Heard) -> Iterator[Delta]:
    for seconds in one:
        yield Delta(heard=before + seconds)


def _segment(heard: _Heard, options: Options) -> Segment | None:
    """The transcript of one clip: silence gives none, as from a model that invents nothing."""
    if heard.silent:
        return None
    text = f"echo heard {heard}{_said(options)}"
    return Segment(text, 0.0, heard.seconds, language=options.language)


def _report(conversation: Conversation, heard: list[_Heard], options: Options) -> str:
    turns, clips = [], iter(heard)
    for message in conversation.messages:
        parts = [part.text if isinstance(part, Text) else f"[{next(clips)}]" for part in message.parts]
        turns.append(f"{message.role}: {' '.join(parts)}")
    task = f" (task {options.task})" if options.task else ""
    return f"echo heard{task} {' | '.join(turns)}{_said(options)}"


def _said(options: Options) -> str:
    given = {f.name: getattr(options, f.name) for f in fields(options) if f.name not in _PLAIN}
    said = ", ".join(f"{name} {value}" for name, value in given.items() if value is not None)
    return f"; options {said}" if said else ""


def _say(pieces: list[Segment], options: Options, usage: Usage) -> Iterator[Delta]:
    """Stream the pieces word by word, within `stop` and `max_new_tokens`; the last step carries the usage."""
    whole = " ".join(piece.text for piece in pieces)
    text = _cut(whole, options)
    start = 0
    for piece in pieces:
        said = text[start : start + len(piece.text)]
        joint = " " if start and said else ""
        for number, word in enumerate(re.findall(r"\s*\S+", said)):
            yield Delta(text=(joint if number == 0 else "") + word, language=options.to or options.language)
        if said and options.task in Echo.can.tasks:
            segment = Segment(said.rstrip(), piece.start, piece.end, language=piece.language)
            yield Delta(segments=(segment,))
        start += len(piece.text) + 1
    limit = options.max_new_tokens
    short = limit is not None and len(whole.split()) > limit and len(text.split()) == limit
    notices = (Notice("limit", f"The answer broke off at {limit} tokens."),) if short else ()
    yield Delta(notices=notices, usage=Usage(usage.audio_seconds, usage.input_tokens, len(text.split())))


def _cut(text: str, options: Options) -> str:
    for stop in options.stop or ():
        text = text.split(stop, 1)[0] if stop else text
    if options.max_new_tokens is not None:
        words = re.match(rf"(?:\s*\S+){{0,{min(options.max_new_tokens, 10**6)}}}", text)
        text = words.group() if words else ""
    return text.rstrip()
