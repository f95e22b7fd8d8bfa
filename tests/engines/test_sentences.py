"""Sentences made of segments: punctuation where there is any, else pauses and words that open one."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from spoken import said

from hark.answers.transcript import Segment, Transcript, Word
from hark.engines.builtin.sentences import sentences


def texts(transcript: Transcript) -> list[str]:
    return [sentence.text for sentence in sentences(transcript)]


def test_a_pause_ends_a_sentence_unless_the_words_go_on() -> None:
    assert texts(said("the house is old", "it has a red roof")) == ["the house is old", "it has a red roof"]
    assert texts(said("we moved the", "release to monday", pause=0.4)) == ["we moved the release to monday"]
    assert texts(said("send the report", "by friday", pause=0.4)) == ["send the report by friday"]
    assert texts(said("send the report by", "friday", pause=3.0)) == ["send the report by", "friday"]


def test_openers_start_a_sentence_inside_a_segment() -> None:
    assert texts(said("that was the budget okay we decided to wait")) == [
        "that was the budget",
        "okay we decided to wait",
    ]
    assert texts(said("good morning everybody the door is open")) == ["good morning everybody", "the door is open"]
    assert texts(said("kevin knows the code kevin will fix it")) == ["kevin knows the code", "kevin will fix it"]
    assert texts(said("the roof is open", "by the way we will paint it", pause=0.4))[1:] == [
        "by the way we will paint it"
    ]
    assert texts(said("the film we will see is new")) == ["the film we will see is new"]
    assert texts(said("i think that we decided nothing")) == ["i think that we decided nothing"]


def test_punctuation_rules_where_there_is_any() -> None:
    spoken = said("We met Dr. Hill at 5 p.m. in Bonn. Was it late?", "It was, and", "we left.")
    assert texts(spoken) == ["We met Dr. Hill at 5 p.m. in Bonn.", "Was it late?", "It was, and we left."]
    assert [sentence.asks for sentence in sentences(spoken)] == [False, True, False]


def test_a_change_of_speaker_ends_a_sentence() -> None:
    first, second = said("we moved the", "release", pause=0.4).segments
    other = Segment(second.text, second.start, second.end, second.words, speaker="B")
    assert len(sentences(Transcript((first, other), 5.0))) == 2


def test_questions_without_a_mark() -> None:
    asking = ("who has the key", "are you there", "so what about the figures", "can somebody help")
    telling = ("what a day", "we know who has the key", "i am here", "the can is empty")
    assert all(sentence.asks for sentence in sentences(said(*asking)))
    assert not any(sentence.asks for sentence in sentences(said(*telling)))


def test_times_are_read_between_the_ends_where_words_have_none() -> None:
    (one, two) = sentences(Transcript((Segment("It rains. We stay here.", 10.0, 14.0),), 14.0))
    assert (one.start, two.end) == (10.0, 14.0)
    assert 10.0 < one.end < two.start < 14.0


def test_doubt_is_carried() -> None:
    words = tuple(Word(text, i, i + 0.5, 0.2, unsure=i < 2) for i, text in enumerate(("the", "boat", "sank", "here")))
    (sentence,) = sentences(Transcript((Segment("the boat sank here", 0.0, 3.5, words),), 4.0))
    assert sentence.unsure
    assert sentence.segment().confidence == 0.2


def test_original_gives_the_words_behind_a_span() -> None:
    (sentence,) = sentences(said("We'll send “Emma” the report, OK."))
    at = sentence.plain.index("emma")
    assert sentence.plain == "we will send emma the report ok"
    assert sentence.original(at, at + len("emma the report")) == "Emma” the report"
    assert sentence.original(3, 3) == ""


@given(st.lists(st.text("abino'wet .?!,", max_size=50), max_size=10), st.floats(0, 2))
@settings(max_examples=150, deadline=None)
def test_every_word_is_in_exactly_one_sentence(lines: list[str], pause: float) -> None:
    transcript = said(*lines, pause=pause)
    made = sentences(transcript)
    assert " ".join(sentence.text for sentence in made).split() == transcript.text.split()
    starts = [word.start for sentence in made for word in sentence.words]
    assert starts == sorted(starts)
