"""Notes by rule from a transcript, in English: every sentence in them is a quote."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import TYPE_CHECKING

from hark.engines.builtin.meeting import Action, actions, decisions
from hark.engines.builtin.names import MAYBE_NAMES, NAMES
from hark.engines.builtin.patterns import Phrases
from hark.engines.builtin.sentences import sentences
from hark.engines.builtin.summary import summary
from hark.tasks.notes.chapters import chapters
from hark.tasks.notes.dates import due
from hark.tasks.notes.values import ActionItem, Chapter, Decision, Notes, OpenQuestion, Point
from hark.tasks.quotes import Quote

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from hark.answers.transcript import Transcript
    from hark.engines.builtin.sentences import Sentence

_UNKNOWN = Phrases(
    """
    (do|does|did) not know( (yet|the answer|that|it|who|when|where|how|what|if|whether))
    (no idea|not sure|unclear|not clear) (yet|who|when|where|how|what|if|whether)
    no (answer|decision) (yet|so far)
    (find|found|figure|work) (that |it )?out
    (have|need|has|needs) to (check|decide|clarify|find out|look into)
    """
)
_OPEN = Phrases(
    """
    open (question|point|issue|item)s?|undecided|unresolved|unanswered|to be (decided|clarified|settled)
    (is|are|remains?) still (open|unclear)
    (has|have|is|are) not (yet )?been (decided|settled|agreed)
    (has|have|is|are) not (decided|settled|agreed) yet
    """
)
_NO_QUESTION = re.compile(
    r"^(?:(?:are there |do you have |is there )?any(?:thing)?|okay|right|really|yes|no|how are you)\b"
)


def quoted_notes(transcript: Transcript, name: str, today: date) -> Notes:
    """Choose what belongs in notes of a meeting on a day; `name` is the recording's."""
    every = sentences(transcript)
    return Notes(
        title=_title(name),
        date=today,
        duration=transcript.duration,
        participants=_people(every),
        summary=tuple(_point(one) for one in summary(every)),
        decisions=tuple(Decision(one.sentence.text, _quote(one.sentence)) for one in decisions(every)),
        actions=tuple(_action(one, today) for one in actions(every)),
        open_questions=tuple(OpenQuestion(one.text, _quote(one)) for one in open_questions(every)),
        chapters=tuple(Chapter(title, part[0].start, part[-1].end) for title, part in chapters(every)),
        quoted=True,
        transcript=transcript,
    )


def _title(name: str) -> str:
    """The name of the file: to find a better one takes a model that writes."""
    stem = PurePath(name).stem.replace("_", " ").strip() or name
    return stem[:1].upper() + stem[1:]


def _quote(sentence: Sentence) -> Quote:
    return Quote(sentence.text, sentence.start, sentence.end, sentence.speaker, True, sentence.unsure)


def _point(sentence: Sentence) -> Point:
    return Point(sentence.text, _quote(sentence))


def _action(action: Action, today: date) -> ActionItem:
    by_speaker = action.sentence.speaker is not None and action.owner == action.sentence.speaker
    owner = action.owner if action.named or by_speaker else None
    said = action.deadline or None
    return ActionItem(action.task, owner, due(said, today) if said else None, said, _quote(action.sentence))


def _people(every: Sequence[Sentence]) -> tuple[str, ...]:
    """The names that were said, in order; one that may be another word only as an owner of a task."""
    said = dict[str, None]()
    owners = {word.lower() for action in actions(every) if action.named for word in action.owner.split()}
    for sentence in every:
        for token in sentence.tokens:
            if token.removesuffix("'s") in NAMES or (token in MAYBE_NAMES and token in owners):
                said.setdefault(token.removesuffix("'s").capitalize())
    return tuple(said)


def open_questions(every: Sequence[Sentence]) -> tuple[Sentence, ...]:
    """Questions that are said to be open, or are followed by an "I do not know" or by nothing, and points left open.

    A question that is answered by the sentences after it is none: the words do not tell how well.
    """
    chosen: dict[int, None] = {}
    for place, sentence in enumerate(every):
        if _OPEN.search(sentence.plain):
            after = place + 1
            chosen.setdefault(after if after < len(every) and _asks(every[after]) else place)
        elif _UNKNOWN.search(sentence.plain) and not sentence.asks:
            near = (place - 1, place - 2)
            asked = [other for other in near if other >= 0 and _asks(every[other])]
            if not any(other in chosen for other in near):  # or it only says so again
                chosen.setdefault(asked[0] if asked else place)
        elif _asks(sentence) and place == len(every) - 1:
            chosen.setdefault(place)
    return tuple(every[place] for place in sorted(chosen))


def _asks(sentence: Sentence) -> bool:
    return sentence.asks and len(sentence.words) > 3 and not _NO_QUESTION.match(sentence.plain)
