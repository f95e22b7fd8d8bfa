"""Grammars in JSGF, the Java Speech Grammar Format (https://www.w3.org/TR/jsgf/).

Each public rule is an intent. JSGF does not say what a slot is; here its tags do: `<size> {size}` puts the words said
into the slot `size`, and `(big | huge) {size=large}` a value of its own. Weights are read and change nothing: all
alternatives are as likely. `import` is refused.
"""

from __future__ import annotations

import re

from hark.errors import OptionError
from hark.tasks.command.grammar import Choice, Node, Repeat, Sequence, Slot, Words, split

_COMMENT = re.compile(r'"(?:\\.|[^"\\])*"|\{(?:\\.|[^}\\])*\}|/\*.*?\*/|//[^\n]*', re.DOTALL)
_HEADER = re.compile(r"\s*#JSGF\b[^;]*;")
_TOKEN = re.compile(
    r'\s*("(?:\\.|[^"\\])*"|\{(?:\\.|[^}\\])*\}|<[^<>]*>|/[^/]*/|[;=|()\[\]*+]|[^\s;=|()\[\]*+{}<>"/]+)'
)
_TAG = re.compile(r"\s*([A-Za-z_][\w.-]*)\s*(?:=\s*(.+?)\s*)?;?\s*", re.DOTALL)
_DEEPEST = 200
_HOW = "A rule looks like this: public <order> = [please] make me a (<size> {size}) coffee;"


def read(text: str) -> tuple[tuple[str, Node], ...]:
    """Read the public rules as intents with their patterns.

    Raises:
        OptionError: it is no JSGF; the message names the rule.
    """
    text = _COMMENT.sub(lambda found: " " if found[0].startswith("/") else found[0], text)
    header = _HEADER.match(text)
    if header is None:
        raise OptionError("The grammar does not begin with #JSGF and a semicolon.", hint="Such as #JSGF V1.0;")
    rules, public = _rules(_tokens(text[header.end() :]))
    if not public:
        raise OptionError("The grammar has no public rule, and so no intent.", hint=_HOW)
    known: dict[str, Node] = {}
    return tuple((name, _Reader(rules, known).rule(name, ())) for name in public)


def _tokens(text: str) -> list[str]:
    found, place, text = [], 0, text.rstrip()
    while place < len(text):
        piece = _TOKEN.match(text, place)
        if piece is None:
            raise OptionError(f"The grammar cannot be read at {text[place:].strip()[:30]!r}.", hint=_HOW)
        found.append(piece[1])
        place = piece.end()
    return found


def _rules(tokens: list[str]) -> tuple[dict[str, list[str]], list[str]]:
    """The tokens of each rule by its name, and the names of the public ones."""
    rules: dict[str, list[str]] = {}
    public: list[str] = []
    while tokens:
        if ";" not in tokens:
            raise OptionError(f"A semicolon is missing after {' '.join(tokens)[:60]!r}.", hint=_HOW)
        end = tokens.index(";")
        line, tokens = tokens[:end], tokens[end + 1 :]
        if line[:1] == ["import"]:
            raise OptionError("The grammar imports another, which is not read.", hint="Copy its rules into this one.")
        if line[:1] == ["grammar"] or not line:
            continue
        is_public = line[0] == "public"
        line = line[1:] if is_public else line
        if len(line) < 2 or not _is_rule(line[0]) or line[1] != "=":
            raise OptionError(f"{' '.join(line)[:60]!r} is no rule.", hint=_HOW)
        name = line[0][1:-1].strip()
        if name in rules:
            raise OptionError(f"There are two rules <{name}>.", hint="Give each rule its own name.")
        rules[name] = line[2:]
        public += [name] if is_public else []
    return rules, public


def _is_rule(piece: str) -> bool:
    return piece.startswith("<") and piece.endswith(">")


class _Reader:
    """Reads a rule with all that it refers to."""

    def __init__(self, rules: dict[str, list[str]], known: dict[str, Node]) -> None:
        self.rules, self.known = rules, known
        self.tokens: list[str] = []
        self.above: tuple[str, ...] = ()

    def rule(self, name: str, above: tuple[str, ...]) -> Node:
        if name == "NULL":
            return Words(())
        if name == "VOID":
            return Choice(())
        if name not in self.rules:
            raise self._wrong(f"there is no rule <{name}>")
        if name in above:
            raise self._wrong(f"<{name}> refers to itself; write a repetition with * or +")
        if len(above) > _DEEPEST:
            raise self._wrong("rules refer to each other too deeply")
        if name in self.known:
            return self.known[name]
        inner = _Reader(self.rules, self.known)
        inner.above, inner.tokens = (*above, name), self.rules[name][::-1]
        node = inner.choice()
        if inner.tokens:
            raise inner._wrong(f"there is a {inner.tokens[-1]!r} too many")
        self.known[name] = node
        return node

    def choice(self, depth: int = 0) -> Node:
        if depth > _DEEPEST:
            raise self._wrong("brackets are nested too deeply")
        parts = [self._sequence(depth)]
        while self.tokens and self.tokens[-1] == "|":
            self.tokens.pop()
            parts.append(self._sequence(depth))
        return parts[0] if len(parts) == 1 else Choice(tuple(parts))

    def _sequence(self, depth: int) -> Node:
        parts: list[Node] = []
        while self.tokens and self.tokens[-1] not in ("|", ")", "]"):
            piece = self.tokens.pop()
            if not piece.startswith("/"):
                parts.append(self._after(self._part(piece, depth)))
        if not parts:
            raise self._wrong("an alternative is empty; write <NULL> for nothing")
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def _part(self, piece: str, depth: int) -> Node:
        if piece in "([":
            node = self.choice(depth + 1)
            if not self.tokens or self.tokens.pop() != {"(": ")", "[": "]"}[piece]:
                raise self._wrong(f"a {piece!r} is not closed")
            return node if piece == "(" else Repeat(node)
        if _is_rule(piece):
            return self.rule(piece[1:-1].strip(), self.above)
        if piece in ("*", "+", "=") or piece.startswith("{"):
            raise self._wrong(f"there is a {piece!r} with nothing before it")
        return Words(split(re.sub(r"\\(.)", r"\1", piece[1:-1]) if piece.startswith('"') else piece))

    def _after(self, node: Node) -> Node:
        """What a part becomes by the signs and tags behind it."""
        while self.tokens and (self.tokens[-1] in ("*", "+") or self.tokens[-1].startswith("{")):
            piece = self.tokens.pop()
            if piece in ("*", "+"):
                node = Repeat(node, 0 if piece == "*" else 1, many=True)
                continue
            tag = _TAG.fullmatch(piece[1:-1])
            if tag is None:
                raise self._wrong(f"the tag {piece} names no slot; a tag is {{slot}} or {{slot=value}}")
            node = Slot(tag[1], node, tag[2].strip("\"'") if tag[2] else None)
        return node

    def _wrong(self, what: str) -> OptionError:
        place = f"In the rule <{self.above[-1]}>" if self.above else "In the grammar"
        return OptionError(f"{place}, {what}.", hint=_HOW)
