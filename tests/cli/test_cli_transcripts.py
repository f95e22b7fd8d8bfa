"""Formats, rules of subtitles and alignment through the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner, Result

from hark.cli import app

if TYPE_CHECKING:
    from pathlib import Path


def hark(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def shown(srt: str) -> list[str]:
    return [line for line in srt.splitlines() if line and "-->" not in line and not line.isdigit()]


def test_rules_of_subtitles(examples: Path) -> None:
    clip = examples / "order.flac"
    plain = hark("transcribe", clip, "-f", "srt")
    short = hark("transcribe", clip, "-f", "srt", "--max-line", 16, "--max-lines", 1, "--min-seconds", 0.1)
    assert plain.exit_code == short.exit_code == 0
    assert " ".join(shown(short.stdout)) == " ".join(shown(plain.stdout))
    assert len(shown(short.stdout)) > len(shown(plain.stdout))
    assert max(map(len, shown(short.stdout))) <= 16
    quick = hark("transcribe", clip, "-f", "vtt", "--max-seconds", 1.0)
    assert quick.stdout.count("-->") > plain.stdout.count("-->")


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (("-f", "txt", "--max-line", 30), "txt has no cues"),
        (("--max-lines", 1), "txt has no cues"),
        (("-f", "srt", "--max-line", 0), "at least one line"),
        (("-f", "srt", "--min-seconds", 9), "min_seconds"),
        (("-f", "diarized_json"), "who speaks"),
        (("-f", "words"), "no format"),
    ],
)
def test_what_makes_no_sense_is_refused_before_the_work(options: tuple[object, ...], what: str) -> None:
    result = hark("transcribe", "not-there.flac", "--model", "echo", *options)
    assert result.exit_code == 1
    assert what in result.stderr
    assert "not-there" not in result.stderr


def test_openais_json(tone: Path, tmp_path: Path) -> None:
    result = hark("transcribe", tone, "--model", "echo", "-f", "verbose_json")
    assert json.loads(result.stdout)["segments"][0]["start"] == 0.0
    assert hark("transcribe", tone, tone, "--model", "echo", "-f", "verbose_json", "-o", tmp_path).exit_code == 0
    assert sorted(path.name for path in tmp_path.glob("*.json")) == ["tone-2.json", "tone.json"]


def test_align_with(examples: Path, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    from tiny.families import make

    model, aligner = make("speech_to_text", tmp_path / "s2t"), make("wav2vec2", tmp_path / "ctc")
    clip = examples / "order.flac"
    refused = hark("transcribe", clip, "--model", model, "--timestamps", "word")
    assert refused.exit_code == 1
    assert "--align-with" in refused.stderr
    result = hark("transcribe", clip, "--model", model, "--timestamps", "word", "--align-with", aligner, "--json")
    assert result.exit_code == 0
    kinds = [notice["kind"] for notice in json.loads(result.stdout)["notices"]]
    assert "method" in kinds
    for wrong in ("builtin", tmp_path / "none"):
        failed = hark("transcribe", clip, "--model", model, "--align-with", wrong)
        assert failed.exit_code == 1
        assert failed.stdout == ""
