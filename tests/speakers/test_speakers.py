"""Who spoke, through the public doors: voices told apart, channels of a call, bad input."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from typer.testing import CliRunner

import hark
from hark.answers.answer import Delta
from hark.answers.transcript import Segment, Word
from hark.cli import app
from hark.engines.echo import Echo
from hark.errors import OptionError
from hark.speakers.channels import talkers
from hark.speakers.diarize import diarize

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RATE = 16000


class Scripted(Echo):
    """Says one word in each second, with its time, or (`timestamps="none"`) one text without times."""

    def __init__(self, timestamps: str = "word") -> None:
        super().__init__()
        self.can = replace(self.can, timestamps=timestamps)
        self.heard: list[float] = []

    def generate(self, conversation: Any, options: Any) -> Iterator[Delta]:
        seconds = conversation.clips[0].duration
        self.heard.append(seconds)
        words = tuple(Word(f"w{at}", at, min(at + 1.0, seconds)) for at in range(int(np.ceil(seconds))))
        text = " ".join(word.text for word in words)
        segment = Segment(text, 0.0, seconds, words)
        yield Delta(text, (segment,) if self.can.timestamps == "word" else (), heard=seconds)


@pytest.fixture(scope="module")
def meeting(examples: Path) -> tuple[hark.Audio, list[tuple[float, str]]]:
    """The first half minute of a meeting of two, and who speaks at which second."""
    return hark.Audio.of(examples / "standup.flac")[0:30], [
        (2, "rms"),
        (7, "slt"),
        (12, "rms"),
        (16, "slt"),
        (22, "rms"),
    ]


@pytest.fixture(scope="module")
def alone(examples: Path) -> np.ndarray:
    return hark.Audio.of(examples / "order.flac").samples()


def test_two_voices_are_told_apart(meeting: tuple[hark.Audio, list[tuple[float, str]]]) -> None:
    clip, known = meeting
    turns = diarize(clip.stream())
    found = [next(turn.speaker for turn in turns if turn.start <= at <= turn.end) for at, _ in known]
    assert found == ["Speaker 1" if who == "rms" else "Speaker 2" for _, who in known]
    assert all(turn.start < turn.end <= clip.duration for turn in turns)
    assert all(before.end <= after.start for before, after in pairwise(turns))


def test_one_voice_is_one_speaker(alone: np.ndarray) -> None:
    assert {turn.speaker for turn in diarize([alone, alone])} == {"Speaker 1"}


@pytest.mark.parametrize("count", [1, 2, 3, 50])
def test_as_many_are_found_as_were_asked_for_or_as_there_can_be(meeting: Any, count: int) -> None:
    found = len({turn.speaker for turn in diarize(meeting[0].stream(), count)})
    assert found == count if count < 4 else 4 < found <= count


@pytest.mark.parametrize("samples", [np.zeros(RATE * 3), np.zeros(100), np.full(RATE, 0.1)])
def test_silence_has_no_speakers(samples: np.ndarray) -> None:
    assert diarize([samples.astype(np.float32)]) == ()


def test_half_a_second_is_enough_not_to_fail(alone: np.ndarray) -> None:
    assert len(diarize([alone[RATE : RATE * 3 // 2]])) <= 1


def _call(left: np.ndarray, right: np.ndarray, leak: float | None = None) -> hark.Audio:
    size = max(len(left), len(right))
    sides = np.stack([np.pad(side, (0, size - len(side))) for side in (left, right)], axis=1)
    if leak is not None:
        sides = sides + 10 ** (leak / 20) * np.roll(sides[:, ::-1], 80, axis=0)
    return hark.Audio.of(sides.astype(np.float32), rate=RATE)


@pytest.fixture(scope="module")
def sides(examples: Path) -> tuple[np.ndarray, np.ndarray]:
    """What each of two people says, one after the other."""
    first, second = (hark.Audio.of(examples / name).samples() for name in ("order.flac", "hesitant.flac"))
    return first, np.concatenate((np.zeros(len(first), np.float32), second))


@pytest.mark.parametrize(("leak", "separate"), [(None, True), (-40, True), (-30, True), (-10, False), (-3, False)])
def test_channels_are_talkers_where_neither_hears_the_other(sides: Any, leak: float | None, separate: bool) -> None:
    found = talkers(_call(*sides, leak))
    assert (found is not None) == separate
    if found:
        middle = len(sides[0]) / RATE
        assert all(end <= middle for _, end in found.speech[0])
        assert all(start >= middle for start, _ in found.speech[1])


def test_one_sound_in_both_channels_is_no_call(sides: Any) -> None:
    assert talkers(_call(sides[0], sides[0])) is None
    assert talkers(_call(sides[0], np.zeros(1, np.float32))) is None
    assert talkers(hark.Audio.of(sides[0], rate=RATE)) is None


def test_a_real_call_has_two_speakers_and_each_channel_is_transcribed_for_itself(shared_data: Path) -> None:
    clip = hark.Audio.of(shared_data / "clips" / "stereo_diarization.wav")
    engine = Scripted()
    transcript = hark.Listener(engine).transcribe(clip, speakers=True)
    assert [(part.speaker, part.start) for part in transcript.segments] == [("Speaker 1", 0.0), ("Speaker 2", 0.0)]
    assert engine.heard == [5.0, 5.0]
    assert transcript.duration == 5.0


def test_segments_are_split_where_the_speaker_changes(meeting: Any) -> None:
    clip, known = meeting
    transcript = hark.Listener(Scripted()).transcribe(clip, speakers=True)
    said = {word.text: part.speaker for part in transcript.segments for word in part.words}
    assert [said[f"w{at}"] for at, _ in known] == ["Speaker 1" if who == "rms" else "Speaker 2" for _, who in known]
    assert [word.text for word in transcript.words] == [f"w{at}" for at in range(30)]
    assert "<v Speaker 2>" in transcript.to_vtt()
    assert any("voices" in notice.text for notice in transcript.notices)


def test_a_model_without_times_hears_the_turns_one_by_one(meeting: Any) -> None:
    engine = Scripted("none")
    transcript = hark.Listener(engine).transcribe(meeting[0], speakers=2)
    assert [part.speaker for part in transcript.segments[:3]] == ["Speaker 1", "Speaker 2", "Speaker 1"]
    assert engine.heard == pytest.approx([part.end - part.start for part in transcript.segments])
    assert [notice.kind for notice in transcript.notices if "turn" in notice.text] == ["split"]


def test_silence_has_a_transcript_without_speakers() -> None:
    clip = hark.Audio.of(np.zeros(RATE * 2, np.float32), rate=RATE)
    assert hark.Listener(Scripted("none")).transcribe(clip, speakers=True).segments == ()
    assert hark.load("builtin").transcribe(clip, speakers=True).segments == ()


@pytest.mark.parametrize("speakers", [0, -1, 1.5, "two"])
def test_numbers_that_are_none_are_refused(order: hark.Audio, speakers: Any) -> None:
    with pytest.raises(OptionError, match="speakers cannot be"):
        hark.load("echo").transcribe(order, speakers=speakers)


def test_speakers_need_times(order: hark.Audio) -> None:
    with pytest.raises(OptionError, match="times"):
        hark.load("echo").transcribe(order, speakers=True, timestamps="none")


@pytest.mark.parametrize("wish", [["--speakers"], ["--speakers", "1"], ["--speakers=1"]])
def test_the_command_takes_the_option_with_and_without_a_number(examples: Path, wish: list[str]) -> None:
    clip = str(examples / "order.flac")
    for arguments in ([*wish, clip], [clip, *wish]):
        done = CliRunner().invoke(app, ["transcribe", "--model", "echo", "--json", *arguments])
        assert done.exit_code == 0, done.output
        assert [part["speaker"] for part in json.loads(done.stdout)["segments"]] == ["Speaker 1"]


@pytest.mark.parametrize(
    "wish", [["--speakers", "0"], ["--speakers", "-1"], ["--speakers=many"], ["--diarize-with", "nowhere"]]
)
def test_the_command_refuses_before_it_hears(wish: list[str]) -> None:
    done = CliRunner().invoke(app, ["transcribe", "missing.wav", *wish])
    assert done.exit_code == 1
    assert "missing.wav" not in done.stderr


def test_one_channel_of_a_recording(sides: Any) -> None:
    clip = _call(*sides)
    second = clip.channel(1)
    assert second.channels == 1
    assert second.id != clip.channel(0).id != clip.id
    np.testing.assert_allclose(second[1:5].samples(), clip.samples(mono=False)[RATE : 5 * RATE, 1])
    with pytest.raises(OptionError, match="channel 2"):
        clip.channel(2)
