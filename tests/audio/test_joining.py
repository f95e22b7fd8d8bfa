"""What was heard in windows that share some seconds is joined without doubled or lost words."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hark.answers.transcript import Segment, Word
from hark.audio.joining import OVERLAP, Joiner, joined
from hark.audio.windows import Window

LEXICON = (
    "the a we release friday tests installer bob ann notes what is left holidays meeting decided because ready "
    "wednesday morning everyone budget question answer number seven forty customers wrote about printer again"
).split()


def window(start: float, end: float, shared: float = 0.0, *, continues: bool = False) -> Window:
    return Window(np.zeros(0, np.float32), start, end, shared, continues)


def said(seed: int, count: int) -> list[Word]:
    """Words that follow each other without a pause; none comes twice within eight."""
    chance, at, words = random.Random(seed), 0.0, list[Word]()
    for _ in range(count):
        text = chance.choice([word for word in LEXICON if word not in {w.text for w in words[-8:]}])
        length = chance.uniform(0.18, 0.55)
        words.append(Word(text, at, at + length))
        at += length
    return words


def heard(words: list[Word], start: float, end: float, seed: int, *, edges: str) -> list[Word]:
    """What a recogniser makes of a stretch: its own idea of the times, and of the words that are cut."""
    chance, found = random.Random(seed), []
    for word in words:
        if word.end <= start or word.start >= end:
            continue
        early, late = word.start < start, word.end > end
        text = word.text
        if early or late:
            if edges == "lost":
                continue
            part = text[len(text) // 2 :] if early else text[: len(text) // 2 + 1]
            text = part if edges == "part" else "uh"
        moved = chance.uniform(-0.06, 0.06)
        found.append(Word(text, max(start, word.start + moved), min(end, word.end + moved)))
    return found


def segment(words: list[Word], *, timed: bool, start: float, end: float) -> Segment:
    return Segment(" ".join(word.text for word in words), start, end, tuple(words) if timed else ())


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**6), st.booleans(), st.sampled_from(["part", "lost", "other"]), st.floats(8, 14))
def test_no_word_is_doubled_or_lost(seed: int, timed: bool, edges: str, cut: float) -> None:
    words = said(seed, 60)
    total = words[-1].end
    one = segment(heard(words, 0, cut, seed, edges=edges), timed=timed, start=0, end=cut)
    other = segment(
        heard(words, cut - OVERLAP, total, seed + 1, edges=edges), timed=timed, start=cut - OVERLAP, end=total
    )
    left, right = joined(one, other, cut - OVERLAP, cut)
    assert f"{left.text} {right.text}".split() == [word.text for word in words]
    if timed:
        times = [word for part in (left, right) for word in part.words]
        assert all(a.end <= b.start + 0.13 and a.start <= b.start for a, b in pairwise(times))
        assert left.words[-1].end <= right.words[0].start
        assert left.end <= right.start + 1e-9
        assert " ".join(word.text for word in left.words) == left.text


def test_chinese_has_no_spaces() -> None:
    left, right = joined(
        Segment("我们决定把发布推迟到星期五因为测", 0, 10), Segment("期五因为测试还没有准备好", 8, 20), 8, 10
    )
    assert left.text + right.text == "我们决定把发布推迟到星期五因为测试还没有准备好"


def test_texts_that_agree_in_nothing_are_kept() -> None:
    left, right = joined(Segment("one two three", 0, 10), Segment("four five six", 8, 20), 8, 10)
    assert (left.text, right.text) == ("one two three", "four five six")
    assert (left.start, left.end, right.start, right.end) == (0, 10, 8, 20)


def test_words_far_from_the_cut_are_never_touched() -> None:
    text = "we said it again and again and again"
    left, right = joined(Segment(text, 0, 10), Segment(f"and again {text}", 8, 20), 8, 10)
    assert f"{left.text} {right.text}" == f"{text} {text}"


def test_one_of_the_two_may_hold_nothing_new() -> None:
    words = (Word("hello", 8.5, 8.9), Word("there", 9.0, 9.4))
    left, right = joined(Segment("hello there", 8.5, 9.4, words), Segment("hello there", 8.5, 9.4, words), 8, 10)
    assert f"{left.text} {right.text}".split() == ["hello", "there"]


def test_windows_that_share_nothing_pass_at_once_and_unchanged() -> None:
    joiner = Joiner()
    one, other = Segment("hello there", 0, 1), Segment("there you are", 1, 2)
    assert list(joiner.add(window(0, 1), one)) == [one]
    assert list(joiner.add(window(1, 2), other)) == [other]
    assert list(joiner.finish()) == []


@pytest.mark.parametrize("empty", [None, Segment("", 8, 10), Segment(" ", 8, 10)])
def test_a_window_without_words_loses_nothing(empty: Segment | None) -> None:
    one, other = Segment("before", 0, 10), Segment("after", 18, 30)
    joiner = Joiner()
    found = [
        *joiner.add(window(0, 10, continues=True), one),
        *joiner.add(window(8, 20, 2.0, continues=True), empty),
        *joiner.add(window(18, 30, 2.0), other),
        *joiner.finish(),
    ]
    assert found == [one, other]


def test_what_is_held_comes_out_at_the_end() -> None:
    joiner, one = Joiner(), Segment("before", 0, 10)
    assert list(joiner.add(window(0, 10, continues=True), one)) == []
    assert list(joiner.finish()) == [one]
    assert list(joiner.finish()) == []


def test_three_windows_in_a_row() -> None:
    words = said(3, 100)
    bounds = [(0.0, 10.0), (8.0, 20.0), (18.0, words[-1].end)]
    for timed in (True, False):
        joiner, found = Joiner(), list[Segment]()
        for number, (start, end) in enumerate(bounds):
            part = segment(heard(words, start, end, number, edges="part"), timed=timed, start=start, end=end)
            found += joiner.add(window(start, end, 2.0 if number else 0.0, continues=number < 2), part)
        found += joiner.finish()
        assert " ".join(part.text for part in found).split() == [word.text for word in words]
