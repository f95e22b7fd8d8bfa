"""Loops and impossible text are marked; what people really say is not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hark
from hark.answers.doubt import compression, doubtful, judged, unspoken
from hark.answers.transcript import Segment

if TYPE_CHECKING:
    from pathlib import Path

ORDINARY = [
    "No, no, no, no.",
    "No no no no no no no!",
    "Ha ha ha ha ha ha ha.",
    "Yes. Yes, yes. I know, I know, I know. Thank you, thank you very much, thank you.",
    "one zero zero zero one nine oh two one oh zero one eight zero three",
    "zero zero zero zero zero zero zero seven",
    "very very very very very good",
    "A B C D E F G H I J K L M N O P Q R S T U V W X Y Z",
    "Row, row, row your boat, gently down the stream. Merrily, merrily, merrily, merrily, life is but a dream.",
    "We shall fight on the beaches, we shall fight on the landing grounds, we shall fight in the hills; we shall not.",
    "她说好好好，我知道了，我知道了。",  # noqa: RUF001
    "Ja, ja, ja, genau, das machen wir, das machen wir.",
    "Hm.",
    "",
    "...",
]
LOOPS = [
    "the " * 30,
    "Thank you. " * 12,
    "I'm going to go to the store and " * 8,
    "so we have to " * 6,
    "And now we come to the point where he says that " * 5,
    "谢谢观看" * 12,
    "la" * 300,
    "Good morning. " + "you know " * 8 + "and that is it.",
]


def at_ease(text: str) -> Segment:
    return Segment(text, 10.0, 10.0 + max(1.0, 0.1 * len(text)))


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_speech_is_not_doubted(text: str) -> None:
    assert judged([at_ease(text)]) == ((at_ease(text),), ())


@pytest.mark.parametrize("text", LOOPS)
def test_loops_are_marked_and_kept(text: str) -> None:
    (found,), (notice,) = judged([at_ease(text)])
    assert found.unsure
    assert (found.text, found.start, found.end) == (at_ease(text).text, at_ease(text).start, at_ease(text).end)
    assert notice.kind == "unsure"
    assert notice.text.startswith("1 of 1 segment repeats")


def test_a_loop_over_several_segments_marks_them_all() -> None:
    segments = [
        Segment("Good morning.", 0, 1),
        *(Segment("Thanks for watching!", 2.0 * n, 2.0 * n + 1.5) for n in range(1, 9)),
        Segment("Let us begin.", 20, 21),
    ]
    found, (notice,) = judged(segments)
    assert [segment.unsure for segment in found] == [False, *[True] * 8, False]
    assert notice.text.startswith("8 of 10 segments")


def test_a_short_answer_given_again_and_again_is_ordinary() -> None:
    segments = [Segment(text, 3.0 * n, 3.0 * n + 1) for n, text in enumerate(["Yes.", "Yes.", "No.", "Yes."] * 2)]
    assert judged(segments) == (tuple(segments), ())


@pytest.mark.parametrize(
    ("text", "seconds", "marked"),
    [
        ("we move the release to friday because tests fail", 0.5, True),
        ("we move the release to friday because tests fail", 0.0, True),
        ("we move the release to friday because tests fail", 1.4, False),
        ("yes of course", 0.05, False),  # the times of a few words are rough
        ("Donaudampfschifffahrtsgesellschaft " * 6, 2.0, True),
        ("我们决定把发布推迟到星期五", 0.6, True),
        ("我们决定把发布推迟到星期五", 1.6, False),
    ],
)
def test_more_than_can_be_said(text: str, seconds: float, marked: bool) -> None:
    assert doubtful(Segment(text, 5.0, 5.0 + seconds)) == marked


def test_a_long_talk_is_not_a_loop_because_it_compresses(examples: Path) -> None:
    talk = (examples / "standup.txt").read_text("utf-8")  # as one segment, from a model without times
    assert not doubtful(Segment(talk, 0, 60))
    sentences = [
        f"In the {n}th place we talked about the number {n * 7919 % 1000} and why it matters." for n in range(400)
    ]
    long = " ".join(sentences)
    assert compression(long) > compression(talk)
    assert compression(talk) < 2.0


def test_text_where_nobody_speaks_is_marked() -> None:
    segments = (Segment("Good morning.", 0.5, 1.5), Segment("Thank you.", 40, 42), Segment("Bye.", 61.9, 63))
    found, (notice,) = unspoken(segments, [(0.4, 1.6), (60.0, 62.0)])
    assert [segment.unsure for segment in found] == [False, True, False]
    assert notice.text == "Text at 40.0 s lies where nobody speaks; marked unsure."
    assert unspoken(found, [(0.4, 1.6), (60.0, 62.0)]) == (found, ())


def test_what_the_model_doubts_stays_doubted_and_is_not_told_twice() -> None:
    segments = (Segment("the " * 30, 0, 30, unsure=True), Segment("Hello.", 30, 31, unsure=True))
    assert judged(segments) == (segments, ())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=200), max_size=6))
def test_any_text_is_judged_and_none_is_changed(texts: list[str]) -> None:
    segments = [Segment(text, n, n + 1.0) for n, text in enumerate(texts)]
    found, notices = judged(segments)
    assert [(s.text, s.start, s.end) for s in found] == [(s.text, s.start, s.end) for s in segments]
    assert bool(notices) == any(segment.unsure for segment in found)
    assert judged(found) == (found, ())


def test_real_sentences_are_not_doubted(shared_data: Path) -> None:
    labels = (shared_data / "read_english" / "labels.jsonl").read_text("utf-8").splitlines()
    texts = [json.loads(line)["text"] for line in labels]
    assert len(texts) >= 100
    assert not [text for text in texts if doubtful(Segment(text, 0, 0.35 * len(text.split())))]


def test_transcripts_of_every_model_are_judged() -> None:
    clip = hark.Audio.of([0.0] * 16000, 16000)
    stuck = hark.Answer("you you you you " * 10)
    transcript = hark.Transcript.of(stuck, clip)
    assert transcript.segments[0].unsure
    assert transcript.text == stuck.text.strip()
    assert [notice.kind for notice in transcript.notices] == ["unsure"]


def test_the_offline_default_says_nothing_new_about_the_example(examples: Path) -> None:
    with hark.load("builtin") as listener:
        transcript = listener.transcribe(hark.Audio.of(examples / "standup.flac")[0:12])
    assert not [notice for notice in transcript.notices if notice.text.endswith("marked unsure.")]
