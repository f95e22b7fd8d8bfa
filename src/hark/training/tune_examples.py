"""From samples to examples: what a model is asked, as at inference, and the one answer that it is to learn."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hark.conversation.conversation import Conversation, Message, Text
from hark.data.source import Bad
from hark.engines.asking import prepared
from hark.engines.engine import Options
from hark.engines.transformers.families.family import RATE
from hark.errors import DataError, HarkError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from hark.audio.audio import Audio
    from hark.data.sample import Sample
    from hark.engines.engine import Capabilities
    from hark.engines.transformers.engine import Transformers

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
        tokens: about how long it is.
    """

    id: str
    asked: Conversation
    answer: str
    options: Options
    tokens: int


def examples(
    samples: Iterable[Sample], engine: Transformers, bad: Callable[[Bad], None] | None = None
) -> Iterator[Example]:
    """An example of each answer that is to be learned; of a conversation, each turn with all that came before it.

    Args:
        samples: what the data set holds; `Sample.loss` says which answers are learned, all where it says nothing.
        engine: the model; its weights are not needed.
        bad: called with each sample that cannot be learned, which is then left out.

    Raises:
        DataError: a sample has no answer, asks what the model cannot be asked, or has a recording that is not there or
            longer than the model hears.
    """
    for sample in samples:
        try:
            found = list(_answers(sample, engine))
        except DataError as error:
            if bad is None:
                raise
            bad(Bad(sample.id, f"{error.message} {error.hint}".strip()))
        else:
            yield from found


def stretch(samples: NDArray[Any], engine: Transformers) -> NDArray[Any]:
    """What the model is given of a recording to write down: the one stretch that holds speech, else all of it."""
    from hark.audio import windows

    limit, family = min(engine.can.max_seconds or 30.0, 30.0), engine.family
    return windows.stretch(samples, max_seconds=limit, min_silence=family.pause_seconds, padding=family.margin_seconds)


def _answers(sample: Sample, engine: Transformers) -> Iterator[Example]:
    messages = sample.conversation.messages
    places = [place for place, message in enumerate(messages) if message.role == "assistant"]
    if not places:
        raise DataError(f"{sample.id} has no answer to learn.", hint="`hark data check` lists such samples.")
    learned = sample.loss or (True,) * len(places)
    for number, (place, wanted) in enumerate(zip(places, learned, strict=False), 1):
        if wanted:
            told = sample.id if len(places) == 1 else f"{sample.id}#{number}"
            yield _example(sample, told, place, engine)


def digest(found: Iterable[Example]) -> str:
    """A fingerprint of examples: the same for the same questions, answers and names of recordings."""
    made = hashlib.blake2b(digest_size=16)
    for example in found:
        said = [(m.role, m.text, [clip.name for clip in m.clips]) for m in example.asked.messages]
        made.update(repr((example.id, said, example.answer, example.options)).encode())
    return made.hexdigest()


def _example(sample: Sample, told: str, place: int, engine: Transformers) -> Example:
    answer = sample.conversation.messages[place].text
    if not answer.strip():
        raise DataError(f"The answer of {told} is empty.", hint="`hark data check` lists such samples.")
    asked = Conversation(sample.conversation.messages[:place])
    try:
        if asked.clips:
            asked, options = _asked(asked, sample, engine)
        else:
            asked, options = _only_text(asked, engine.can), Options()
        seconds = sum(_seconds(clip, options, engine) for clip in asked.clips)
    except HarkError as error:
        raise DataError(f"{told}: {error.message}", hint=error.hint) from error
    letters = sum(len(message.text) for message in asked.messages) + len(answer)
    return Example(told, asked, answer, options, round(seconds * TOKENS_A_SECOND) + letters // LETTERS_A_TOKEN)


def _seconds(clip: Audio, options: Options, engine: Transformers) -> float:
    """How long a clip is; what is longer than the model hears is refused now, not after hours."""
    seconds, most = clip.duration, engine.can.max_seconds
    if most is not None and seconds > most and options.task is not None:
        seconds = len(stretch(clip.samples(RATE), engine)) / RATE
    if most is not None and seconds > most:
        raise DataError(
            f"{clip.name} lasts {seconds:.0f} s; the model hears {most:.0f} s at once.",
            hint="Cut it into pieces with their own text: rows with `start` and `end`.",
        )
    return seconds


def _asked(asked: Conversation, sample: Sample, engine: Transformers) -> tuple[Conversation, Options]:
    """What an engine would be asked; a question is asked even of a sample whose task has a name."""
    can = engine.can
    task = sample.task if sample.task in OWN else None
    if asked.prompt.strip() and can.free_prompt:
        task = None
    elif task is not None or not asked.prompt.strip():
        asked = _wordless(asked)
        task = task or "transcribe"
    known = sample.language if can.languages is None or sample.language in can.languages else None
    language = known if task in can.tasks and "language" in can.options else None
    to = sample.to if task == "translate" else None
    return prepared(engine.name, can, asked, Options(task=task, language=language, to=to))


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
