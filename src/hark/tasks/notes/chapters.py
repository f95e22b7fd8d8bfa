"""Chapters of a recording: where the words change, and the words said most in each.

The method is TextTiling: M. A. Hearst, TextTiling: segmenting text into multi-paragraph subtopic passages,
Computational Linguistics 23 (1997), on sentences instead of token sequences.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from typing import TYPE_CHECKING

from hark.engines.builtin.names import NAMES
from hark.engines.builtin.words import STOP, expand, stem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hark.engines.builtin.sentences import Sentence

_BLOCK = 5  # sentences on each side of a gap that are compared
_SHORTEST = 30.0  # seconds
_MOST = 15  # chapters, whatever the length
_TITLE = 3  # words


def chapters(sentences: Sequence[Sentence]) -> list[tuple[str, Sequence[Sentence]]]:
    """Cut sentences where the subject changes: titles with the sentences of each, in order."""
    if not sentences:
        return []
    places = [0, *sorted(_boundaries(sentences)), len(sentences)]
    parts = [sentences[a:b] for a, b in itertools.pairwise(places)]
    return list(zip(_titles(parts), parts, strict=True))


def _boundaries(sentences: Sequence[Sentence]) -> list[int]:
    """The numbers of the sentences that open a chapter, deepest change first."""
    depths = list(_depths(sentences))
    if not depths:
        return []
    mean = sum(depth for _, depth in depths) / len(depths)
    spread = math.sqrt(sum((depth - mean) ** 2 for _, depth in depths) / len(depths))
    length = sentences[-1].end - sentences[0].start
    apart = max(_SHORTEST, length / _MOST)
    chosen: list[int] = []
    for gap, depth in sorted(depths, key=lambda item: (-item[1], item[0])):
        times = [sentences[0].start, sentences[-1].end, *(sentences[i].start for i in chosen)]
        if depth > max(mean + spread / 2, 0.1) and all(abs(sentences[gap].start - time) >= apart for time in times):
            chosen.append(gap)
    return chosen


def _depths(sentences: Sequence[Sentence]) -> Iterator[tuple[int, float]]:
    """How much less alike the words around each gap are than those around the gaps beside it."""
    bags = [Counter(sentence.stems) for sentence in sentences]
    alike = [
        _alike(_sum(bags[max(0, gap - _BLOCK) : gap]), _sum(bags[gap : gap + _BLOCK])) for gap in range(1, len(bags))
    ]
    for index, here in enumerate(alike):
        left = right = here
        for value in reversed(alike[:index]):
            if value < left:
                break
            left = value
        for value in alike[index + 1 :]:
            if value < right:
                break
            right = value
        yield index + 1, left + right - 2 * here


def _sum(bags: Sequence[Counter[str]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for bag in bags:
        total.update(bag)
    return total


def _alike(one: Counter[str], other: Counter[str]) -> float:
    size = math.sqrt(sum(n * n for n in one.values()) * sum(n * n for n in other.values()))
    return sum(n * other[word] for word, n in one.items()) / size if size else 0.0


def _titles(parts: Sequence[Sequence[Sentence]]) -> list[str]:
    """The words that are said most in each part, and less in the others, in the form first said."""
    counts, forms = [], dict[str, str]()
    for part in parts:
        count: Counter[str] = Counter()
        for sentence in part:
            for token in sentence.tokens:
                if len(token) > 2 and token[0].isalpha() and token not in STOP and expand(token) == token:
                    count[stem(token)] += 1
                    forms.setdefault(stem(token), token)
        counts.append(count)
    spread = Counter(word for count in counts for word in count)
    titles = []
    for count in counts:
        weight = {word: n * math.log(1 + len(parts) / spread[word]) for word, n in count.items()}
        top = sorted(weight, key=lambda word: -weight[word])[:_TITLE]
        named = [forms[word].capitalize() if forms[word] in NAMES else forms[word] for word in top]
        titles.append((named[0][:1].upper() + ", ".join(named)[1:]) if named else "Talk")
    return titles
