"""A text model as a judge of free answers; its verdict, its words and its prompt are in the result."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from hark.answers.answer import Answer
from hark.conversation.conversation import Conversation
from hark.engines.catalog import open_engine, resolve
from hark.engines.engine import Engine, Options
from hark.errors import FetchError, ModelError, OptionError

if TYPE_CHECKING:
    from collections.abc import Sequence

PROMPT = (
    "You judge answers to questions about a recording. You do not hear it; go by the reference answer.\n"
    "The answer may be worded otherwise and say more, but must not contradict the reference.\n\n"
    "Question: {question}\nReference answer: {reference}\nAnswer to judge: {answer}\n\n"
    "Reply with one word: correct or wrong."
)
_TOKENS = 512  # some models think before they reply
_VERDICT = re.compile(r"\b(correct|incorrect|wrong|not correct)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a judge says: right, wrong, or None where it cannot be told; `text` are its words, or why it failed."""

    right: bool | None
    text: str


def judged(judge: str, question: str, references: Sequence[str], answer: str) -> Verdict:
    """Ask a judge about one answer; an empty one is wrong without asking.

    Raises:
        ModelNotFoundError: there is no such judge.
    """
    if not answer:
        return Verdict(False, "")
    engine = _judge(judge)
    prompt = PROMPT.format(question=question, reference=" / ".join(references), answer=answer)
    try:
        said = Answer.of(engine.generate(Conversation().say(prompt), _options(engine))).text
    except (ModelError, FetchError) as error:
        return Verdict(None, str(error))
    return read(said)


def read(text: str) -> Verdict:
    """The verdict in the words of a judge: the last one, as some think aloud first."""
    found = _VERDICT.findall(text.rpartition("</think>")[2])
    return Verdict(found[-1].lower() == "correct" if found else None, text.strip())


@cache
def _judge(name: str) -> Engine:
    writer = resolve("echo", name).writer
    if writer is None:
        raise OptionError(f"{name} is no text model.", hint="Name openai:NAME@http://host:port/v1, or a folder.")
    return open_engine(writer)


def _options(engine: Engine) -> Options:
    wanted: dict[str, Any] = {"temperature": 0.0, "max_new_tokens": _TOKENS}
    return Options.of(**{name: value for name, value in wanted.items() if name in engine.can.options})
