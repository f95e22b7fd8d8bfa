"""Finds the sentences of a recording that answer a question, to be quoted; it never writes one of its own."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from hark.engines.builtin import deadlines
from hark.engines.builtin.duties import duties
from hark.engines.builtin.meeting import actions, decisions
from hark.engines.builtin.names import GROUPS, NAMES
from hark.engines.builtin.patterns import Phrases
from hark.engines.builtin.quoting import clock
from hark.engines.builtin.words import STOP, alike, expand, normal, stem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hark.engines.builtin.meeting import Action
    from hark.engines.builtin.sentences import Sentence

ANSWERED = 0.6  # share of the question's weight that must be found for a sentence to count as an answer
_NEAR = 0.25  # share of a neighbour's match that a sentence takes over
_K1, _B = 1.2, 0.6  # Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond (2009)

# Words that frame a question rather than say what it is about.
_FRAME = frozenset(
    """speaker speakers person people man woman guy lady caller recording audio clip file meeting conversation call
    talk talks talking talked tell tells told mention mentions mentioned discuss discusses discussed speak speaks
    speaking spoke spoken brought bring
    decide decides decided decision decisions agree agreed happen happens happened think thinks
    thought answer question according exactly briefly sentence voice podcast interview lecture video message time
    kind sort plan supposed responsible date day deadline reason number amount long""".split()
)
_KINDS = {
    "decide": Phrases(r"(decid|decision|agree|conclu|settle|choose|chose|choice)\w*"),
    "who": Phrases(
        r"""
        ^(\w+ )?(who|whom|whose)
        which (person|team|one of them)
        whose
        """
    ),
    # When it was spoken of: any place in the recording tells.
    "moment": Phrases(
        r"""
        ^(\w+ )?(when|where in (the|this) \w+|at WHAT (time|point|moment)) DO (\w+ ){1,3}?TALK
        """,
        {
            "WHAT": "what|which",
            "DO": "do|does|did|is|was|were|are",
            "TALK": """
                talk|talked|talking|speak|spoken|speaking|mention|mentioned|discuss|discussed
                (bring|brought|come) up
            """,
        },
    ),
    "when": Phrases(
        r"""
        ^(\w+ )?(when|until when|by when|what (day|date|time|month|year)|which (day|date|month|year))
        deadline|due date
        """
    ),
    "number": Phrases(
        r"""
        ^(\w+ )?how (many|much|long|often|far|old|big|large|expensive)
        what (number|percentage|price|amount)
        """
    ),
    "why": Phrases(
        r"""
        ^(\w+ )?(why|how come|what for)
        reason|cause|what caused
        """
    ),
    "where": Phrases(
        r"""
        ^(\w+ )?where
        which (place|city|room|country)
        """
    ),
}
_CUES = {
    "number": deadlines.NUMBER,
    "when": deadlines.TIME,
    "why": Phrases("because|so that|due to|since|reason|therefore|in order to|as a result|caused|otherwise|thanks to"),
    "where": Phrases(
        """
        (in|at|to|from|near|inside|outside|into|behind|under) (the |our |my |a )?[a-z]{3,}
        here|there|home|abroad
        """
    ),
    "who": Phrases("i|we|he|she|everyone|everybody|someone|somebody|nobody"),
}


@dataclass(frozen=True)
class Question:
    """What a question asks for: its kind (`who`, `when`, ... or empty) and the stems it is about."""

    text: str
    kind: str
    stems: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> Question:
        """Read a question as people write it."""
        words = [expand(normal(word)) for word in text.split()]
        plain = " ".join(word for word in words if word)
        kind = next((kind for kind, phrases in _KINDS.items() if phrases.search(plain)), "")
        kept = [stem(word) for word in plain.split() if word not in STOP | _FRAME]
        stems = tuple(dict.fromkeys(word for word in kept if len(word) > 1))
        return cls(text, kind, stems)


@dataclass(frozen=True)
class Match:
    """A sentence that may answer; `score` ranks, `share` (0..1) is how much of the question is found in it.

    `short` is the part of its words that answers a who or a when, where that can be told; empty otherwise. `cue` (0..1)
    is how much it holds the kind of thing asked for, and `fits` whether that is enough.
    """

    sentence: Sentence
    score: float
    share: float
    short: str = ""
    cue: float = 0.0
    fits: bool = True

    @property
    def answers(self) -> bool:
        """Whether it is close enough to be given as an answer, and tells a time, number or reason where asked for."""
        return self.share >= ANSWERED and self.fits


def retrieve(question: Question, sentences: Sequence[Sentence], most: int = 3) -> tuple[Match, ...]:
    """The best sentences for a question, best first; none where nothing of the question is found.

    Scores are BM25 over stems, with words one letter apart or alike in sound at a lower weight (the recogniser
    mishears), the neighbours' words as context, and a bonus for the kind of thing that was asked for.
    """
    if not sentences:
        return ()
    weights = _weights(question.stems, sentences)
    mean = sum(len(one.stems) for one in sentences) / len(sentences) or 1.0
    direct = [_found(question.stems, sentence, weights, mean) for sentence in sentences]
    decided = {id(item.sentence) for item in decisions(sentences)} if question.kind == "decide" else set()
    matches = []
    for i, sentence in enumerate(sentences):
        cue = 1.0 if id(sentence) in decided else _cue(question, sentence)
        near = max((direct[j][0] for j in (i - 1, i + 1) if 0 <= j < len(sentences)), default=0.0)
        match = _match(question, sentence, direct[i], near, cue)
        if match.score > 0:
            matches.append(match)
    matches.sort(key=lambda match: (-match.score, match.sentence.start))
    return tuple(_best(matches, most))


def _match(question: Question, sentence: Sentence, found: tuple[float, float], near: float, cue: float) -> Match:
    share, score = found
    if not question.stems:
        share, score = (ANSWERED / 2, 1.0) if cue else (0.0, 0.0)
    elif cue and near >= ANSWERED:
        share, score = share + (1 - share) * _NEAR + _NEAR, score + _NEAR
    elif cue and share:
        share += 0.1
    if sentence.asks:
        share, score = 0.7 * share, 0.4 * score
    fits = bool(cue) or question.kind not in ("when", "number", "why")
    return Match(sentence, score * (1 + cue), min(share, 1.0), _short(question, sentence), cue, fits)


def _best(matches: list[Match], most: int) -> list[Match]:
    """The leading matches: those that answer where any does, and close to the first in score."""
    answering = [match for match in matches if match.answers]
    kept = answering or matches[:1]
    if kept and kept[0].cue:
        kept = [match for match in kept if match.cue]
    return [match for match in kept[:most] if match.score >= 0.55 * kept[0].score]


def _weights(stems: tuple[str, ...], sentences: Sequence[Sentence]) -> dict[str, float]:
    """Inverse document frequency; a word found nowhere may be misheard or said otherwise, and so weighs less."""
    count = Counter(word for sentence in sentences for word in set(sentence.stems) | _compounds(sentence))
    total = len(sentences)
    return {
        word: math.log(1 + (total - count[word] + 0.5) / (count[word] + 0.5)) * (1.0 if count[word] else 0.5)
        for word in stems
    }


def _compounds(sentence: Sentence) -> set[str]:
    """Neighbouring words written as one: "news letter" is also "newsletter"."""
    return {one + other for one, other in pairwise(sentence.stems)}


def _found(stems: tuple[str, ...], sentence: Sentence, weights: dict[str, float], mean: float) -> tuple[float, float]:
    """The share of the question's weight found in a sentence, and its BM25 score."""
    length = 1 - _B + _B * len(sentence.stems) / mean
    there, joined = set(sentence.stems), _compounds(sentence)
    whole = {word for pair in pairwise(stems) if "".join(pair) in there for word in pair}
    share = score = 0.0
    for wanted in stems:
        near = [1.0] if wanted in joined | whole else [alike(wanted, word) for word in sentence.stems]
        often = sum(near)
        share += weights[wanted] * max(near, default=0.0)
        score += weights[wanted] * often * (_K1 + 1) / (often + _K1 * length)
    total = sum(weights.values())
    return (share / total if total else 0.0), score


def _cue(question: Question, sentence: Sentence) -> float:
    """How much a sentence holds the kind of thing that was asked for, 0..1."""
    if sentence.asks:
        return 0.0
    if question.kind == "who" and (duties(sentence) or _people(sentence)):
        return 1.0
    cues = _CUES.get(question.kind)
    return 0.6 if cues and cues.search(sentence.plain) else 0.0


def _people(sentence: Sentence) -> list[str]:
    return [token for token in sentence.tokens if token in NAMES or token in GROUPS]


def _short(question: Question, sentence: Sentence) -> str:
    """The words of the sentence that answer a who or a when by themselves."""
    if question.kind == "who":
        return _doer(question, actions((sentence,)))
    if question.kind == "moment":
        return clock(sentence.start)
    if question.kind == "when":
        due = deadlines.deadline(sentence.plain)
        return sentence.original(due.start(), due.end()) if due else ""
    return ""


def _doer(question: Question, items: tuple[Action, ...]) -> str:
    """Who does what was asked about: the owner whose task shares the most with the question."""
    shared = {
        item: sum(stem(normal(word)) in question.stems for word in item.task.split()) for item in items if item.named
    }
    best = max(shared, key=lambda item: shared[item], default=None)
    return best.owner if best and shared[best] else ""
