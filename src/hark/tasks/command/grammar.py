"""What may be said: intents, each a pattern of words in which slots are named; from Picovoice's YAML or from JSGF."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hark.errors import OptionError

if TYPE_CHECKING:
    from hark.tasks.command.automaton import Automaton

HOW = "Give the Path of a grammar in Picovoice's YAML or in JSGF, or its text."
_MOST_BYTES = 1_000_000  # far more than any grammar that people write


@dataclass(frozen=True, slots=True)
class Words:
    """Words as they are said, in lower case; none at all is an empty tuple."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sequence:
    """One after the other."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of them; of none there is nothing that can be said."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """The same again and again: from `least` (0 or 1) times to once, or to any number of times if `many`."""

    part: Node
    least: int = 0
    many: bool = False


@dataclass(frozen=True, slots=True)
class Slot:
    """A part whose words are the value of a slot, unless it has a `value` of its own."""

    name: str
    part: Node
    value: str | None = None


Node = Words | Sequence | Choice | Repeat | Slot


@dataclass(frozen=True)
class Grammar:
    """What may be said: `intents` are names with their patterns; of two that fit, the first one is meant."""

    intents: tuple[tuple[str, Node], ...]

    @classmethod
    def of(cls, given: Any) -> Grammar:
        """Read a grammar from a `Path` or from text, in Picovoice's YAML or in JSGF; a `Grammar` is returned as it is.

        Text is never taken for a path: it may come from a stranger's request.

        Raises:
            OptionError: there is no such file, or it is no grammar; the message names the place.
        """
        if isinstance(given, cls):
            return given
        if not isinstance(given, str | os.PathLike):
            raise OptionError(f"A grammar cannot be {type(given).__name__}.", hint=HOW)
        text = given if isinstance(given, str) else _text(Path(given))
        if len(text) > _MOST_BYTES:
            raise OptionError(f"The grammar is larger than {_MOST_BYTES // 1000} kB.", hint=HOW)
        from hark.tasks.command import jsgf, picovoice

        grammar = cls(jsgf.read(text) if re.match(r"\s*#JSGF", text) else picovoice.read(text))
        _ = grammar.automaton  # a grammar in which nothing can be said is told now
        return grammar

    @cached_property
    def automaton(self) -> Automaton:
        """The same as a graph, for parsing and recognition."""
        from hark.tasks.command.automaton import compiled

        return compiled(self)

    @property
    def names(self) -> tuple[str, ...]:
        """The intents, in their order, each once."""
        return tuple(dict.fromkeys(name for name, _ in self.intents))

    def __repr__(self) -> str:
        return f"Grammar({', '.join(self.names)})"


def split(text: str) -> tuple[str, ...]:
    """Words as a grammar holds them: lower case, typographic apostrophes made plain."""
    return tuple(text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").split())


def _text(path: Path) -> str:
    try:
        with path.open(encoding="utf-8-sig") as file:
            return file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise OptionError(f"The grammar {path} cannot be read: {error.strerror or error}.", hint=HOW) from error
    except ValueError as error:
        raise OptionError(f"The grammar {path} is no text.", hint=HOW) from error
