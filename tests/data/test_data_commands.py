"""`hark data convert` as a person uses it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from hark.cli import app

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for number in range(2):
        soundfile.write(tmp_path / f"{number}.wav", rng.normal(0, 0.1, 4000), 8000)
    path = tmp_path / "labels.jsonl"
    path.write_text("\n".join(json.dumps({"audio": f"{n}.wav", "text": f"text {n}"}) for n in range(2)))
    return path


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["data", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def test_a_transcript_becomes_a_question(labels: Path) -> None:
    out = labels.parent / "deep" / "train.json"
    out.parent.mkdir()
    status, said, notes = run("convert", labels, out, "--to", "flamingo", "--prompt", "Transcribe it.")
    assert (status, notes) == (0, "")
    assert "2 samples" in said
    first = json.loads(out.read_text())[0]
    assert first["sound"] == "../0.wav"
    assert first["conversations"][0]["value"] == "<sound>\nTranscribe it."
    assert run("convert", labels, out, "--to", "flamingo")[0] == 1  # it is there already


def test_what_is_lost_or_left_out_is_said(labels: Path) -> None:
    labels.write_text(labels.read_text() + '\n{"audio": "0.wav", "text": "x", "age": 3}\n{"text": "no audio"}\n')
    status, _, notes = run("convert", labels, labels.parent / "a.tsv", "--to", "fairseq")
    assert status == 1
    assert "labels.jsonl, line 4: It names no recording." in notes
    assert sorted(path.name for path in labels.parent.iterdir()) == ["0.wav", "1.wav", "labels.jsonl"]
    status, said, notes = run("convert", labels, labels.parent / "a.tsv", "--to", "fairseq", "--skip-bad")
    assert status == 1
    assert "3 samples" in said
    assert "1 of 3 samples: the format cannot hold age." in notes
    assert "left out: line 4" in notes


def test_copies_that_fail_leave_nothing_behind(labels: Path) -> None:
    (labels.parent / "1.wav").unlink()
    out = labels.parent / "copy" / "x.jsonl"
    out.parent.mkdir()
    assert run("convert", labels, out, "--copy-audio")[0] == 1
    assert list(out.parent.iterdir()) == []
    assert run("convert", labels, out, "--copy-audio", "--skip-bad")[0] == 1
    assert sorted(path.name for path in out.parent.rglob("*")) == ["0.wav", "x.jsonl", "x_audio"]


def test_recordings_may_lie_elsewhere(labels: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    away = tmp_path_factory.mktemp("away") / "labels.jsonl"
    away.write_bytes(labels.read_bytes())
    status, _, _ = run("check", away, "--audio", labels.parent)
    assert status == 0
    assert run("check", away)[0] == 1


def test_formats_are_listed() -> None:
    status, said, _ = run("formats")
    assert status == 0
    assert "kaldi" in said
    assert set(json.loads(run("formats", "--json")[1])) == {line.split()[0] for line in said.splitlines()}
