"""The recordings an answer is about, as sentences with the clip they are from, and how one is quoted."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hark.engines.builtin.sentences import Sentence, sentences

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hark.answers.answer import Notice
    from hark.answers.transcript import Segment, Transcript


@dataclass(frozen=True)
class Heard:
    """One recording: the name people know it by, and what was recognised in it."""

    name: str
    transcript: Transcript

    @cached_property
    def sentences(self) -> tuple[Sentence, ...]:
        """Its sentences, in order."""
        return sentences(self.transcript)


@dataclass(frozen=True)
class Recordings:
    """All recordings of a conversation, in order."""

    heard: tuple[Heard, ...]

    @classmethod
    def of(cls, clips: Sequence[tuple[str, Transcript]]) -> Recordings:
        """Pair names with transcripts."""
        return cls(tuple(Heard(name, transcript) for name, transcript in clips))

    @cached_property
    def sentences(self) -> tuple[Sentence, ...]:
        """The sentences of all recordings, one after the other."""
        return tuple(sentence for heard in self.heard for sentence in heard.sentences)

    @cached_property
    def _names(self) -> dict[int, str]:
        return {id(sentence): heard.name for heard in self.heard for sentence in heard.sentences}

    def where(self, sentence: Sentence) -> str:
        """`[0:12]`, with the clip's name before it where there are several."""
        time = f"[{clock(sentence.start)}]"
        return f"{self._names[id(sentence)]} {time}" if len(self.heard) > 1 else time

    def quote(self, sentence: Sentence) -> str:
        """`[0:12] "we decided to wait"`, marked where the recogniser doubts it."""
        return f'{self.where(sentence)} "{sentence.text}"' + (" (unsure)" if sentence.unsure else "")

    def data(self, sentence: Sentence) -> dict[str, Any]:
        """A quote as plain values: text, start and end in seconds, and the clip where there are several."""
        values: dict[str, Any] = {
            "quote": sentence.text,
            "start": round(sentence.start, 2),
            "end": round(sentence.end, 2),
        }
        if len(self.heard) > 1:
            values["clip"] = self._names[id(sentence)]
        return values | ({"unsure": True} if sentence.unsure else {})


@dataclass(frozen=True)
class Section:
    """The answer to one job: lines to read, the sentences it rests on, plain data, notices."""

    text: str
    quoted: tuple[Sentence, ...] = ()
    data: Any = None
    notices: tuple[Notice, ...] = ()
    evidence: tuple[Segment, ...] = field(default=())


def bullets(lines: Iterable[str]) -> str:
    """Lines as a list."""
    return "\n".join(f"- {line}" for line in lines)


def clock(seconds: float) -> str:
    """A time as `0:12`, or `1:02:03` from an hour on."""
    whole = int(seconds)
    minutes, rest = divmod(whole, 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"
