"""From samples to examples: what a model is asked, as at inference, and the one answer that it is to learn."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hark.conversation.conversation import Conversation, Message, Text
from hark.engines.asking import prepared
from hark.engines.engine import Options
from hark.errors import DataError, HarkError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hark.data.sample import Sample
    from hark.engines.engine import Capabilities

TOKENS_A_SECOND = 25  # of audio; models make 6 to 50, and the two that most people use make 25
LETTERS_A_TOKEN = 4
OWN = ("transcribe", "translate")  # tasks that models have a way of their own for


@dataclass(frozen=True, slots=True)
class Example:
    """One question and its answer.

    Attributes:
        id: that of its sample; of a later answer of the same conversation with `#` and its number.
        asked: the conversation up to the answer, put into words as an engine is asked.
        answer: the text to learn.
        options: the task and the languages, as an engine is given them.
    """

    id: str
    asked: Conversation
    answer: str
    options: Options

    @property
    def tokens(self) -> int:
        """About how long it is, told without decoding it."""
        seconds = sum(clip.duration for clip in self.asked.clips)
        letters = sum(len(message.text) for message in self.asked.messages) + len(self.answer)
        return round(seconds * TOKENS_A_SECOND) + letters // LETTERS_A_TOKEN


def examples(samples: Iterable[Sample], name: str, can: Capabilities) -> Iterator[Example]:
    """An example of each answer that is to be learned; of a conversation, each turn with all that came before it.

    Args:
        samples: what the data set holds; `Sample.loss` says which answers are learned, all where it says nothing.
        name: how the model is named to people.
        can: what the model can do.

    Raises:
        DataError: a sample has no answer, or asks what the model cannot be asked.
    """
    for sample in samples:
        messages = sample.conversation.messages
        places = [place for place, message in enumerate(messages) if message.role == "assistant"]
        if not places:
            raise DataError(f"{sample.id} has no answer to learn.", hint="`hark data check` lists such samples.")
        learned = sample.loss or (True,) * len(places)
        for number, (place, wanted) in enumerate(zip(places, learned, strict=False), 1):
            if wanted:
                told = sample.id if len(places) == 1 else f"{sample.id}#{number}"
                yield _example(sample, told, place, name, can)


def digest(found: Iterable[Example]) -> str:
    """A fingerprint of examples: the same for the same questions, answers and names of recordings."""
    made = hashlib.blake2b(digest_size=16)
    for example in found:
        said = [(m.role, m.text, [clip.name for clip in m.clips]) for m in example.asked.messages]
        made.update(repr((example.id, said, example.answer, example.options)).encode())
    return made.hexdigest()


def _example(sample: Sample, told: str, place: int, name: str, can: Capabilities) -> Example:
    answer = sample.conversation.messages[place].text
    if not answer.strip():
        raise DataError(f"The answer of {told} is empty.", hint="`hark data check` lists such samples.")
    asked = Conversation(sample.conversation.messages[:place])
    try:
        if not asked.clips:
            return Example(told, _only_text(asked, can), answer, Options())
        return Example(told, *_asked(asked, sample, name, can, answer))
    except DataError:
        raise
    except HarkError as error:
        raise DataError(f"{told}: {error.message}", hint=error.hint) from error


def _asked(
    asked: Conversation, sample: Sample, name: str, can: Capabilities, answer: str
) -> tuple[Conversation, str, Options]:
    """What an engine would be asked; a question is asked even of a sample whose task has a name."""
    task = sample.task if sample.task in OWN else None
    if asked.prompt.strip() and can.free_prompt:
        task = None
    elif task is not None or not asked.prompt.strip():
        asked = _wordless(asked)
        task = task or "transcribe"
    known = sample.language if can.languages is None or sample.language in can.languages else None
    language = known if task in can.tasks and "language" in can.options else None
    to = sample.to if task == "translate" else None
    conversation, options = prepared(name, can, asked, Options(task=task, language=language, to=to))
    return conversation, answer, options


def _wordless(asked: Conversation) -> Conversation:
    """Without the words of its users: a transcript of a recording is not asked for in words."""
    kept = (
        Message(m.role, tuple(part for part in m.parts if not isinstance(part, Text))) if m.role == "user" else m
        for m in asked.messages
    )
    return Conversation(tuple(message for message in kept if message.parts))


def _only_text(asked: Conversation, can: Capabilities) -> Conversation:
    if not can.free_prompt:
        raise DataError("There is no recording, and the model only writes down.", hint="Leave such samples out.")
    return asked
