"""`hark notes`, `hark understand`, `hark tasks`, `--task-file`, `--long`, through their own door."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner, Result

from hark.cli import app
from hark.tasks import TASKS, own

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _echo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARK_MODEL", "echo")


def hark(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


# --- notes --------------------------------------------------------------------------------------------------------


def test_notes_are_markdown_json_or_a_page(tone: Path, tmp_path: Path) -> None:
    shown = hark("notes", tone, "--date", "2026-11-20")
    assert shown.exit_code == 0
    assert "Fri 20 November 2026, 0:01" in shown.stdout
    assert "## Action items" in shown.stdout
    (line,) = hark("notes", tone, "--json").stdout.splitlines()
    assert json.loads(line)["actions"]
    for name in ("notes.md", "notes.json", "notes.html", "NOTES.HTM"):
        assert hark("notes", tone, "-o", tmp_path / name).exit_code == 0
    assert (tmp_path / "notes.md").read_text(encoding="utf-8").startswith("# ")
    assert json.loads((tmp_path / "notes.json").read_text(encoding="utf-8"))["duration"] == pytest.approx(1)
    page = (tmp_path / "notes.html").read_text(encoding="utf-8")
    assert "data:audio/mpeg" in page
    hark("notes", tone, "-o", tmp_path / "quiet.html", "--no-audio")
    assert "data:audio/mpeg" not in (tmp_path / "quiet.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("-o", "notes.pdf"), "The name ends in"),
        (("-o", "missing/notes.md"), "mkdir"),
        (("--json", "-o", "notes.html"), "with --json"),
        (("--date", "friday"), "is no day"),
        (("--long", "1"), "seconds of a stretch"),
        (("--speakers", "0"), "whole number"),
    ],
)
def test_what_cannot_be_is_told_before_the_work(tone: Path, arguments: tuple[str, ...], why: str) -> None:
    result = hark("notes", tone, *arguments)
    assert result.exit_code == 1
    assert why in result.stderr
    assert "## " not in result.stdout


def test_notes_of_a_missing_file_are_an_error_in_json_too(tmp_path: Path) -> None:
    result = hark("notes", tmp_path / "none.mp3", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["error_type"] == "AudioNotFoundError"


def test_the_cost_of_a_long_recording_is_said_once(examples: Path) -> None:
    result = hark("notes", examples / "standup.flac", "--long", "40")
    assert result.exit_code == 0
    assert result.stderr.count("2 stretches") == 1


# --- understand ---------------------------------------------------------------------------------------------------


def test_understand_shows_what_it_rests_on(tone: Path, examples: Path) -> None:
    result = hark("understand", examples / "hesitant.flac", "-m", "builtin")
    assert '- **Certainty**: doubt: [0:00] "I\'m not sure I can finish this on time" (not sure)' in result.stdout
    assert "not the voice" in result.stderr
    several = hark("understand", tone, tone.with_name("none.wav"), "--json")
    assert several.exit_code == 1
    first, second = (json.loads(line) for line in several.stdout.splitlines())
    assert first["basis"] == "voice"
    assert second["error_type"] == "AudioNotFoundError"


# --- long ---------------------------------------------------------------------------------------------------------


def test_evidence_of_a_split_question_is_shown_with_its_times(examples: Path) -> None:
    result = hark("ask", examples / "standup.flac", "What?", "--long", "40")
    assert result.exit_code == 0
    assert "[0:00 to 0:" in result.stdout.splitlines()[-2]
    assert "to 1:15] echo heard" in result.stdout.splitlines()[-1]
    assert "(3 passes)" in result.stderr
    whole = hark("ask", examples / "standup.flac", "What?", "--long", "split")
    assert "passes" not in whole.stderr
    assert "to 1:15]" not in whole.stdout
    assert "long cannot be 'cut'" in hark("ask", examples / "standup.flac", "What?", "--long", "cut").stderr


# --- own tasks ----------------------------------------------------------------------------------------------------


def test_tasks_are_listed_and_broken_ones_told() -> None:
    listed = hark("tasks")
    assert listed.exit_code == 0
    assert [line.split()[0] for line in listed.stdout.splitlines()[: len(TASKS)]] == list(TASKS)
    own.folder().mkdir(parents=True)
    (own.folder() / "mine.toml").write_text('about = "of my own"\nprompt = "Well?"\n')
    (own.folder() / "bad.toml").write_text("x = 1")
    result = hark("tasks")
    assert result.exit_code == 1
    assert "of my own (own)" in result.stdout
    assert "bad.toml is wrong: there is no key 'x'" in result.stderr
    values = json.loads(hark("tasks", "--json").stdout.splitlines()[0])
    assert values["tasks"][-1]["name"] == "mine"
    assert len(values["broken"]) == 1


def test_a_task_of_ones_own_is_asked_by_name_or_by_file(tone: Path, tmp_path: Path) -> None:
    path = tmp_path / "elsewhere.toml"
    path.write_text('prompt = "Who is it?"\n[schema]\ntype = "integer"\n')
    by_file = hark("ask", tone, "--task-file", path)
    assert by_file.exit_code == 0
    assert isinstance(json.loads(by_file.stdout), int)
    own.folder().mkdir(parents=True)
    (own.folder() / "who.toml").write_text(path.read_text())
    assert hark("ask", tone, "--task", "who").stdout == by_file.stdout
    assert "Leave out one" in hark("ask", tone, "--task", "who", "--task-file", path).stderr
    assert "cannot be read" in hark("ask", tone, "--task-file", tmp_path / "none.toml").stderr
    assert "option schema" in hark("ask", tone, "--task", "who", "--model", "builtin").stderr
