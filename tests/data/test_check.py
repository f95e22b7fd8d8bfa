"""`hark data check`: each fault planted is found where it is, and nowhere else."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from hark.cli import app
from hark.data.check.check import ERRORS, WARNINGS, Check
from hark.data.pool import mapped

if TYPE_CHECKING:
    from pathlib import Path

RATE = 8000
SPOKEN = "these are plain words"


def sound(path: Path, seconds: float, seed: int, level: float = 0.1) -> None:
    samples = np.random.default_rng(seed).normal(0, level, round(seconds * RATE))
    soundfile.write(path, np.clip(samples, -1, 1).astype(np.float32), RATE)


FAULTS: dict[str, dict[str, Any]] = {
    "missing": {"audio": "nowhere.wav"},
    "empty": {"audio": "empty.wav"},
    "unreadable": {"audio": "prose.wav"},
    "truncated": {"audio": "truncated.wav"},
    "silent": {"audio": "silent.wav"},
    "clipped": {"audio": "clipped.wav"},
    "too-short": {"audio": "short.wav", "text": "a"},
    "too-long": {"audio": "long.wav"},
    "wrong-claim": {"duration": 5.0},
    "empty-text": {"text": "  "},
    "odd-character": {"text": "a bell \x07 rings"},
    "control-token": {"text": "the end <|im_end|>"},
    "wrong-script": {"language": "ru"},
    "impossible-text": {"text": "far more words than anybody could ever have said in one short second " * 2},
    "little-text": {"audio": "12 s.wav", "text": "hm"},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    sound(tmp_path / "truncated.wav", 2, 90)
    data = (tmp_path / "truncated.wav").read_bytes()
    (tmp_path / "truncated.wav").write_bytes(data[: len(data) // 2])
    (tmp_path / "empty.wav").touch()
    (tmp_path / "prose.wav").write_text("Dear all, this is a letter and no recording. " * 20)
    soundfile.write(tmp_path / "silent.wav", np.zeros(RATE, np.float32), RATE)
    sound(tmp_path / "clipped.wav", 1, 91, level=30)
    sound(tmp_path / "short.wav", 0.05, 92)
    sound(tmp_path / "long.wav", 21, 93)
    sound(tmp_path / "12 s.wav", 12, 94)
    rows = []
    for number, (kind, fault) in enumerate(FAULTS.items()):
        sound(tmp_path / f"{number}.wav", 1, number)
        long = {"text": SPOKEN * 2} if kind == "too-long" else {}
        rows.append({"id": kind, "audio": f"{number}.wav", "text": SPOKEN, "speaker": "a", **long, **fault})
    (tmp_path / "train.jsonl").write_text("\n".join(json.dumps(row) for row in rows) + '\n{"text": \n')
    return tmp_path


def check(*arguments: object) -> tuple[int, dict[str, Any]]:
    result = CliRunner().invoke(app, ["data", "check", "--json", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, json.loads(result.stdout)


def test_each_fault_is_found_where_it_is(folder: Path) -> None:
    status, found = check(folder / "train.jsonl", "--max-seconds", 20)
    assert status == 1
    assert sorted((each["sample"], each["kind"]) for each in found["problems"]) == sorted(
        [(kind, kind) for kind in FAULTS] + [(f"line {len(FAULTS) + 1}", "entry")]
    )
    levels = {each["kind"]: each["level"] for each in found["problems"]}
    assert {kind for kind, level in levels.items() if level == "error"} == levels.keys() & ERRORS
    assert {kind for kind, level in levels.items() if level == "warning"} == levels.keys() & WARNINGS
    (split,) = found["files"]
    assert split["samples"] == len(FAULTS)
    # six with a recording of their own, silent and clipped, half of 2 s, and three of other lengths
    assert split["seconds"] == pytest.approx(6 + 2 + 1 + 0.05 + 21 + 12, abs=0.02)
    assert split["seconds_by"]["speaker"] == {"a": split["seconds"]}


def test_copies_conflicts_and_leaks_are_found(tmp_path: Path) -> None:
    for number in range(3):
        sound(tmp_path / f"{number}.wav", 1, number)
    samples, rate = soundfile.read(tmp_path / "0.wav", dtype="int16")
    soundfile.write(tmp_path / "copy.flac", samples, rate)  # the same in another container
    train = [("0.wav", "zero", "a"), ("0.wav", "zero", "a"), ("copy.flac", "one", "a"), ("1.wav", "one", "b")]
    test = [("copy.flac", "zero", "c"), ("2.wav", "two", "b"), ("2.wav", "two", "b")]
    for name, rows in {"train": train, "test": test}.items():
        lines = [{"id": f"{name}-{n % 3}", "audio": a, "text": t, "speaker": s} for n, (a, t, s) in enumerate(rows)]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, lines)))
    status, found = check(tmp_path / "train.jsonl", tmp_path / "test.jsonl")
    assert status == 1
    assert [(each["sample"], each["kind"]) for each in found["problems"]] == [
        ("train-1", "duplicate"),
        ("train-2", "conflict"),
        ("train-0", "duplicate-id"),
        ("test-0", "leak-audio"),
        ("test-1", "leak-speaker"),
        ("test-2", "duplicate"),
    ]


def test_what_is_right_passes_and_what_is_warned_of_may_not(tmp_path: Path) -> None:
    for number in range(2):
        sound(tmp_path / f"{number}.wav", 1, number)
    lines = [{"audio": f"{n}.wav", "text": SPOKEN, "language": "en", "duration": 1.0} for n in range(2)]
    path = tmp_path / "train.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    assert check(path)[0] == 0
    status, found = check(path, "--max-seconds", 0.5)
    assert (status, found["counts"]) == (0, {"too-long": 2})
    assert check(path, "--max-seconds", 0.5, "--strict")[0] == 1
    shown = CliRunner().invoke(app, ["data", "check", str(path)])
    assert "by language: en 2.0 s" in shown.stdout
    assert "Nothing is wrong" in shown.stdout
    assert CliRunner().invoke(app, ["data", "check", str(tmp_path / "nothing.jsonl")]).exit_code == 1


def die_of_three(number: int) -> int:
    if number == 3:
        os._exit(139)
    return number * 10


def test_a_worker_that_dies_costs_one_item() -> None:
    found = list(mapped(die_of_three, range(6), 2, lambda item: -item))
    assert found == [(0, 0), (1, 10), (2, 20), (3, -3), (4, 40), (5, 50)]


def test_real_recordings_are_fine(shared_data: Path) -> None:
    checking = Check(jobs=1)
    assert list(checking.problems(shared_data / "read_english" / "labels.jsonl")) == []
    assert checking.splits[0].samples == 120
    assert checking.splits[0].seconds == pytest.approx(588.459, abs=0.01)
