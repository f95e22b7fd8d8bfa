"""Tables of phrases, one a line, that people can read and extend; compiled when they are first needed.

    Phrases('''
        # a line that starts with a hash is a comment
        what (is|was) the plan
        ^(by|until) DAY$
    ''', {"DAY": "monday|tuesday|friday"})

A line matches whole words anywhere in the text; a `^` before it ties all of it to the start, a `$` after it to the end.
`(a|b)` are alternatives and are not captured; a WORD IN CAPITALS stands for the list of that name, itself such a table.
All else is as in `re`. Where several lines match at one place, the first counts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_LIST = re.compile("[A-Z]{2,}(?:_[A-Z]+)*")
_GROUP = re.compile(r"(?<!\\)\((?!\?)")


@dataclass(frozen=True)
class Phrases:
    """A table of phrases as one pattern; `lists` gives the alternatives of each word in capitals."""

    table: str
    lists: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The table compiled.

        Raises:
            KeyError: a word in capitals has no list.
        """
        return re.compile("|".join(_whole_words(_spelt(line, self.lists)) for line in _lines(self.table)))

    def search(self, text: str) -> re.Match[str] | None:
        """The first place where a phrase stands."""
        return self.pattern.search(text)

    def match(self, text: str) -> re.Match[str] | None:
        """A phrase at the start of the text."""
        return self.pattern.match(text)

    def fullmatch(self, text: str) -> re.Match[str] | None:
        """A phrase that is all of the text."""
        return self.pattern.fullmatch(text)

    def finditer(self, text: str) -> Iterator[re.Match[str]]:
        """Every place where a phrase stands, in order."""
        return self.pattern.finditer(text)

    def sub(self, by: str, text: str) -> str:
        """The text with every phrase replaced."""
        return self.pattern.sub(by, text)


def _lines(table: str) -> list[str]:
    lines = [line.strip() for line in table.splitlines()]
    return [_GROUP.sub("(?:", line) for line in lines if line and not line.startswith("#")]


def _spelt(line: str, lists: Mapping[str, str]) -> str:
    """A line with its words in capitals replaced, those within their lists too."""
    while _LIST.search(line):
        line = _LIST.sub(lambda word: f"(?:{'|'.join(_lines(lists[word[0]]))})", line)
    return line


def _whole_words(line: str) -> str:
    start, end = line.startswith("^"), line.endswith("$")
    inside = line[start : len(line) - end]
    return ("^" if start else r"\b") + f"(?:{inside})" + ("$" if end else r"\b")
