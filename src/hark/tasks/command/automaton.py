"""A grammar as a minimal deterministic automaton; its arcs are words, and whole phrases that fill a slot."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hark.errors import OptionError
from hark.tasks.command.grammar import Choice, Repeat, Sequence, Slot, Words

if TYPE_CHECKING:
    from hark.tasks.command.grammar import Grammar, Node

_MOST_STATES, _MOST_PHRASES, _MOST_STEPS = 20_000, 5_000, 200_000
_SMALLER = "Make slots of long lists, or several grammars of it."


@dataclass(frozen=True, slots=True, order=True)
class Symbol:
    """What an arc takes: one word, or with `slot` all the words of a phrase that gives it a `value`."""

    words: tuple[str, ...]
    slot: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class Automaton:
    """States are numbers; `arcs` says where each symbol leads from each, `ends` which intents are complete there.

    `intents` gives the slots of each intent with the values they may have, in the order of the grammar.
    """

    start: int
    arcs: tuple[dict[Symbol, int], ...]
    ends: tuple[str | None, ...]
    intents: dict[str, dict[str, tuple[str, ...]]]


def compiled(grammar: Grammar) -> Automaton:
    """Make the automaton of a grammar (Thompson's construction, subsets, then Moore's minimisation).

    Raises:
        OptionError: nothing can be said, or the grammar is too large.
    """
    network = _Network()
    start = network.state()
    for number, (name, pattern) in enumerate(grammar.intents):
        network.ends[network.add(pattern, start)] = (number, name)
    arcs, ends = _minimal(*_useful(*_deterministic(network, start)))
    if not arcs or (not arcs[0] and ends[0] is None):
        raise OptionError("Nothing can be said in this grammar.", hint="Give an intent with at least one expression.")
    values = {name: _slots(pattern) for name, pattern in reversed(grammar.intents)}
    for name, pattern in grammar.intents:  # several patterns of one intent
        values[name] = {**values[name], **_slots(pattern)}
    return Automaton(0, arcs, ends, {name: values[name] for name in grammar.names})


class _Network:
    """A nondeterministic automaton with empty steps."""

    def __init__(self) -> None:
        self.arcs: list[list[tuple[Symbol | None, int]]] = []
        self.ends: dict[int, tuple[int, str]] = {}

    def state(self) -> int:
        if len(self.arcs) > _MOST_STEPS:
            raise OptionError("The grammar is too large.", hint=_SMALLER)
        self.arcs.append([])
        return len(self.arcs) - 1

    def step(self, before: int, symbol: Symbol | None, after: int | None = None) -> int:
        after = self.state() if after is None else after
        self.arcs[before].append((symbol, after))
        return after

    def add(self, node: Node, before: int) -> int:
        """Add a pattern that begins at a state; return the state where it is complete."""
        match node:
            case Words(words):
                for word in words:
                    before = self.step(before, Symbol((word,)))
                return before
            case Sequence(parts):
                for part in parts:
                    before = self.add(part, before)
                return before
            case Choice(parts):
                after = self.state()
                for part in parts:
                    self.step(self.add(part, self.step(before, None)), None, after)
                return after
            case Repeat():
                return self._repeat(node, before)
            case Slot():
                return self._slot(node, before)

    def _repeat(self, node: Repeat, before: int) -> int:
        first = self.step(before, None)
        last = self.add(node.part, first)
        if node.many:
            self.step(last, None, first)
        after = self.step(last, None)
        if not node.least:
            self.step(before, None, after)
        return after

    def _slot(self, node: Slot, before: int) -> int:
        after = self.state()
        for words in phrases(node.part):
            symbol = Symbol(words, node.name, _value(node, words)) if words else None
            self.step(before, symbol, after)
        return after


def phrases(node: Node) -> list[tuple[str, ...]]:
    """All word sequences of a pattern, in its order.

    Raises:
        OptionError: there is no end to them, or they are too many to be the values of a slot.
    """
    match node:
        case Words(words):
            return [words]
        case Choice(parts):
            found = [words for part in parts for words in phrases(part)]
        case Sequence(parts):
            found = [()]
            for part in parts:
                found = _bounded([before + after for before in found for after in phrases(part)])
        case Repeat(part, least, many):
            if many:
                raise OptionError("A slot cannot hold a repetition: its values have no end.", hint="List the values.")
            found = [*phrases(part), *([] if least else [()])]
        case Slot():
            raise OptionError(f"The slot {node.name!r} lies inside of another slot.", hint="Name the inner one alone.")
    return _bounded(list(dict.fromkeys(found)))


def _bounded(found: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    if len(found) > _MOST_PHRASES:
        raise OptionError(f"A slot has more than {_MOST_PHRASES} values.", hint="Make several slots of it.")
    return found


def _value(slot: Slot, words: tuple[str, ...]) -> str:
    return " ".join(words) if slot.value is None else slot.value


def _slots(node: Node) -> dict[str, tuple[str, ...]]:
    """The slots of a pattern with their values."""
    if isinstance(node, Slot):
        return {node.name: tuple(dict.fromkeys(_value(node, words) for words in phrases(node.part) if words))}
    parts = (node.part,) if isinstance(node, Repeat) else () if isinstance(node, Words) else node.parts
    found: dict[str, tuple[str, ...]] = {}
    for part in parts:
        for name, values in _slots(part).items():
            found[name] = tuple(dict.fromkeys((*found.get(name, ()), *values)))
    return found


_Table = tuple[list[dict[Symbol, int]], list[str | None]]


def _deterministic(network: _Network, start: int) -> _Table:
    """Sets of states as states; of several intents that are complete in one, the first is meant."""

    def closed(states: set[int]) -> frozenset[int]:
        found, open_ = set(states), list(states)
        while open_:
            more = {after for symbol, after in network.arcs[open_.pop()] if symbol is None} - found
            found |= more
            open_ += more
        return frozenset(found)

    first = closed({start})
    numbers, arcs, ends, waiting = {first: 0}, list[dict[Symbol, int]](), list[str | None](), [first]
    for states in waiting:  # grows meanwhile
        leads: dict[Symbol, set[int]] = defaultdict(set)
        for state in sorted(states):
            for symbol, after in network.arcs[state]:
                if symbol is not None:
                    leads[symbol].add(after)
        arcs.append({})
        for symbol, afters in leads.items():
            together = closed(afters)
            if together not in numbers:
                numbers[together] = len(numbers)
                waiting.append(together)
            arcs[-1][symbol] = numbers[together]
        complete = sorted(network.ends[state] for state in states if state in network.ends)
        ends.append(complete[0][1] if complete else None)
        if len(numbers) > _MOST_STATES:
            raise OptionError("The grammar is too large.", hint=_SMALLER)
    return arcs, ends


def _useful(arcs: list[dict[Symbol, int]], ends: list[str | None]) -> _Table:
    """Without arcs from where no intent can be completed any more."""
    before = defaultdict(set)
    for state, leads in enumerate(arcs):
        for after in leads.values():
            before[after].add(state)
    open_ = [state for state, intent in enumerate(ends) if intent]
    good = set(open_)
    while open_:
        more = before[open_.pop()] - good
        good |= more
        open_ += more
    return [{s: to for s, to in leads.items() if to in good and n in good} for n, leads in enumerate(arcs)], ends


def _minimal(
    arcs: list[dict[Symbol, int]], ends: list[str | None]
) -> tuple[tuple[dict[Symbol, int], ...], tuple[str | None, ...]]:
    """States that allow the same made one (Moore): classes are split until nothing changes; the start stays first."""
    classes = _numbered([(end,) for end in ends])
    count = 0
    while count != (count := len(set(classes))):
        classes = _numbered(
            [
                (own, *sorted((s, classes[to]) for s, to in leads.items()))
                for own, leads in zip(classes, arcs, strict=True)
            ]
        )
    some = {own: state for state, own in reversed(list(enumerate(classes)))}
    reached = {classes[0]: 0}
    for own in (order := [classes[0]]):  # grows meanwhile
        for to in arcs[some[own]].values():
            if classes[to] not in reached:
                reached[classes[to]] = len(reached)
                order.append(classes[to])
    return (
        tuple({s: reached[classes[to]] for s, to in arcs[some[own]].items()} for own in order),
        tuple(ends[some[own]] for own in order),
    )


def _numbered(keys: list[tuple[object, ...]]) -> list[int]:
    numbers: dict[tuple[object, ...], int] = {}
    return [numbers.setdefault(key, len(numbers)) for key in keys]
