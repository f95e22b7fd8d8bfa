"""A spoken command: what somebody wants of a machine, as an intent with slots, or that it was not understood."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hark.conversation.conversation import Conversation
from hark.engines.engine import Options, check
from hark.tasks.command.asked import prompt, schema
from hark.tasks.command.parse import parsed

if TYPE_CHECKING:
    from hark.answers.answer import Answer, Notice
    from hark.answers.transcript import Transcript
    from hark.audio.audio import Audio
    from hark.engines.engine import Capabilities
    from hark.listener import Listener
    from hark.tasks.command.grammar import Grammar

FITS = 0.6  # the share of a transcript that must fit the grammar


@dataclass(frozen=True, slots=True)
class Command:
    """A spoken command.

    Attributes:
        understood: was it one of the grammar's commands? Where not, there is no intent and there are no slots.
        intent: what is wanted, by its name in the grammar.
        slots: the values that were said, by the names of their slots.
        confidence: how sure that is, 0 to 1; None where the model gives no measure of it.
        text: the words that were recognised.
        start, end: seconds of the recording.
        notices: what is to be known about it.
    """

    understood: bool
    intent: str | None = None
    slots: dict[str, str] = field(default_factory=dict)
    confidence: float | None = None
    text: str = ""
    start: float = 0.0
    end: float = 0.0
    notices: tuple[Notice, ...] = ()

    def __bool__(self) -> bool:
        return self.understood

    def __str__(self) -> str:
        if not self.understood:
            return "not understood"
        return f"{self.intent}({', '.join(f'{name}={value}' for name, value in self.slots.items())})"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "understood": self.understood,
            "intent": self.intent,
            "slots": dict(self.slots),
            "confidence": self.confidence,
            "text": self.text,
            "start": self.start,
            "end": self.end,
            "notices": [notice.to_dict() for notice in self.notices],
        }

    def to_markdown(self) -> str:
        """A heading and a table of the slots."""
        if not self.understood:
            return f"**Not understood.**{f' Heard: {_cell(self.text)}' if self.text else ''}\n"
        lines = [f"**{_cell(self.intent or '')}**", ""]
        if self.slots:
            lines += ["| slot | value |", "|---|---|"]
            lines += [f"| {_cell(name)} | {_cell(value)} |" for name, value in self.slots.items()]
        return "\n".join(lines).rstrip() + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def way(can: Capabilities) -> str:
    """How a model takes a command: by recognising the grammar itself, by choosing in JSON, or by its transcript."""
    if "command" in can.tasks:
        return "own"
    return "asked" if can.free_prompt and "schema" in can.options else "transcript"


def refuse(name: str, can: Capabilities, clip: Audio, grammar: Grammar, language: str | None = None) -> None:
    """Refuse what the model cannot do, before anything is loaded.

    Raises:
        UnsupportedError: it is beyond the model.
        OptionError: the grammar holds what the offline default cannot pronounce.
    """
    wanted: dict[str, dict[str, Any]] = {
        "own": {"task": "command", "grammar": grammar},
        "asked": {"schema": schema(grammar)},
        "transcript": {"task": "transcribe"},
    }
    check(name, can, Conversation.ask((clip,)), Options.of(**wanted[way(can)], language=language))


def command(listener: Listener, clip: Audio, grammar: Grammar, language: str | None = None) -> Command:
    """See `Listener.command`."""
    refuse(listener.engine.name, listener.can, clip, grammar, language)
    how = way(listener.can)
    extra: dict[str, Any] = {"language": language} if language else {}
    if how == "own":
        answer = listener.ask(clip, task="command", grammar=grammar, **extra)
        found = Command(**answer.data, notices=answer.notices)
    elif how == "asked":
        answer = listener.ask(clip, prompt(grammar), schema=schema(grammar), **extra)
        found = _chosen(answer, grammar)
    else:
        found = _read(listener.transcribe(clip, **extra), grammar)
    return found


def _chosen(answer: Answer, grammar: Grammar) -> Command:
    """The command that a model chose; slots that its intent does not have are left out."""
    said = answer.data
    end = answer.usage.audio_seconds
    text = said["heard"] or ""
    if not said["understood"] or said["intent"] is None:
        return Command(False, text=text, end=end, notices=answer.notices)
    own = grammar.automaton.intents[said["intent"]]
    slots = {name: value for name, value in said["slots"].items() if value in own.get(name, ())}
    return Command(True, said["intent"], slots, None, text, 0.0, end, answer.notices)


def _read(transcript: Transcript, grammar: Grammar) -> Command:
    """The command that fits a transcript; how well it fits, times how sure the words are, is its confidence."""
    found = parsed(grammar.automaton, transcript.text)
    sure = [segment.confidence for segment in transcript.segments if segment.confidence is not None]
    trust = sum(sure) / len(sure) if sure else 1.0
    start = min((segment.start for segment in transcript.segments), default=0.0)
    end = max((segment.end for segment in transcript.segments), default=transcript.duration)
    confidence = round((found.fit if found else 0.0) * trust, 3)
    understood = found is not None and found.fit >= FITS
    intent, slots = (found.intent, found.slots) if found and understood else (None, {})
    return Command(understood, intent, slots, confidence, transcript.text, start, end, transcript.notices)
