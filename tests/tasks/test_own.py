"""Tasks of one's own: TOML files in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

import hark
from hark.errors import OptionError, UnsupportedError
from hark.settings import settings_file
from hark.tasks import TASKS, own

GOOD = 'about = "what is promised"\nprompt = "What is promised? {not a field} Say it in {language}."\n'
SCHEMA = '[schema]\ntype = "object"\nrequired = ["promises"]\n[schema.properties.promises]\ntype = "integer"\n'


@pytest.fixture
def folder() -> Path:
    """The folder of tasks, beside the settings file."""
    made = own.folder()
    assert made == settings_file().parent / "tasks"
    made.mkdir(parents=True)
    return made


def test_a_task_is_named_by_its_file_and_asked_as_it_is_written(folder: Path, order: hark.Audio) -> None:
    (folder / "promises.toml").write_text(GOOD)
    assert own.find("promises") == hark.Task(
        "promises", "What is promised? {not a field} Say it in {language}.", "what is promised", own=True
    )
    with hark.load("echo") as echo:
        assert "What is promised? {not a field} Say it in en." in echo.ask(order, task="promises").text
    assert ("promises", "what is promised") in own.names()


def test_the_folder_may_be_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "some.toml").write_text('name = "mine"\nprompt = "Well?"\n')
    monkeypatch.setenv("HARK_TASKS", str(tmp_path))
    assert own.find("mine").prompt == "Well?"
    with pytest.raises(OptionError, match="no task 'some'"):
        own.find("some")


@pytest.mark.parametrize("where", ["table", "text", "file"])
def test_a_schema_is_a_table_or_json_and_the_answer_fits_it(folder: Path, order: hark.Audio, where: str) -> None:
    form = '{"type": "object", "required": ["promises"], "properties": {"promises": {"type": "integer"}}}'
    (folder / "form.json").write_text(form)
    told = {"table": SCHEMA, "text": f"schema = '{form}'\n", "file": 'schema = "form.json"\n'}[where]
    (folder / "promises.toml").write_text(GOOD + told)
    with hark.load("echo") as echo:
        assert isinstance(echo.ask(order, task="promises").data["promises"], int)
    with hark.load("builtin") as builtin, pytest.raises(UnsupportedError, match="option schema"):
        builtin.ask(order, task="promises")  # not answered in another form than was asked for


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("prompt = 'a", "it is no TOML"),
        ("", "has no prompt"),
        ("prompt = 3", "has no prompt"),
        ('prompt = " "', "the prompt is empty"),
        ('prompt = "a"\npromt = "b"', "there is no key 'promt'"),
        ('prompt = "a"\nname = "A b"', "'A b' is no name"),
        ('prompt = "a"\nname = "summary"', "'summary' is taken"),
        ('prompt = "a"\nname = "notes"', "'notes' is taken"),
        ('prompt = "a"\nabout = 3', "has no about"),
        ('prompt = "a"\nschema = 3', "neither a table nor text"),
        ('prompt = "a"\nschema = "none.json"', "cannot be read"),
        ('prompt = "a"\n[schema]\ntype = "x"', r"wrong at \$.type"),
    ],
)
def test_a_broken_file_is_told_by_its_name_and_harms_no_other(folder: Path, text: str, why: str) -> None:
    (folder / "broken.toml").write_text(text)
    (folder / "whole.toml").write_text(GOOD)
    assert own.find("whole").own
    with pytest.raises(OptionError, match=why) as error:
        own.find("broken")
    assert "broken.toml" in error.value.message
    assert error.value.hint
    with pytest.raises(OptionError, match="no task 'other'") as lost:
        own.find("other")
    assert "`hark tasks` says why" in lost.value.hint
    assert [name for name, _ in own.names()] == [*TASKS, "whole"]


def test_bytes_that_are_no_text_and_two_of_a_name_are_told(folder: Path) -> None:
    (folder / "bytes.toml").write_bytes(b"prompt = '\xff'")
    (folder / "a.toml").write_text(GOOD)
    (folder / "b.toml").write_text('name = "a"\n' + GOOD)
    found, broken = own.listed()
    assert list(found) == ["a"]
    assert {path.stem for path in broken} == {"b", "bytes"}
    with pytest.raises(OptionError, match="cannot be read"):
        own.read(folder / "missing.toml")
    with pytest.raises(OptionError, match="cannot be read"):
        own.read(folder)


def test_no_python_is_run(folder: Path) -> None:
    trace = folder / "trace"
    (folder / "code.py").write_text(f"open({str(trace)!r}, 'w')")
    own.listed()
    with pytest.raises(OptionError, match="no task"):
        own.find("code")
    with pytest.raises(OptionError, match="no TOML"):
        own.read(folder / "code.py")
    assert not trace.exists()


def test_the_example_of_the_documentation_is_a_task() -> None:
    text = (Path(__file__).parents[2] / "docs" / "tasks.md").read_text(encoding="utf-8")
    block = text.split("```toml\n")[1].split("```")[0]
    path = own.folder()
    path.mkdir(parents=True)
    (path / "risks.toml").write_text(block)
    task = own.find("risks")
    assert task.schema is not None
