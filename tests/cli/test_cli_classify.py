"""`hark classify`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner, Result

from hark.cli import app
from tiny.classify import tiny_classifier

if TYPE_CHECKING:
    from pathlib import Path


pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_classifier(tmp_path_factory.mktemp("classify") / "tiny", "audio-spectrogram-transformer")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["classify", *map(str, arguments)])


def test_labels_are_shown_best_first(folder: Path, examples: Path) -> None:
    result = run(examples / "order.flac", "--model", folder, "--top", 2)
    assert result.exit_code == 0, result.output
    first, second = (line.split(": ") for line in result.stdout.splitlines())
    assert float(first[1]) >= float(second[1])


def test_stretches_of_a_long_recording_are_shown_with_times(folder: Path, examples: Path) -> None:
    result = run(examples / "standup.flac", "--model", folder, "--top", 1)
    lines = result.stdout.splitlines()
    assert lines[0].startswith("[0:00.0 to 0:10.2] ")
    assert lines[-2].startswith("[1:08.5 to 1:15.5] ")
    assert lines[-1].startswith("[whole] ")
    assert "heard in 8 stretches" in result.stderr


def test_json_is_a_line_for_each_recording_and_one_that_fails_does_not_end_the_others(
    folder: Path, examples: Path, tmp_path: Path
) -> None:
    result = run(tmp_path / "none.wav", examples / "order.flac", "--json", "--model", folder)
    assert result.exit_code == 1
    failed, heard = map(json.loads, result.stdout.splitlines())
    assert failed["error_type"] == "AudioNotFoundError"
    assert heard["audio"].endswith("order.flac")
    assert [item["score"] for item in heard["data"]] == [part["confidence"] for part in heard["evidence"]]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--top", "0"], "top cannot be 0"),
        (["--model", "builtin"], "builtin has no labels of its own"),
        (["--model", "builtin", "--labels", "angry, happy"], "cannot choose among given labels"),
        (["--labels", "angry"], "two different texts"),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_hint(examples: Path, arguments: list[str], said: str) -> None:
    result = run(examples / "order.flac", *arguments)
    assert result.exit_code == 1
    assert said in result.stderr
    assert len(result.stderr.strip().splitlines()) == 2


def test_the_doctor_plays_known_clips_to_a_classifier(folder: Path) -> None:
    result = CliRunner().invoke(app, ["doctor", "--model", str(folder)])
    assert result.exit_code == 0, result.output
    assert "two clips, two sets of scores" in result.stdout
