"""Words get the times at which they are said, or none: on sound whose words and times are known."""

from __future__ import annotations

import string
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hark
from hark.alignment.align import RATE, Aligner, align, emissions
from hark.alignment.spelling import Alphabet, words
from hark.errors import OptionError, UnsupportedError

if TYPE_CHECKING:
    from pathlib import Path

HOP = 320
LETTERS = ["", "|", *string.ascii_uppercase, "'"]
COLUMN = {letter: number for number, letter in enumerate(LETTERS)}


def columns(text: str) -> list[int] | None:
    return [COLUMN[c] for c in text] if all(c in COLUMN and c != "|" for c in text) else None


ALPHABET = Alphabet(0, COLUMN["|"], columns)


class Sound:
    """Samples that say which letter is said at each moment, and the model that hears them; some noise is in it."""

    def __init__(self, spoken: list[tuple[str, float, float]], seconds: float) -> None:
        self.samples = np.zeros(round(seconds * RATE), np.float32)
        for word, start, end in spoken:
            said = [*word, "|"]
            edges = np.linspace(start, end, len(said) + 1)
            for letter, (first, after) in zip(said, pairwise(edges), strict=True):
                one, other = round(first * RATE / HOP), round(after * RATE / HOP)
                self.samples[one * HOP : max(other, one + 1) * HOP] = COLUMN[letter] / 100
        self.clip = hark.Audio.of(self.samples, RATE)

    @staticmethod
    def hear(samples: np.ndarray) -> np.ndarray:
        count = max(0, (len(samples) - 400) // HOP + 1)
        said = np.rint(samples[: count * HOP : HOP] * 100).astype(int)
        likely = np.random.default_rng(1).random((count, len(LETTERS))) * 0.02
        likely[np.arange(count), said] += 1.0
        return np.log(likely / likely.sum(axis=1, keepdims=True)).astype(np.float32)

    aligner = property(lambda self: Aligner("toy", HOP / RATE, ALPHABET, self.hear))


def told(transcript: hark.Transcript, kind: str) -> list[str]:
    return [notice.text for notice in transcript.notices if notice.kind == kind]


def in_turn(said: list[str], each: float = 0.5, gap: float = 0.2, start: float = 0.3) -> list[tuple[str, float, float]]:
    return [(word.upper(), start + n * (each + gap), start + n * (each + gap) + each) for n, word in enumerate(said)]


def transcript_of(text: str, start: float, end: float, duration: float) -> hark.Transcript:
    return hark.Transcript((hark.Segment(text, start, end),), duration)


def test_every_word_gets_its_time() -> None:
    said = ["good", "morning", "everybody", "let's", "begin"]
    spoken = in_turn(said)
    sound = Sound(spoken, 4.5)
    found = align(transcript_of("Good morning, everybody: let’s begin.", 0, 4.5, 4.5), sound.clip, sound.aligner)  # noqa: RUF001
    assert [word.text for word in found.words] == ["Good", "morning,", "everybody:", "let’s", "begin."]  # noqa: RUF001
    for word, (_, start, end) in zip(found.words, spoken, strict=True):
        assert word.start == pytest.approx(start, abs=0.03)
        assert start < word.end <= end + 0.03
        assert word.confidence is not None
        assert word.confidence > 0.7
        assert not word.unsure
    assert told(found, "method") == ["Word times were found by aligning the text with toy."]
    assert not told(found, "untimed")
    assert found.text == "Good morning, everybody: let’s begin."  # noqa: RUF001


def test_what_cannot_be_written_gets_no_time_and_is_told() -> None:
    spoken = in_turn(["we", "meet", "fortytwo", "people", "today"])
    sound = Sound(spoken, 4.5)
    found = align(transcript_of("We meet 42 people 今天 today", 0, 4.5, 4.5), sound.clip, sound.aligner)
    assert [word.text for word in found.words] == ["We", "meet", "people", "today"]
    for word, (_, start, _end) in zip(found.words, [spoken[n] for n in (0, 1, 3, 4)], strict=True):
        assert word.start == pytest.approx(start, abs=0.05)
    assert told(found, "untimed") == ["3 words have no time, as toy cannot write them: 42, 今, 天"]
    assert found.text == "We meet 42 people 今天 today"


def test_words_that_are_not_said_get_no_time() -> None:
    spoken = in_turn(["thank", "you"])
    sound = Sound(spoken, 8.0)
    found = align(transcript_of("thank you", 3.0, 8.0, 8.0), sound.clip, sound.aligner)  # they are said before that
    assert found.words == ()
    assert told(found, "untimed") == ["2 words have no time, as toy does not hear them where they stand: thank, you"]
    assert found.segments[0].start == 3.0
    silence = align(transcript_of("thank you", 0, 2, 2), hark.Audio.of(np.zeros(2 * RATE), RATE), sound.aligner)
    assert silence.words == ()


def test_a_wrong_word_among_right_ones_is_marked() -> None:
    spoken = in_turn(["we", "meet", "banana", "today"])
    sound = Sound(spoken, 4.0)
    found = align(transcript_of("we meet binoculars today", 0, 4.0, 4.0), sound.clip, sound.aligner)
    by_text = {word.text: word for word in found.words}
    assert "binoculars" not in by_text or by_text["binoculars"].unsure
    assert by_text["today"].start == pytest.approx(spoken[3][1], abs=0.05)
    assert told(found, "untimed") or told(found, "unsure")


def test_segments_are_looked_for_in_their_own_stretch() -> None:
    spoken = in_turn(["yes", "no", "yes", "no", "yes"], each=0.6, gap=0.6)
    sound = Sound(spoken, 7.0)
    parts = [hark.Segment(word.lower(), start, end) for word, start, end in spoken]
    found = align(hark.Transcript((*parts[::-1],), 7.0), sound.clip, sound.aligner)  # in any order
    assert [word.text for word in found.words] == ["yes", "no", "yes", "no", "yes"]
    for word, (_, start, end) in zip(found.words, spoken[::-1], strict=True):
        assert start - 0.03 <= word.start < word.end <= end + 0.03


def test_a_segment_whose_times_are_a_little_wrong_is_widened() -> None:
    sound = Sound([("HELLO", 0.8, 1.4)], 3.0)
    found = align(transcript_of("hello", 1.0, 1.2, 3.0), sound.clip, sound.aligner)
    assert found.words[0].start == pytest.approx(0.8, abs=0.03)
    assert found.segments[0].start == found.words[0].start


def test_nothing_to_align() -> None:
    sound = Sound([], 1.0)
    assert align(hark.Transcript((), 1.0), sound.clip, sound.aligner) == hark.Transcript((), 1.0)
    for text in ("", "  ", "...", "- ?"):
        found = align(transcript_of(text, 0, 1, 1), sound.clip, sound.aligner)
        assert found.words == ()
        assert not told(found, "untimed")
    late = align(transcript_of("hello", 5, 6, 1), sound.clip, sound.aligner)  # beyond the end of the sound
    assert late.words == ()
    assert told(late, "untimed")


def test_too_much_text_for_its_time_gets_none() -> None:
    sound = Sound([("HELLO", 0.1, 0.6)], 1.0)
    found = align(transcript_of("hello " * 40, 0, 1, 1), sound.clip, sound.aligner)
    assert found.words == ()
    assert told(found, "untimed")[0].startswith("40 words have no time")


def test_a_segment_of_hours_is_neither_read_nor_aligned() -> None:
    sound = Sound([("HELLO", 0.1, 0.6)], 2.0)
    hours = hark.Transcript((hark.Segment("hello", 0, 1), hark.Segment("and so on", 1, 4000)), 4000)
    found = align(hours, sound.clip, sound.aligner)
    assert [word.text for word in found.words] == ["hello"]
    assert told(found, "untimed") == [
        "3 words have no time, as segments longer than 20 minutes are not aligned: and, so, on"
    ]


def test_long_segments_are_heard_in_stretches_as_if_at_once() -> None:
    said = [word for _ in range(12) for word in ("good", "morning", "we", "meet", "today", "at", "noon")]
    spoken = in_turn(said, each=0.6, gap=0.2)
    seconds = spoken[-1][2] + 1.0
    sound = Sound(spoken, seconds)
    heard: list[int] = []

    def hear(samples: np.ndarray) -> np.ndarray:
        heard.append(len(samples))
        return Sound.hear(samples)

    aligner = Aligner("toy", HOP / RATE, ALPHABET, hear)
    found = align(transcript_of(" ".join(said), 0, seconds, seconds), sound.clip, aligner)
    assert len(heard) > 2
    assert max(heard) <= 30 * RATE
    assert len(found.words) == len(said)
    for word, (_, start, _end) in zip(found.words, spoken, strict=True):
        assert word.start == pytest.approx(start, abs=0.03)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 200 * RATE), st.integers(0, 10**6))
def test_emissions_of_stretches_are_those_of_the_whole(count: int, seed: int) -> None:
    samples = np.zeros(count, np.float32)
    samples[::HOP] = np.random.default_rng(seed).integers(0, len(LETTERS), len(samples[::HOP])) / 100
    hear = lambda part: np.rint(part[: max(0, (len(part) - 400) // HOP + 1) * HOP : HOP, None] * 100)  # noqa: E731
    aligner = Aligner("toy", HOP / RATE, ALPHABET, hear)
    whole, pieces = hear(samples), emissions(aligner, samples)
    assert abs(len(whole) - len(pieces)) <= 1
    np.testing.assert_array_equal(whole[: len(pieces)], pieces[: len(whole)])


def test_words_of_a_text() -> None:
    assert words("Well - \u201cyes\u201d, 100 % of it... & more?") == [
        "Well",
        "\u201cyes\u201d,",
        "100",
        "%",
        "of",
        "it...",
        "&",
        "more?",
    ]
    assert words("你好，世界 ok") == ["你", "好，", "世", "界", "ok"]  # noqa: RUF001


@pytest.mark.parametrize(
    ("word", "spelt"),
    [
        ("Café", "CAFE"),
        ("don\u2019t", "DON'T"),
        ("Straße", "STRASSE"),
        ("(well-known)", "WELLKNOWN"),
        ("x²", None),
        ("при", None),
    ],
)
def test_spelling(word: str, spelt: str | None) -> None:
    found = ALPHABET.spell(word)
    assert (None if found is None else "".join(LETTERS[column] for column in found)) == spelt


# --- on the words of the offline default, and with models


@pytest.fixture(scope="module")
def meeting(examples: Path) -> tuple[hark.Audio, hark.Transcript]:
    clip = hark.Audio.of(examples / "standup.flac")[0:12]
    with hark.load("builtin") as listener:
        return clip, listener.transcribe(clip)


def test_the_words_of_the_offline_default_get_its_own_times(meeting: tuple[hark.Audio, hark.Transcript]) -> None:
    clip, heard = meeting
    spoken = [(word.text.upper().replace(".", ""), word.start, word.end) for word in heard.words]
    sound = Sound(spoken, clip.duration)
    plain = hark.Transcript(tuple(hark.Segment(s.text, s.start, s.end) for s in heard.segments), heard.duration)
    found = align(plain, sound.clip, sound.aligner)
    assert len(found.words) == len(heard.words) > 15
    off = [abs(one.start - other.start) for one, other in zip(found.words, heard.words, strict=True)]
    assert np.quantile(off, 0.95) <= 0.04
    assert max(off) < 0.3


@pytest.mark.parametrize("family", ["wav2vec2", "hubert", "parakeet_ctc"])
def test_any_ctc_model_aligns(family: str, meeting: tuple[hark.Audio, hark.Transcript], tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    from tiny.families import make

    clip, heard = meeting
    with hark.load(str(make(family, tmp_path / family))) as model:
        found = align(heard, clip, Aligner.of(model))
    assert len(found.segments) == len(heard.segments)
    for segment in found.segments:
        assert all(0 <= word.start < word.end <= clip.duration for word in segment.words)
        assert all(one.end <= other.start + 1e-6 for one, other in pairwise(segment.words))
        assert {word.text for word in segment.words} <= set(words(segment.text))
    lost = sum(int(text.split()[0]) for text in told(found, "untimed"))
    assert len(found.words) + lost == sum(len(words(segment.text)) for segment in found.segments)
    assert found.words


def test_a_model_that_cannot_align_is_refused(order: hark.Audio) -> None:
    with hark.load("echo") as listener:
        with pytest.raises(UnsupportedError, match="cannot align") as caught:
            listener.transcribe(order, align_with="builtin")
        assert "wav2vec 2.0" in caught.value.hint
        with pytest.raises(OptionError, match="translation"):
            listener.translate(order, "fr", align_with="builtin")


def test_word_times_without_an_aligner_stay_refused(order: hark.Audio, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    from tiny.families import make

    folder = str(make("wav2vec2", tmp_path / "ctc"))
    with hark.load(str(make("speech_to_text", tmp_path / "s2t"))) as listener:
        with pytest.raises(UnsupportedError, match="times of each word") as caught:
            listener.transcribe(order, timestamps="word")
        assert "--align-with" in caught.value.hint
        with hark.load(folder) as aligner:
            found = listener.transcribe(order, timestamps="word", align_with=aligner)
        assert found.text == listener.transcribe(order, align_with=folder).text == listener.transcribe(order).text
    assert [notice.kind for notice in found.notices].count("method") == 1
