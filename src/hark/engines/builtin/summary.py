"""Summaries by extraction: the sentences that carry the most, as they were said, in the order they were said."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING

from hark.engines.builtin.meeting import actions, decisions
from hark.engines.builtin.words import STOP, expand, stem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hark.engines.builtin.sentences import Sentence

LONGEST = 8  # sentences, where no length is asked for
_MOST = 400  # sentences compared with each other; the work grows with the square
_DAMPING = 0.85
_EMPTY = re.compile(
    r"^(?:(?:okay|ok|so|well|yes|yeah|no|good|great|wonderful|right|alright|hello|hi|thanks|thank you|good (?:morning|"
    r"afternoon|evening)|very|much|everybody|everyone|all|that is all|for today|bye|goodbye|see you|"
    r"that is good news) ?)+$"
)
_CARRYING = re.compile(
    r"\b(?:important|most|main|key|result|therefore|because|in short|in summary|to sum up|conclusion|the point|problem|"
    r"first of all|finally|we need|the goal|in fact)\b"
)


def summary(sentences: Sequence[Sentence], count: int | None = None, words: int | None = None) -> tuple[Sentence, ...]:
    """Choose the sentences that carry the most, in order.

    `count` is how many (by default a quarter of all, 1 to 8); `words` bounds their words together, though one sentence
    is always given. Centrality is LexRank (Erkan and Radev, 2004) over stems; what repeats a chosen sentence is passed
    over (maximal marginal relevance, Carbonell and Goldstein, 1998).
    """
    worth = [one for one in sentences if not _EMPTY.match(one.plain) and len(one.words) > 2] or list(sentences)
    if not worth:
        return ()
    count = count or min(LONGEST, max(1, round(len(worth) / 4)))
    vectors = _vectors(worth)
    scores = _scores(worth, vectors)
    chosen: list[int] = []
    left = set(range(len(worth)))
    room = words if words is not None else math.inf
    while left and len(chosen) < count:
        best = max(left, key=lambda i: (_marginal(i, chosen, scores, vectors), -i))
        left.discard(best)
        if len(worth[best].words) <= room:
            chosen.append(best)
            room -= len(worth[best].words)
    if not chosen:
        chosen = [min(range(len(worth)), key=lambda i: len(worth[i].words))]
    return tuple(worth[i] for i in sorted(chosen))


def keywords(sentences: Sequence[Sentence], most: int = 8) -> tuple[str, ...]:
    """The words said most, by stem and without common words, in the form first said; best first."""
    count: Counter[str] = Counter()
    form: dict[str, str] = {}
    for sentence in sentences:
        for token in sentence.tokens:
            if len(token) > 2 and token[0].isalpha() and token not in STOP and expand(token) == token:
                count[stem(token)] += 1
                form.setdefault(stem(token), token)
    # Words said equally often stay in the order they were first said.
    ranked = sorted(form, key=lambda word: -count[word])
    often = [word for word in ranked if count[word] > 1] or ranked
    return tuple(form[word] for word in often[:most])


def _vectors(sentences: Sequence[Sentence]) -> list[dict[str, float]]:
    spread = Counter(word for one in sentences for word in set(one.stems))
    total = len(sentences)
    made = []
    for one in sentences:
        vector = {word: n * math.log(1 + total / spread[word]) for word, n in Counter(one.stems).items()}
        size = math.sqrt(sum(value * value for value in vector.values())) or 1.0
        made.append({word: value / size for word, value in vector.items()})
    return made


def _cosine(one: dict[str, float], other: dict[str, float]) -> float:
    if len(other) < len(one):
        one, other = other, one
    return sum(value * other[word] for word, value in one.items() if word in other)


def _scores(sentences: Sequence[Sentence], vectors: list[dict[str, float]]) -> list[float]:
    central = _centrality(vectors)
    marked = {id(item.sentence) for item in decisions(sentences)} | {id(item.sentence) for item in actions(sentences)}
    scores = []
    for i, one in enumerate(sentences):
        score = central[i] * min(1.0, len(one.stems) / 4)
        score *= 1.6 if id(one) in marked else 1.0
        score *= 1.3 if _CARRYING.search(one.plain) else 1.0
        score *= 1.2 if i == 0 else 1.0
        score *= 0.5 if one.asks else 1.0
        scores.append(score * (0.8 if one.unsure else 1.0))
    return scores


def _centrality(vectors: list[dict[str, float]]) -> list[float]:
    """LexRank by power iteration; very long recordings are compared with the whole instead of pair by pair."""
    total = len(vectors)
    if total > _MOST:
        whole: Counter[str] = Counter()
        for vector in vectors:
            whole.update(vector)
        size = math.sqrt(sum(value * value for value in whole.values())) or 1.0
        return [_cosine(vector, {word: value / size for word, value in whole.items()}) for vector in vectors]
    links = [[_cosine(one, other) if one is not other else 0.0 for other in vectors] for one in vectors]
    degree = [sum(row) or 1.0 for row in links]
    rank = [1.0 / total] * total
    for _ in range(30):
        rank = [
            (1 - _DAMPING) / total
            + _DAMPING * sum(rank[j] * links[j][i] / degree[j] for j in range(total) if links[j][i])
            for i in range(total)
        ]
    top = max(rank)
    return [value / top for value in rank]


def _marginal(i: int, chosen: list[int], scores: list[float], vectors: list[dict[str, float]]) -> float:
    alike = max((_cosine(vectors[i], vectors[j]) for j in chosen), default=0.0)
    return scores[i] * (1 - alike)
