"""Transcripts as txt, srt, vtt, tsv and json, and as files."""

import errno
import html
import itertools
import json
import os
import re
import stat
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hark.answers import subtitles
from hark.answers.subtitles import SubtitleRules
from hark.answers.transcript import Segment, Transcript, Word
from hark.errors import OptionError, OutputError


class Shown(NamedTuple):
    start: float
    end: float
    lines: list[str]


TIME = r"(\d{2,}):([0-5]\d):([0-5]\d)[.,](\d{3})"


def seconds(*parts: str) -> float:
    hours, minutes, whole, thousandths = map(int, parts)
    return hours * 3600 + minutes * 60 + whole + thousandths / 1000


def parse(content: str, mark: str) -> list[Shown]:
    """A minimal reader of SubRip and WebVTT: blocks between blank lines, a time line, text."""
    shown = []
    for block in content.split("\n\n"):
        lines = block.strip("\n").split("\n")
        if lines == ["WEBVTT"] or lines == [""]:
            continue
        if mark == ",":
            assert lines.pop(0) == str(len(shown) + 1)
        match = re.fullmatch(f"{TIME} --> {TIME}", lines[0])
        assert match, lines
        assert lines[0].count(mark) == 2
        assert not any("-->" in line for line in lines[1:])
        assert lines[1:]
        shown.append(Shown(seconds(*match.groups()[:4]), seconds(*match.groups()[4:]), lines[1:]))
    return shown


def spoken(text: str, start: float = 0.0, each: float = 0.3, gap: float = 0.1, **rest: object) -> Segment:
    words, at = [], start
    for word in text.split():
        words.append(Word(word, at, at + each))
        at += each + gap
    return Segment(text, start, at - gap, tuple(words), **rest)  # type: ignore[arg-type]


def of(*segments: Segment, duration: float | None = None) -> Transcript:
    return Transcript(segments, duration if duration is not None else max((s.end for s in segments), default=0.0))


LONG = (
    "We moved the release to Friday, because the tests were not ready. Bob will fix the installer by Wednesday, "
    "and Ann writes the notes; after that we meet again and look at what is left to do before the holidays."
)


def test_srt_reads_back() -> None:
    transcript = of(spoken("Good morning, everyone."), spoken("Let us begin.", 3.0), duration=5.0)
    first, second = parse(transcript.to_srt(), ",")
    assert first == Shown(0.0, 1.1, ["Good morning, everyone."])
    assert second == Shown(3.0, 4.1, ["Let us begin."])


def test_times_beyond_an_hour_and_rounding_up() -> None:
    transcript = of(Segment("Late.", 3599.9996, 363599.9), duration=400000.0)
    assert "01:00:00,000 --> 100:59:59,900" in transcript.to_srt()
    assert "01:00:00.000 --> 100:59:59.900" in transcript.to_vtt()


@pytest.mark.parametrize("times", [(-0.2, 0.5), (4.0, 3.0), (9.0, 12.0), (5.0, 5.0)])
def test_times_never_negative_reversed_or_outside(times: tuple[float, float]) -> None:
    transcript = of(Segment("Word", *times), duration=5.0)
    for form, mark in (("srt", ","), ("vtt", ".")):
        (cue,) = parse(transcript.to(form), mark)
        assert 0 <= cue.start < cue.end <= 5.0
    start, end = map(int, transcript.to("tsv").splitlines()[1].split("\t")[:2])
    assert 0 <= start <= end


def test_long_speech_is_cut_at_punctuation_with_true_word_times() -> None:
    segment = spoken(LONG)
    starts = {round(word.start, 3): word.text for word in segment.words}
    cues = parse(of(segment).to_srt(), ",")
    assert len(cues) > 2
    assert cues[0].lines[-1].endswith("not ready.")
    for cue in cues:
        assert len(cue.lines) <= 2
        assert max(map(len, cue.lines)) <= 42
        assert starts[round(cue.start, 3)] == cue.lines[0].split()[0]


def test_lines_of_a_cue_are_balanced() -> None:
    (cue,) = parse(of(Segment("one two three four five six seven eight nine ten", 0, 3)).to_srt(), ",")
    assert cue.lines == ["one two three four five", "six seven eight nine ten"]


def test_a_pause_begins_a_cue() -> None:
    words = (Word("Wait", 0.0, 0.4), Word("now", 2.5, 2.9))
    cues = parse(of(Segment("Wait now", 0, 2.9, words)).to_srt(), ",")
    assert [(cue.start, cue.end, cue.lines) for cue in cues] == [(0, 1.0, ["Wait"]), (2.5, 2.9, ["now"])]


def test_no_times_are_invented_without_word_times() -> None:
    (cue,) = parse(of(Segment(LONG, 2.0, 31.0), duration=40.0).to_srt(), ",")
    assert (cue.start, cue.end) == (2.0, 31.0)
    assert " ".join(cue.lines) == LONG
    assert len(cue.lines) > 2
    assert max(map(len, cue.lines)) <= 42


def test_short_cues_stay_readable_but_never_reach_into_the_next() -> None:
    cues = parse(of(Segment("Yes.", 1.0, 1.1), Segment("No.", 1.5, 1.6), duration=1.9).to_srt(), ",")
    assert [(cue.start, cue.end) for cue in cues] == [(1.0, 1.5), (1.5, 1.9)]


def test_a_speakers_cues_do_not_overlap_but_two_speakers_may() -> None:
    transcript = of(
        Segment("I was about to say", 0.0, 4.0, speaker="Ann"),
        Segment("Sorry!", 2.0, 3.0, speaker="Bob"),
        Segment("something.", 3.9, 5.0, speaker="Ann"),
    )
    assert [(c.start, c.end) for c in parse(transcript.to_vtt(), ".")] == [(0.0, 3.9), (2.0, 3.0), (3.9, 5.0)]


def test_rules_can_be_set() -> None:
    transcript = of(spoken(LONG))
    cues = parse(subtitles.write(transcript, "srt", max_line=20, lines=1, max_seconds=2.0), ",")
    assert all(len(cue.lines) == 1 and len(cue.lines[0]) <= 20 and cue.end - cue.start <= 2.0 for cue in cues)


@pytest.mark.parametrize(
    "wrong", [{"width": 3}, {"lines": 0}, {"min_seconds": 9}, {"max_line": 0}, {"gap_seconds": -1}]
)
def test_wrong_rules_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(OptionError):
        subtitles.write(of(), "srt", **wrong)


def test_rules_are_refused_where_there_are_no_cues() -> None:
    for form in ("txt", "tsv", "json", "verbose_json"):
        with pytest.raises(OptionError, match="max_line"):
            of(spoken(LONG)).to(form, max_line=30)
    with pytest.raises(OptionError, match="rule"):
        of(spoken(LONG)).to_srt(colour="red")


def test_rules_reach_every_way_of_writing(tmp_path: Path) -> None:
    transcript, rules = of(spoken(LONG)), {"max_line": 20, "lines": 1, "max_seconds": 2.0}
    assert transcript.to_srt(**rules) == subtitles.write(transcript, "srt", **rules) != transcript.to_srt()
    transcript.save(tmp_path / "talk.vtt", **rules)
    assert (tmp_path / "talk.vtt").read_text("utf-8") == transcript.to_vtt(**rules)


def test_a_gap_is_kept_between_cues() -> None:
    transcript = of(Segment("Yes.", 1.0, 1.9), Segment("No.", 2.0, 2.95), Segment("So.", 3.0, 3.1), duration=5.0)
    cues = parse(transcript.to_srt(gap_seconds=0.2), ",")
    assert [(cue.start, cue.end) for cue in cues] == [(1.0, 1.8), (2.0, 2.8), (3.0, 4.0)]
    assert [cue.end for cue in parse(transcript.to_srt(), ",")] == [2.0, 3.0, 4.0]
    last = of(Segment("So.", 3.0, 5.0), duration=5.0)
    assert parse(last.to_srt(gap_seconds=0.2), ",")[0].end == 5.0


def test_punctuation_of_the_text_stays_where_words_have_none() -> None:
    words = (Word("well", 0, 0.3), Word("ok", 1.5, 1.8), Word("go", 1.9, 2.2))
    cues = parse(of(Segment('well... "ok, go"!', 0, 2.2, words)).to_srt(), ",")
    assert [cue.lines for cue in cues] == [["well..."], ['"ok, go"!']]


def test_words_that_are_not_in_the_text_are_shown_themselves() -> None:
    segment = Segment("2 euros", 0, 1, (Word("two", 0, 0.4), Word("euros", 0.5, 1)))
    assert parse(of(segment).to_srt(), ",")[0].lines == ["two euros"]


def test_chinese_is_wrapped_and_stays_unspaced() -> None:
    text = "我们决定把发布推迟到星期五，因为测试还没有准备好，安会写说明文档。"  # noqa: RUF001
    words = tuple(Word(character, 0.2 * i, 0.2 * i + 0.2) for i, character in enumerate(text))
    whole = parse(of(Segment(text, 0, 7)).to_srt(), ",")
    cut = parse(of(Segment(text, 0, 7, words)).to_srt(), ",")
    for cues in (whole, cut):
        lines = [line for cue in cues for line in cue.lines]
        assert "".join(lines) == text
        assert max(map(len, lines)) <= 21
        assert not any(line.startswith(("，", "。")) for line in lines)  # noqa: RUF001


def test_speakers() -> None:
    transcript = of(Segment("Hi.", 0, 1, speaker="Ann"), Segment("Ho.", 1, 2, speaker="A <b> & c"))
    assert transcript.to("txt") == "Ann: Hi.\nA <b> & c: Ho.\n"
    assert [cue.lines for cue in parse(transcript.to_srt(), ",")] == [["Ann: Hi."], ["A <b> & c: Ho."]]
    vtt = [cue.lines[0] for cue in parse(transcript.to_vtt(), ".")]
    assert vtt == ["<v Ann>Hi.", "<v A &lt;b&gt; &amp; c>Ho."]
    assert transcript.to("tsv").splitlines() == [
        "start\tend\ttext\tspeaker",
        "0\t1000\tHi.\tAnn",
        "1000\t2000\tHo.\tA <b> & c",
    ]


def test_text_cannot_break_a_format() -> None:
    text = "a --> b\n\n7\n00:00:00,000 --> 00:00:09,000\tc <i>&amp;\u2028d"
    transcript = of(Segment(text, 0, 4), Segment("next", 4, 5))
    assert len(parse(transcript.to_srt(), ",")) == 2
    vtt = parse(transcript.to_vtt(), ".")
    assert html.unescape(" ".join(vtt[0].lines)) == " ".join(text.split())
    assert len(vtt) == 2
    rows = [row.split("\t") for row in transcript.to("tsv").splitlines()]
    assert [len(row) for row in rows] == [3, 3, 3]
    assert len(transcript.to("txt").splitlines()) == 2


def test_tsv_is_in_milliseconds_and_json_is_whole() -> None:
    transcript = of(spoken("Füße, 你好."), duration=2.5)
    assert transcript.to("tsv") == "start\tend\ttext\n0\t700\tFüße, 你好.\n"
    assert json.loads(transcript.to("json")) == transcript.to_dict()
    assert "你好" in transcript.to("json")


def test_nothing_said() -> None:
    empty = of(Segment("  ", 0, 1), duration=1.0)
    assert (empty.to("txt"), empty.to("srt"), empty.to("vtt")) == ("", "", "WEBVTT\n")


# --- properties

WORD = st.text(st.characters(categories=["L", "N", "P", "S"], max_codepoint=0x2FF), min_size=1, max_size=60)


@st.composite
def transcripts(draw: st.DrawFn) -> Transcript:
    at, segments = 0.0, []
    for texts in draw(st.lists(st.lists(WORD, min_size=1, max_size=40), max_size=5)):
        at += draw(st.floats(0, 5))
        start, words = at, []
        for text in texts:
            end = at + draw(st.floats(0, 3))
            words.append(Word(text, at, end))
            at = end + draw(st.sampled_from([0.0, 0.05, 0.4, 2.0]))
        timed = tuple(words) if draw(st.booleans()) else ()
        segments.append(Segment(" ".join(texts), start, words[-1].end, timed))
    return Transcript(tuple(segments), at + 0.001)


@settings(max_examples=80, deadline=None)
@given(transcripts())
def test_cues_are_in_order_and_keep_every_word(transcript: Transcript) -> None:
    cues = subtitles.cues(transcript, SubtitleRules())
    lines = [line for cue in cues for line in cue.lines]
    assert " ".join(lines).split() == transcript.text.split()
    assert all(len(line) <= 42 or " " not in line for line in lines)
    for cue in cues:
        assert 0 <= cue.start < cue.end <= round(transcript.duration * 1000)
    for one, other in itertools.pairwise(cues):
        assert one.start <= other.start
        assert one.end <= other.start or one.start == other.start or other.start - one.start <= 1


@settings(max_examples=40, deadline=None)
@given(transcripts())
def test_every_format_reads_back(transcript: Transcript) -> None:
    assert len(parse(transcript.to_srt(), ",")) == len(parse(transcript.to_vtt(), "."))
    read = html.unescape(" ".join(line for cue in parse(transcript.to_vtt(), ".") for line in cue.lines))
    assert read.split() == transcript.text.split()


# --- files


@pytest.mark.parametrize("form", [form for form in subtitles.FORMATS if form != "diarized_json"])
def test_the_ending_tells_the_format(tmp_path: Path, form: str) -> None:
    transcript = of(spoken("Hello there."))
    transcript.save(tmp_path / f"talk.{form.upper()}")
    transcript.save(str(tmp_path / "other.dat"), form)
    assert (tmp_path / f"talk.{form.upper()}").read_text("utf-8") == transcript.to(form)
    assert (tmp_path / "other.dat").read_text("utf-8") == transcript.to(form)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("name", ["talk", "talk.docx", ".srt"])
def test_an_unknown_format_is_refused_with_those_there_are(tmp_path: Path, name: str) -> None:
    with pytest.raises(OptionError) as caught:
        of().save(tmp_path / name)
    assert "txt, srt, vtt, tsv, json, verbose_json, diarized_json" in caught.value.hint
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_the_older_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "talk.srt"
    path.write_text("older")

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        of(spoken("new")).save(path)
    assert path.read_text() == "older"
    assert [each.name for each in tmp_path.iterdir()] == ["talk.srt"]


def test_a_missing_folder_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError) as caught:
        of().save(tmp_path / "none" / "talk.srt")
    assert "does not exist" in caught.value.hint
    with pytest.raises(OutputError) as caught:
        of().save(tmp_path, "srt")
    assert "folder" in caught.value.hint
    assert not list(tmp_path.iterdir())


def test_rights_and_links_stay(tmp_path: Path) -> None:
    path, link = tmp_path / "talk.srt", tmp_path / "link.srt"
    path.write_text("older")
    path.chmod(0o640)
    link.symlink_to(path)
    of(spoken("new")).save(link)
    assert link.is_symlink()
    assert "new" in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_device_is_written_to_not_replaced() -> None:
    of(spoken("new")).save("/dev/null", "srt")
    assert not Path("/dev/null").is_file()
