"""Tables of phrases: whole words, ties to start and end, lists in capitals, comments."""

from __future__ import annotations

import pytest

from hark.engines.builtin.patterns import Phrases

TABLE = Phrases(
    r"""
    # how a plan is asked for
    what (is|was) the plan
    plans?|scheme

    ^(by|until) DAYs?$
    tone(?! generator)
    """,
    {"DAY": "monday|WEEKEND", "WEEKEND": "saturday\n sunday"},
)


@pytest.mark.parametrize("text", ["so what was the plan then", "two plans", "by monday", "until sundays", "his tone"])
def test_a_line_is_found(text: str) -> None:
    assert TABLE.search(text)


@pytest.mark.parametrize(
    "text", ["planet", "schemes", "done by monday", "by monday then", "monday", "a tone generator"]
)
def test_parts_of_words_and_other_places_are_not(text: str) -> None:
    assert not TABLE.search(text)


def test_round_brackets_capture_nothing_but_names_do() -> None:
    match = Phrases("(please )?(?P<verb>[a-z]+) (it|that)").fullmatch("please send it")
    assert match
    assert match.groups() == ("send",)
    assert [found.group() for found in Phrases("a|b").finditer("b ab a")] == ["b", "a"]
    assert Phrases(" b").sub("c", "a b") == "a c"
    assert Phrases("b").match("a b") is None


def test_a_list_nobody_wrote_is_an_error() -> None:
    with pytest.raises(KeyError, match="MONTH"):
        Phrases("in MONTH").search("in may")
