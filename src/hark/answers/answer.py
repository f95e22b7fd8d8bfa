"""What comes back from a model: text, what was heard, and what is to be known about it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hark.answers.transcript import Segment
    from hark.errors import CutOffError

NoticeKind = Literal[
    "method",  # how the answer was made
    "truncated",  # the file broke off; what could be decoded was used
    "cleaned",  # samples that are no numbers were replaced
    "silence",  # there was nothing to hear, or nobody spoke
    "split",  # longer than the model hears at once; cut at pauses
    "unsure",  # the model does not trust its own recognition
    "untimed",  # words that no time was found for
    "limit",  # text broke off at a limit
    "partly",  # part of what was asked for cannot be done
    "model",  # a larger model would do better
]


@dataclass(frozen=True, slots=True)
class Notice:
    """One sentence a person should know about an answer; `kind` is for programs."""

    kind: NoticeKind
    text: str

    def __str__(self) -> str:
        return self.text

    def to_dict(self) -> dict[str, str]:
        """Plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Usage:
    """What an answer took: seconds of audio heard, tokens in and out where the model counts them.

    `cached_clips` of its clips were not heard again but known from before, and `cached_tokens` of `input_tokens` were
    not worked through again; both are None where a model keeps nothing.
    """

    audio_seconds: float = 0.0
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_clips: int | None = None
    cached_tokens: int | None = None

    def to_dict(self) -> dict[str, float | int]:
        """Plain values for JSON; counts the model does not make are left out."""
        return {key: value for key, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True)
class Delta:
    """One step of an answer as it is made; every field may be empty.

    `text` is appended to what came before. `segments` are transcribed (or quoted) stretches with times. `heard` is
    how far into the audio of the conversation the model has come, in seconds, for progress bars.
    """

    text: str = ""
    segments: tuple[Segment, ...] = ()
    notices: tuple[Notice, ...] = ()
    heard: float | None = None
    usage: Usage | None = None
    language: str | None = None
    data: Any = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished answer.

    `evidence` holds the stretches of the recording it rests on, with times in seconds, where the model gives them.
    `data` holds the same answer as plain values (lists, dicts) where the task has a structured form; with a `schema`,
    the value of its JSON: an instance of the class that was given, or plain values where it was a JSON Schema.
    """

    text: str
    usage: Usage = Usage()
    notices: tuple[Notice, ...] = ()
    evidence: tuple[Segment, ...] = ()
    language: str | None = None
    data: Any = None

    @classmethod
    def of(cls, deltas: Iterable[Delta]) -> Answer:
        """Collect the steps of an answer; a notice given twice is kept once."""
        text: list[str] = []
        notices: dict[Notice, None] = {}
        evidence: list[Segment] = []
        usage, language, data = Usage(), None, None
        for delta in deltas:
            text.append(delta.text)
            notices.update(dict.fromkeys(delta.notices))
            evidence.extend(delta.segments)
            usage = delta.usage or usage
            language = delta.language or language
            data = delta.data if delta.data is not None else data
        return cls("".join(text), usage, tuple(notices), tuple(evidence), language, data)

    def __str__(self) -> str:
        return self.text

    def to_dict(self) -> dict[str, Any]:
        """The task's schema, `{"generated_text": ...}`, and what else is known."""
        values: dict[str, Any] = {
            "generated_text": self.text,
            "usage": self.usage.to_dict(),
            "notices": [notice.to_dict() for notice in self.notices],
            "evidence": [segment.to_dict() for segment in self.evidence],
        }
        extra = {"language": self.language, "data": _plain(self.data)}
        return values | {key: value for key, value in extra.items() if value is not None}


def as_far(error: CutOffError) -> Answer:
    """What there is of an answer whose JSON broke off.

    Raises:
        CutOffError: nothing is known of it.
    """
    if not isinstance(error.answer, Answer):
        raise error
    return error.answer


def _plain(data: Any) -> Any:
    """Plain values of whatever pydantic made."""
    if data is None:
        return None
    from pydantic_core import to_jsonable_python

    return to_jsonable_python(data)
