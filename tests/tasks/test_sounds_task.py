"""`hark sounds`: what is heard when, measured, labelled, and asked window by window."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

import hark
from hark.answers.answer import Delta
from hark.answers.transcript import Segment
from hark.cli import app
from hark.engines.engine import Capabilities, Engine
from hark.errors import OptionError, OutputError
from hark.tasks.sounds import Sounds

RATE = 16_000


def _sequence(examples: Path) -> tuple[Any, list[float]]:
    """Knocks, 1 s of silence, a bell, then wind right after it; with the times of the beginnings."""
    parts, starts, at = [], [], 0.0
    for name, pause in (("knocks", 1.0), ("bell", 0.0), ("noise", 0.5)):
        sound = soundfile.read(examples / "sounds" / f"{name}.flac", dtype="float32")[0]
        heard = np.flatnonzero(np.abs(sound) > 0.02 * np.abs(sound).max())
        sound = 0.5 * sound[heard[0] : heard[-1]] / np.abs(sound).max()
        starts.append(at)
        parts += [sound, np.zeros(round(pause * RATE), np.float32)]
        at += len(sound) / RATE + pause
    return np.concatenate(parts), starts


def test_boundaries_and_kinds(examples: Path) -> None:
    samples, starts = _sequence(examples)
    with hark.load("builtin") as listener:
        found = listener.sounds(hark.Audio.of(samples, RATE))
    assert [event.start for event in found.events] == pytest.approx(starts, abs=0.25)
    for event, word in zip(found.events, ("knock", "bell", "noise"), strict=True):
        assert word in event.text
        assert event.confidence is None  # measured: there is no score to give
    assert found.events[-1].end <= found.duration
    assert any("measured" in notice.text for notice in found.notices)


def test_silence_and_rubbish() -> None:
    with hark.load("builtin") as listener:
        for samples in (np.zeros(3 * RATE, np.float32), np.full(RATE, np.nan, np.float32)):
            found = listener.sounds(hark.Audio.of(samples, RATE))
            assert found.events == ()
            assert "Nothing is heard" in found.to_markdown()
            assert any(notice.kind == "silence" for notice in found.notices)
        click = listener.sounds(hark.Audio.of(np.ones(10, np.float32), RATE))
        assert len(click.events) <= 1


class _Told(Engine):
    """Tells the same of each window: a dog, and a sound beyond the end."""

    name = "told"
    can = Capabilities(free_prompt=True, options=frozenset({"schema"}), max_seconds=10)

    def __init__(self) -> None:
        self.prompts: list[str] = []

    def generate(self, conversation: Any, options: Any) -> Iterator[Delta]:
        self.prompts.append(conversation.prompt)
        told = [{"sound": "dog barking", "start": 1, "end": 30}, {"sound": "ghost", "start": 40, "end": 41}]
        yield Delta(json.dumps({"sounds": told}))


def test_a_model_is_asked_window_by_window() -> None:
    engine = _Told()
    found = hark.Listener(engine).sounds(hark.Audio.of(np.zeros(25 * RATE, np.float32), RATE))
    assert len(engine.prompts) == 3
    assert "lasts 10.0 seconds" in engine.prompts[0]
    assert "lasts 5.0 seconds" in engine.prompts[2]
    assert [(event.text, event.start, event.end) for event in found.events] == [
        ("dog barking", 1, 10), ("dog barking", 11, 20), ("dog barking", 21, 25),
    ]  # fmt: skip
    assert any("left out: 3." in notice.text for notice in found.notices)


class _Classifier(Engine):
    name = "labels"
    can = Capabilities(free_prompt=False, tasks=frozenset({"classify"}), options=frozenset({"top"}))

    def generate(self, conversation: Any, options: Any) -> Iterator[Delta]:
        scored = (("Siren", 0, 10, 0.7), ("Siren", 10, 20, 0.9), ("Dog", 20, 25, 0.6))
        yield Delta("Siren", tuple(Segment(label, a, b, confidence=score) for label, a, b, score in scored))


def test_a_classifiers_best_label_of_each_stretch() -> None:
    found = hark.Listener(_Classifier()).sounds(hark.Audio.of(np.zeros(25 * RATE, np.float32), RATE))
    told = [(event.text, event.start, event.end, event.confidence) for event in found.events]
    assert told == [("Siren", 0, 20, 0.9), ("Dog", 20, 25, 0.6)]


def test_writers(tmp_path: Path) -> None:
    sounds = Sounds((Segment("door", 0.5, 2.0), Segment("dog", 3.0, 4.0, confidence=0.5)), 5.0)
    assert sounds.to("txt") == "[0:00.5 to 0:02.0] door\n[0:03.0 to 0:04.0] dog (0.50)\n"
    assert "00:00:00,500 --> 00:00:02,000\n[door]" in sounds.to("srt")
    assert sounds.to("vtt").startswith("WEBVTT")
    assert json.loads(sounds.to("json"))["sounds"][1] == {"start": 3.0, "end": 4.0, "text": "dog", "confidence": 0.5}
    sounds.save(tmp_path / "a.srt")
    assert (tmp_path / "a.srt").read_text() == sounds.to("srt")
    with pytest.raises(OptionError):
        sounds.save(tmp_path / "a.mp3")
    with pytest.raises(OutputError):
        sounds.save(tmp_path / "no" / "a.srt")


def test_the_command(examples: Path, tmp_path: Path) -> None:
    run = CliRunner().invoke
    siren = str(examples / "sounds" / "siren.flac")
    result = run(app, ["sounds", siren])
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "[0:00.0 to 0:04.0] a tone that rises and falls, like a siren\n"
    assert "measured" in result.stderr
    target = tmp_path / "siren.vtt"
    assert run(app, ["sounds", siren, "-q", "-o", str(target)]).exit_code == 0
    assert target.read_text().startswith("WEBVTT")
    assert json.loads(run(app, ["sounds", siren, "--json"]).stdout)["sounds"][0]["start"] == 0
    for wrong in (["-f", "doc"], ["-o", "x.doc"], ["-o", "no-such-folder/x.srt"]):
        assert run(app, ["sounds", siren, *wrong]).exit_code == 1
    assert run(app, ["sounds", "no such file.flac"]).exit_code == 1
