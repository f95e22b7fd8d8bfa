"""What tasks share: how a transcript is asked for, the references of a sample, and the clips asked about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from hark.conversation.conversation import Conversation
from hark.evaluation.task import Request

if TYPE_CHECKING:
    from hark.data.sample import Sample
    from hark.engines.engine import Capabilities

# Whose question is asked: that of the data where there is one and the model takes any, or always the task's own.
Question = Literal["data", "task"]


def transcription(sample: Sample, can: Capabilities, question: Question, task: str = "transcribe") -> Request:
    """Ask for a transcript, or a translation of one.

    A model that was tuned on the question of the data is asked that; one that takes no questions gets the task.
    """
    if question == "data" and can.free_prompt and sample.asked.prompt.strip():
        return Request(sample.asked)
    options: dict[str, Any] = {"task": task}
    if sample.language and "language" in can.options:
        options["language"] = sample.language
    if task == "translate" and sample.to:
        options["to"] = sample.to
    return Request(Conversation.ask(sample.clips), options)


def references(sample: Sample) -> tuple[str, ...]:
    """All answers that are right: the target, and those that the data list in `references` or `captions`."""
    more = [sample.about.get(name) for name in ("references", "captions")]
    found = [sample.target, *(text for texts in more if isinstance(texts, list) for text in texts)]
    return tuple(dict.fromkeys(str(text) for text in found if text))


def language(code: str | None) -> str:
    """A language without its region: `zh` of `zh-CN`."""
    return (code or "").lower().replace("_", "-").partition("-")[0]
