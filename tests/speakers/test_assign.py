"""Words go to who said them; segments are split where the speaker changes."""

from __future__ import annotations

from hark.answers.transcript import Segment, Word
from hark.speakers.assign import assigned, in_order
from hark.speakers.turns import Turn

TURNS = (Turn(0, 2, "b"), Turn(2, 4, "a"))
WORDS = tuple(Word(text, at, at + 0.9) for at, text in enumerate(("well", "yes", "no", "never")))


def test_a_segment_is_split_between_words_with_its_punctuation() -> None:
    segments, guessed = assigned([Segment("Well, yes! No, never.", 0.0, 4.0, WORDS)], TURNS)
    assert [(part.text, part.speaker, part.start, part.end) for part in segments] == [
        ("Well, yes!", "b", 0.0, 1.9),
        ("No, never.", "a", 2, 4.0),
    ]
    assert tuple(word for part in segments for word in part.words) == WORDS
    assert not guessed


def test_a_segment_of_one_speaker_stays_as_it_is() -> None:
    segment = Segment("Well, yes!", 0.0, 1.9, WORDS[:2], confidence=0.5)
    (found,), _ = assigned([segment], TURNS)
    assert (found.text, found.words, found.confidence, found.speaker) == ("Well, yes!", WORDS[:2], 0.5, "b")


def test_without_times_of_words_the_text_is_divided_by_time_and_said_to_be_unsure() -> None:
    segments, guessed = assigned([Segment("one two three four", 1.0, 4.0)], (Turn(0, 2, "a"), Turn(2, 4, "b")))
    assert [(part.text, part.speaker, part.unsure) for part in segments] == [
        ("one", "a", True),
        ("two three four", "b", True),
    ]
    assert guessed


def test_a_sliver_of_another_speaker_splits_nothing() -> None:
    segments, guessed = assigned([Segment("one two three", 0.0, 2.2)], TURNS)
    assert [part.speaker for part in segments] == ["b"]
    assert not guessed


def test_words_in_a_pause_go_to_who_speaks_nearest_and_to_nobody_in_silence() -> None:
    word = Segment("hm", 2.4, 2.5, (Word("hm", 2.4, 2.5),))
    assert assigned([word], (Turn(0, 2, "a"), Turn(3, 4, "b")))[0][0].speaker == "a"
    assert assigned([word], ())[0][0].speaker is None


def test_speakers_are_named_by_what_was_written_first() -> None:
    segments = in_order([Segment("", 0, 1, speaker="z"), Segment("", 1, 2), Segment("", 2, 3, speaker="a")])
    assert [segment.speaker for segment in segments] == ["Speaker 1", None, "Speaker 2"]
