"""Summaries: sentences of the recording, in order, as many as asked for, without repetition."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spoken import HEARD, ORDINARY, said

from hark.engines.builtin.sentences import Sentence, sentences
from hark.engines.builtin.summary import keywords, summary


def meeting(name: str) -> tuple[Sentence, ...]:
    return sentences(said(*(line.text for line in HEARD[name])))


@pytest.mark.parametrize("name", HEARD)
def test_it_holds_sentences_in_order(name: str) -> None:
    every = meeting(name)
    chosen = summary(every)
    assert [every.index(one) for one in chosen] == sorted(every.index(one) for one in chosen)
    assert 1 <= len(chosen) <= max(1, round(len(every) / 4))


@pytest.mark.parametrize("count", [1, 2, 3, 5, 100])
def test_it_has_the_length_asked_for(count: int) -> None:
    every = meeting("build")
    assert len(summary(every, count)) == min(count, len(every))


def test_it_keeps_to_a_number_of_words() -> None:
    for words in (12, 20, 40):
        assert sum(len(one.words) for one in summary(meeting("build"), words=words)) <= words
    assert len(summary(meeting("build"), words=1)) == 1


def test_greetings_and_questions_carry_nothing() -> None:
    every = sentences(
        said("good morning everybody", "the bridge is closed for repairs", "what", "thank you very much", "okay great")
    )
    assert [one.text for one in summary(every, 1)] == ["the bridge is closed for repairs"]


def test_what_is_said_twice_is_given_once() -> None:
    every = sentences(
        said(
            "the bridge is closed for repairs", "the bridge is closed for repairs", "the school opens in august", "yes"
        )
    )
    assert len({one.text for one in summary(every, 2)}) == 2


def test_what_many_sentences_are_about_is_central() -> None:
    every = sentences(
        said(
            "my cousin bought a lamp",
            "the river flooded the village and the fields",
            "the village lost its fields to the river",
            "people left the village because the river rose",
            "a cat slept",
        )
    )
    assert all("river" in one.text for one in summary(every, 2))


def test_keywords_are_the_words_said_most() -> None:
    every = sentences(said("the river flooded the village", "the rivers rise", "a village by the river", "a cat slept"))
    assert keywords(every)[:2] == ("river", "village")
    assert keywords(()) == ()


def test_a_day_of_talk_is_summarised_in_time() -> None:
    lines = [line for talk in ORDINARY.values() for line in talk] * 60
    every = sentences(said(*lines))
    started = time.perf_counter()
    assert 1 <= len(summary(every)) <= 8
    assert time.perf_counter() - started < 10


@given(st.lists(st.text("abcdeo ,.?", max_size=40), max_size=12), st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_any_words_give_at_most_so_many_sentences(texts: list[str], count: int) -> None:
    every = sentences(said(*texts))
    chosen = summary(every, count)
    assert len(chosen) <= count
    assert set(map(id, chosen)) <= set(map(id, every))
    assert bool(chosen) == bool(every)
