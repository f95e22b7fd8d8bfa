"""What a meeting leaves behind: decisions, and action items with owner, task and deadline."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hark.engines.builtin.deadlines import deadline
from hark.engines.builtin.duties import duties
from hark.engines.builtin.patterns import Phrases

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hark.engines.builtin.duties import Duty
    from hark.engines.builtin.sentences import Sentence

_LISTS = {
    "THEY": """
        we|they|he|she|all|everyone|everybody|team|group|board|committee|council|directors?|members|management|manager
        parents|teachers|partners|majority|owner|boss
    """,
    "SETTLED": """
        decided|agreed|chose|chosen|approved|rejected|voted|settled on|postponed|cancelled|canceled|resolved|concluded
        opted|accepted|signed off|confirmed that|selected
    """,
    "IS": "is|was|were|are|has been|have been|got|gets|been",
    "OFTEN": "now|already|finally|unanimously",
    "PLAN": """
        go (ahead )?with|go ahead|use|ship|release|launch|postpone|keep|switch|move|stop|cancel|adopt|drop|buy|hire
        delay|skip|close|open|raise|lower|cut|reduce|increase|replace|repeat|stick (with|to)|stay with|take the|make it
        do it|have the|schedule|aim for|plan for|settle on|set the|leave it|no longer|choose|pick|start (using|with the)
    """,
    "NOT": """
        not|never|nobody|nothing|none|neither|hardly|almost|nearly|if|whether|unless|once|until|before|when|who
        would|should|could|might|may|can|disagree|wish|hope|hopefully|maybe|perhaps
    """,
}
_DECISIONS = Phrases(
    r"""
    # somebody decided
    THEY( (have|has|had|all|both|just|also|then|OFTEN))* SETTLED
    i( have)? decided (that )?we
    # it was decided
    IS (OFTEN )?(decided|agreed|approved|accepted|rejected|postponed|cancelled|canceled|chosen|selected|signed off)
    IS (OFTEN )?(settled|moved to|pushed (back )?to|scheduled for|rescheduled|put off)
    (the|our|a|final|main|first|second|other) decision (is|was|has been) (?!OPEN)\S+
    decision (is )?(made|final)
    ^(so |okay |and )*(it is )?(agreed|decided)( then)?( (to|that|on|we)\b|$)
    that is (final|settled|decided|agreed)
    # what we do, or do not
    let us ((all|just|then) )*PLAN
    we (will|shall|are going to|are) ((now|therefore|all|also|then|definitely|just) )*PLAN
    we (will|are going to) (go|be going) (ahead|with|for)
    we are going (ahead|with)(?= )
    we (will not|are not going to) (?!be\b|know\b|have\b|see\b)\w+
    we are (now )?(dropping|switching|moving to|postponing|cancell?ing|keeping|going with|sticking with|stopping)
    we (ship|release|launch|go live) (it )?(on|next|in|this|tomorrow)
    """,
    _LISTS | {"OPEN": "still|not|yet|up to|hard|difficult|open|pending|yours|to be"},
)
# What before a decision turns it into none.
_UNDONE = Phrases(
    r"""
    NOT( \w+){0,3}$
    to be$
    """,
    _LISTS,
)
_UNDECIDED = Phrases(
    r"""
    undecided|no decision|open question
    (yet|still|need|needs|have|has|want|try|remains) to (decide|agree|choose|be decided)
    (is|are|was|has|have|had) not( \w+)? (decided|agreed|approved)
    (can|could|did) not (decide|agree)
    (decided|agreed|approved)( upon| on)? (nothing|by nobody)
    """
)
_TAIL = re.compile(r"(?: (?:and|or|please|at the latest|latest|at least))+$")


@dataclass(frozen=True)
class Decision:
    """A sentence in which something is decided."""

    sentence: Sentence


@dataclass(frozen=True)
class Action:
    """Something somebody is to do; `owner`, `task` and `deadline` are words of the sentence.

    `named` says whether the owner is a name or a group; where it is False the words do not tell who it is.
    `unsure` says whether the recogniser doubts a word of the owner.
    """

    owner: str
    task: str
    deadline: str
    sentence: Sentence
    named: bool
    unsure: bool = False


def decisions(sentences: Iterable[Sentence]) -> tuple[Decision, ...]:
    """The sentences in which something is decided, in order; questions and open points are left out."""
    return tuple(Decision(sentence) for sentence in sentences if _decides(sentence))


def _decides(sentence: Sentence) -> bool:
    said = sentence.plain
    if sentence.asks or _UNDECIDED.search(said):
        return False
    return any(not _UNDONE.search(said[: match.start()].rstrip()) for match in _DECISIONS.finditer(said))


_TASK_ENDS = re.compile(
    r" (?:because|so that|since|but|although|otherwise|and then|then we|thanks|thank you|okay)\b.*$"
)


def actions(sentences: Iterable[Sentence]) -> tuple[Action, ...]:
    """What is to be done, in order; one sentence may hold several.

    What all of them are to do, at no set time, is left to the decisions where the sentence is one.
    """
    return tuple(
        action
        for sentence in sentences
        for action in _in(sentence)
        if action.owner != "we" or action.deadline or not _decides(sentence)
    )


def _in(sentence: Sentence) -> Iterator[Action]:
    found = duties(sentence)
    for i, duty in enumerate(found):
        last = i + 1 == len(found)
        end = len(sentence.plain) if last else max(found[i + 1].owner.start, duty.verb)
        yield _action(sentence, duty, 0 if i == 0 else duty.owner.start, end)


def _action(sentence: Sentence, duty: Duty, start: int, end: int) -> Action:
    said = sentence.plain
    rest = _TASK_ENDS.sub("", said[duty.verb : end].rstrip())
    rest = _TAIL.sub("", rest)
    due = deadline(rest)
    at, stop = duty.verb, duty.verb + len(rest)
    if due:
        task = (sentence.original(at, at + due.start()), sentence.original(at + due.end(), stop))
        when = sentence.original(at + due.start(), at + due.end())
    else:
        task = (sentence.original(at, stop), "")
        earlier = deadline(said[start : duty.owner.start])
        when = sentence.original(start + earlier.start(), start + earlier.end()) if earlier else ""
    doubted = duty.owner.named and sentence.doubts(duty.owner.text, duty.owner.start, duty.verb)
    return Action(duty.owner.text, " ".join(filter(None, task)), when, sentence, duty.owner.named, doubted)
