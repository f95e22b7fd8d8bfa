"""`hark command`: orders from recordings, and as they are spoken, through a stream in place of a microphone."""

from __future__ import annotations

import builtins
import json
import sys
import types
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner, Result

import hark
from hark.cli import app
from hark.engines.builtin.wake import WakeWord
from hark.tasks.command.listening import orders

if TYPE_CHECKING:
    from pathlib import Path

RATE = 16000


def run(*arguments: object, typed: bytes | None = None) -> Result:
    return CliRunner().invoke(app, ["command", *map(str, arguments)], input=typed)


def pause(seconds: float) -> np.ndarray:
    return np.random.default_rng(1).standard_normal(int(seconds * RATE)).astype(np.float32) * np.float32(1e-4)


def pcm(*pieces: np.ndarray) -> bytes:
    return (np.concatenate(pieces) * 32767).astype("<i2").tobytes()


@pytest.fixture(scope="module")
def grammar(examples: Path) -> Path:
    return examples / "coffee_maker.yaml"


@pytest.fixture(scope="module")
def said(examples: Path) -> dict[str, np.ndarray]:
    return {name: hark.Audio.of(examples / f"{name}.flac").samples() for name in ("order", "hesitant")}


def test_the_command_of_each_recording_is_shown(examples: Path, grammar: Path) -> None:
    result = run(examples / "order.flac", examples / "sounds" / "noise.flac", "--grammar", grammar)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[1::2] == ["order(size=large, drink=coffee, sugar=two sugars)", "not understood"]
    assert "knew the grammar" in result.stderr


def test_json_has_a_line_for_each_recording_errors_included(examples: Path, grammar: Path) -> None:
    result = run("missing.flac", examples / "order.flac", "-g", grammar, "--json")
    assert result.exit_code == 1
    wrong, right = (json.loads(line) for line in result.stdout.splitlines())
    assert wrong["error_type"] == "AudioNotFoundError"
    assert (right["understood"], right["intent"], right["slots"]["drink"]) == (True, "order", "coffee")


def test_several_orders_in_one_recording_have_their_times(
    tmp_path: Path, grammar: Path, said: dict[str, np.ndarray]
) -> None:
    pieces = (pause(1), said["order"], pause(2), said["hesitant"], pause(2), said["order"], pause(1))
    starts = np.cumsum([0, *(len(piece) / RATE for piece in pieces)])
    soundfile.write(path := tmp_path / "day.wav", np.concatenate(pieces), RATE)
    result = run(path, "-g", grammar, "--each", "--json")
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert [one["understood"] for one in found] == [True, False, True]
    for one, start in zip(found, starts[1:-1:2], strict=True):
        assert start - 0.4 < one["start"] < start + 0.4 < one["end"]


def test_raw_samples_from_another_program_are_heard_like_a_microphone(
    grammar: Path, said: dict[str, np.ndarray]
) -> None:
    result = run("--microphone", "-", "-g", grammar, "-q", typed=pcm(pause(1), said["order"], pause(1)) + b"\0")
    assert result.exit_code == 0, result.output
    assert result.stdout.endswith("] order(size=large, drink=coffee, sugar=two sugars)\n")
    assert result.stdout.count("\n") == 1


class Awake:
    """Hears its word at a given second."""

    def __init__(self, second: float) -> None:
        self.second, self.heard = second, 0

    def feed(self, samples: np.ndarray) -> bool:
        self.heard += len(samples)
        return self.heard / RATE >= self.second


def test_only_what_follows_the_wake_word_is_heard(said: dict[str, np.ndarray]) -> None:
    stream = np.concatenate((pause(1), said["order"], pause(2), said["hesitant"], pause(2), said["order"], pause(2)))
    second = 1 + len(said["order"]) / RATE + 1
    found = list(orders([stream], wake=Awake(second)))
    assert found[0][0] == pytest.approx(second + 1, abs=0.7)
    assert len(list(orders([stream]))) == 3
    assert list(orders([stream], wake=Awake(1e9))) == []


def test_the_size_of_blocks_changes_nothing(said: dict[str, np.ndarray]) -> None:
    stream = np.concatenate((pause(1), said["order"], pause(2), said["hesitant"]))
    whole = list(orders([stream]))
    small = list(orders(stream[n : n + 700] for n in range(0, len(stream), 700)))
    assert [start for start, _ in whole] == [start for start, _ in small]
    assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(whole, small, strict=True))


def test_quiet_speech_is_heard_and_endless_speech_is_cut(said: dict[str, np.ndarray]) -> None:
    assert (
        len(list(orders([np.concatenate((pause(1) * 0.02, said["order"] * np.float32(0.02), pause(1) * 0.02))]))) == 1
    )
    endless = list(orders([np.tile(said["order"][2000:-4000], 12)], pause=2))
    assert len(endless) >= 2
    assert all(len(samples) <= 20.5 * RATE for _, samples in endless)


def test_a_wake_word_is_spotted_and_others_are_not(said: dict[str, np.ndarray]) -> None:
    def spotted(phrase: str) -> bool:
        spotter = WakeWord(phrase)
        samples = np.concatenate((pause(0.5), said["order"], pause(1)))
        return sum(spotter.feed(samples[n : n + 512]) for n in range(0, len(samples), 512)) == 1

    assert spotted("large coffee")
    assert not spotted("computer")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["order.flac", "--microphone"], "There is a recording, and --microphone"),
        ([], "There is no recording"),
        (["order.flac", "--wake", "computer"], "--wake goes with"),
        (["order.flac", "--each", "--pause", "0"], "pause cannot be"),
        (["order.flac", "--language", "de"], "language 'de'"),
        (["--microphone", "-", "--wake", " "], "empty"),
        (["--microphone", "-", "--wake", "qzx"], "pronounced"),
    ],
)
def test_wrong_options_are_told_with_a_hint(examples: Path, grammar: Path, arguments: list[str], message: str) -> None:
    named = [str(examples / one) if one.endswith(".flac") else one for one in arguments]
    result = run(*named, "-g", grammar, typed=b"")
    assert result.exit_code == 1
    assert message in result.stderr
    assert len(result.stderr.splitlines()) >= 2


def test_a_wrong_grammar_is_told_before_anything_is_heard(tmp_path: Path) -> None:
    (path := tmp_path / "bad.yaml").write_text("context: {expressions: {order: ['[']}}")
    for name in (path, tmp_path / "missing.yaml"):
        result = run("missing.flac", "-g", name)
        assert result.exit_code == 1
        assert "missing.flac" not in result.stderr


def test_a_microphone_that_cannot_be_used_is_told(monkeypatch: pytest.MonkeyPatch, grammar: Path) -> None:
    real = builtins.__import__

    def refusing(error: Exception) -> Any:
        def load(name: str, *rest: Any, **more: Any) -> Any:
            if name == "sounddevice":
                raise error
            return real(name, *rest, **more)

        return load

    for error, hint in ((ImportError("no"), "hark-audio[microphone]"), (OSError("no"), "apt install libportaudio2")):
        monkeypatch.setattr(builtins, "__import__", refusing(error))
        result = run("--microphone", "-g", grammar)
        monkeypatch.undo()
        assert result.exit_code == 1
        assert hint in result.stderr


def test_the_microphone_is_heard_at_its_own_rate(
    monkeypatch: pytest.MonkeyPatch, grammar: Path, said: dict[str, np.ndarray]
) -> None:
    """A stand-in for sounddevice that gives the recording at 48 kHz, and then ends with Ctrl-C."""
    played = np.repeat(np.concatenate((pause(1), said["order"], pause(2))), 3)[:, np.newaxis]

    class Stream:
        def __init__(self, rate: int, size: int, *, channels: int, dtype: str, callback: Any) -> None:
            assert (rate, channels, dtype) == (48000, 1, "float32")
            self.blocks = [played[n : n + size] for n in range(0, len(played), size)]
            self.callback = callback

        def __enter__(self) -> None:
            for block in self.blocks:
                self.callback(block, len(block), None, None)
            self.callback(np.zeros((0, 1), np.float32), 0, None, None)

        def __exit__(self, *_: object) -> None:
            pass

    module = types.SimpleNamespace(
        InputStream=Stream, PortAudioError=OSError, query_devices=lambda kind: {"default_samplerate": 48000.0}
    )
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    from hark.audio.microphone import microphone

    stream, heard = microphone(), 0.0
    blocks = []
    while heard < len(played) / 48000 - 0.5:
        blocks.append(next(stream))
        heard += len(blocks[-1]) / RATE
    stream.close()
    assert np.corrcoef(np.concatenate(blocks)[:40000], np.concatenate((pause(1), said["order"]))[:40000])[0, 1] > 0.95
