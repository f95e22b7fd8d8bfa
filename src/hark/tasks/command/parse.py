"""Words to intent and slots: exactly along a grammar, or as near to it as the words are."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from typing import TYPE_CHECKING

from hark.tasks.command.numbers import words as spoken

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hark.tasks.command.automaton import Automaton, Symbol

_ALIKE = 0.6  # words with a smaller share of common letters are different words
_SLOT_MISS = 0.5  # a slot is filled only if at most this share of its phrase is missing: none is invented


@dataclass(frozen=True, slots=True)
class Parse:
    """What words mean in a grammar; `fit` is 1 where they are in it, less by each word that is not, down to 0."""

    intent: str
    slots: dict[str, str]
    fit: float


def walked(automaton: Automaton, symbols: Iterable[Symbol]) -> Parse | None:
    """Follow symbols through the automaton; None where they are no complete command."""
    state, slots = automaton.start, dict[str, str]()
    for symbol in symbols:
        after = automaton.arcs[state].get(symbol)
        if after is None:
            return None
        state = after
        if symbol.slot:
            slots[symbol.slot] = symbol.value
    intent = automaton.ends[state]
    return Parse(intent, slots, 1.0) if intent else None


def parsed(automaton: Automaton, text: str) -> Parse | None:
    """The command that takes the fewest changes to a text, each word used once; None where hardly anything fits.

    Words left out or put in count 1, words that sound similar less, other words 2. The search is Dijkstra's, over
    states and places in the text.
    """
    words = tuple(spoken(text))
    aligner = _Aligner(words)
    queue: list[tuple[float, int, int, int, tuple[Symbol, ...]]] = [(0.0, 0, automaton.start, 0, ())]
    done: set[tuple[int, int]] = set()
    number = 0  # first come, first served among equals
    while queue and words:
        cost, _, state, place, path = heapq.heappop(queue)
        if cost > len(words):
            break
        if (state, place) in done:
            continue
        done.add((state, place))
        if place == len(words) and automaton.ends[state]:
            return _finished(automaton, path, cost, len(words))
        steps = [(1.0, state, place + 1, path)] if place < len(words) else []
        for symbol, after in automaton.arcs[state].items():
            steps += [(more, after, end, (*path, symbol)) for end, more in aligner.aligned(symbol, place)]
        for more, after, end, longer in steps:
            if (after, end) not in done:
                number += 1
                heapq.heappush(queue, (cost + more, number, after, end, longer))
    return None


def _finished(automaton: Automaton, path: tuple[Symbol, ...], cost: float, count: int) -> Parse | None:
    found = walked(automaton, path)
    most = max(count, sum(len(symbol.words) for symbol in path))
    return Parse(found.intent, found.slots, round(max(0.0, 1 - cost / most), 3)) if found else None


class _Aligner:
    """How the words of a symbol fit at a place in a text."""

    def __init__(self, words: tuple[str, ...]) -> None:
        self.words = words
        self._known: dict[tuple[tuple[str, ...], int], list[tuple[int, float]]] = {}

    def aligned(self, symbol: Symbol, place: int) -> list[tuple[int, float]]:
        """Where the symbol may end, with what it costs."""
        key = (symbol.words, place)
        if key not in self._known:
            self._known[key] = self._costs(symbol.words, place)
        most = _SLOT_MISS * len(symbol.words) if symbol.slot else len(symbol.words)
        return [(end, cost) for end, cost in self._known[key] if cost <= most]

    def _costs(self, phrase: tuple[str, ...], place: int) -> list[tuple[int, float]]:
        """Levenshtein's table of a phrase and the words from a place on: (end, cost) for each end."""
        ahead = self.words[place : place + len(phrase) + 1]
        row = [float(count) for count in range(len(ahead) + 1)]
        for count, word in enumerate(phrase, 1):
            before, row = row, [float(count)]
            for column, other in enumerate(ahead):
                swap = before[column] + _difference(word, other)
                row.append(min(swap, before[column + 1] + 1, row[column] + 1))
        return [(place + end, cost) for end, cost in enumerate(row)]


@lru_cache(100_000)
def _difference(word: str, other: str) -> float:
    """0 for the same word, up to 0.4 for one like it, 2 for another: as much as leaving one out and putting one in."""
    if word == other:
        return 0.0
    alike = SequenceMatcher(None, word, other, autojunk=False).ratio()
    return 1 - alike if alike >= _ALIKE else 2.0
