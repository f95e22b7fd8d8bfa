"""Grammars in the YAML of Picovoice's Rhino.

`context: expressions: INTENT: [EXPRESSION ...]`, `slots: SLOT: [PHRASE ...]`, `macros: MACRO: [PHRASE ...]`. In an
expression `[a, b c]` is a choice, `(a, b)` one that may be left out, `@macro` a macro, `$slot:name` a slot. Of the
built-in slots, `$pv.SingleDigitInteger`, `$pv.TwoDigitInteger`, `$pv.Percent` and `$pv.Alphabetic` are known.
Source: https://picovoice.ai/docs/tips/syntax-cheat-sheet/
"""

from __future__ import annotations

import re
import string
from typing import Any

from hark.errors import OptionError
from hark.tasks.command.grammar import HOW, Choice, Node, Repeat, Sequence, Slot, Words, split
from hark.tasks.command.numbers import spelled

_TOKEN = re.compile(r"\s*([\[\](),]|\$[\w.]+(?::\w+)?|@\w+|[^\s\[\](),$@]+)")
_CLOSING = {"[": "]", "(": ")"}


def read(text: str) -> tuple[tuple[str, Node], ...]:
    """Read the intents with their patterns.

    Raises:
        OptionError: it is no YAML, or no grammar; the message names the place.
    """
    context = _mapping(_mapping(_yaml(text) or {}, "the whole").get("context"), "context")
    if unknown := sorted(set(context) - {"expressions", "slots", "macros"}):
        raise OptionError(
            f"The grammar has {unknown[0]!r} in its context.", hint="It holds expressions, slots, macros."
        )
    slots = {name: _phrases(values, f"slot {name}") for name, values in _mapping(context.get("slots"), "slots").items()}
    raw = _mapping(context.get("macros"), "macros")
    macros = {name: _phrases(values, f"macro {name}") for name, values in raw.items()}
    found: list[tuple[str, Node]] = []
    for name, lines in _mapping(context.get("expressions"), "expressions").items():
        patterns = [_Reader(line, name, slots, macros).whole() for line in _list(lines, f"intent {name}")]
        found.append((str(name), Choice(tuple(patterns))))
    return tuple(found)


class _Reader:
    """Reads one expression."""

    def __init__(self, text: str, intent: str, slots: dict[str, Node], macros: dict[str, Node]) -> None:
        self.text, self.intent, self.slots, self.macros = text, intent, slots, macros
        self.tokens = self._tokens()

    def _tokens(self) -> list[str]:
        found, place, text = [], 0, self.text.rstrip()
        while place < len(text):
            piece = _TOKEN.match(text, place)
            if piece is None:
                raise self._wrong(f"{text[place:].strip()!r} cannot be read")
            found.append(piece[1])
            place = piece.end()
        return found[::-1]

    def whole(self) -> Node:
        node = self._sequence(())
        if self.tokens:
            raise self._wrong(f"there is a {self.tokens[-1]!r} too many")
        return node

    def _sequence(self, stop: tuple[str, ...]) -> Node:
        parts: list[Node] = []
        while self.tokens and self.tokens[-1] not in stop and self.tokens[-1] not in "]),":
            parts.append(self._part(self.tokens.pop()))
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def _part(self, piece: str) -> Node:
        if piece in _CLOSING:
            choice = self._choice(_CLOSING[piece])
            return choice if piece == "[" else Repeat(choice)
        if piece.startswith("@"):
            if piece[1:] not in self.macros:
                raise self._wrong(f"there is no macro {piece}")
            return self.macros[piece[1:]]
        return self._slot(piece) if piece.startswith("$") else Words(split(piece))

    def _choice(self, closing: str) -> Node:
        parts = [self._sequence((",", closing))]
        while self.tokens and self.tokens[-1] == ",":
            self.tokens.pop()
            parts.append(self._sequence((",", closing)))
        if not self.tokens or self.tokens.pop() != closing:
            raise self._wrong(f"a {closing!r} is missing")
        return Choice(tuple(parts))

    def _slot(self, piece: str) -> Node:
        kind, _, name = piece[1:].partition(":")
        if kind.startswith("pv."):
            if kind not in _BUILT_IN:
                raise self._wrong(f"the built-in slot ${kind} is not known; those known are {', '.join(_BUILT_IN)}")
            values = [Slot(name or kind, Words(split(said)), value) for said, value in _BUILT_IN[kind].items()]
            return Choice(tuple(values))
        if kind not in self.slots:
            raise self._wrong(f"there is no slot ${kind}")
        return Slot(name or kind, self.slots[kind])

    def _wrong(self, what: str) -> OptionError:
        return OptionError(f"In an expression of {self.intent}, {what}.", hint=f"The expression is: {self.text}")


_BUILT_IN: dict[str, dict[str, str]] = {
    "pv.SingleDigitInteger": {spelled(number): str(number) for number in range(10)},
    "pv.TwoDigitInteger": {spelled(number): str(number) for number in range(100)},
    "pv.Percent": {f"{spelled(number)} percent": f"{number}%" for number in range(101)},
    "pv.Alphabetic": {letter: letter for letter in string.ascii_lowercase},
}


def _phrases(values: Any, place: str) -> Node:
    """The phrases of a slot or a macro; they may hold choices."""
    return Choice(tuple(_Reader(line, place, {}, {}).whole() for line in _list(values, place)))


def _yaml(text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}" if mark else ""
        what = getattr(error, "problem", None) or "it cannot be read"
        raise OptionError(f"The grammar is no YAML{place}: {what}.", hint=HOW) from error


def _mapping(value: Any, place: str) -> dict[str, Any]:
    if value is None and place in ("slots", "macros"):
        return {}
    if not isinstance(value, dict):
        raise OptionError(f"In the grammar, {place} is not a list of names with what belongs to them.", hint=HOW)
    return value


def _list(value: Any, place: str) -> list[str]:
    if not isinstance(value, list) or not value:
        raise OptionError(f"In the grammar, {place} has no list of phrases.", hint=HOW)
    for item in value:
        if isinstance(item, dict | list | bool) or item is None:
            raise OptionError(f"In the grammar, {place} holds {item!r}, which is no phrase.", hint="Put it in quotes.")
    return [spelled(item) if isinstance(item, int) else str(item) for item in value]
