"""Settings come from the file, and over it from the environment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import hark
from hark.errors import SettingsError
from hark.settings import current


def write(text: str) -> None:
    Path(os.environ["HARK_SETTINGS"]).write_text(text, encoding="utf-8")


def test_defaults_file_and_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (current().model, current().fetch, current().fetch_private) == ("builtin", True, ())
    write('model = "echo"\nfetch = false\nfetch_private = ["127.0.0.1:8000"]\nmax_seconds = 60\n')
    assert (current().model, current().fetch, current().max_seconds) == ("echo", False, 60.0)
    assert current().fetch_private == ("127.0.0.1:8000",)
    monkeypatch.setenv("HARK_FETCH", "yes")
    monkeypatch.setenv("HARK_FETCH_PRIVATE", "a:1, b:2")
    assert (current().fetch, current().fetch_private) == (True, ("a:1", "b:2"))


def test_the_model_is_named_by_argument_else_variable_else_file_else_builtin(monkeypatch: pytest.MonkeyPatch) -> None:
    assert hark.load().engine.name == "builtin"
    write('model = "echo"')
    assert hark.load().engine.name == "echo"
    monkeypatch.setenv("HARK_MODEL", "builtin")
    assert hark.load().engine.name == "builtin"
    assert hark.load("echo").engine.name == "echo"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("modle = 'x'", "modle"),
        ("max_seconds = 'long'", "max_seconds"),
        ("max_seconds = -1", "max_seconds"),
        ("fetch = 'perhaps'", "fetch"),
        ("fetch = 1", "fetch"),
        ("model = [", "not valid TOML"),
    ],
)
def test_a_wrong_file_names_what_is_wrong(text: str, said: str) -> None:
    write(text)
    with pytest.raises(SettingsError, match=said):
        current()


def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARK_MAX_BYTES", "many")
    with pytest.raises(SettingsError, match="max_bytes"):
        current()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_seconds", "nan"),
        ("max_seconds", "inf"),
        ("max_bytes", "1.5"),
        ("max_bytes", "true"),
        ("model", "5"),
        ("model", '""'),
        ("models", '"~nobody-of-this-name/models"'),
    ],
)
def test_values_that_cannot_be_are_told_with_a_hint(
    name: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(f"{name} = {value}\n", encoding="utf-8")
    monkeypatch.setenv("HARK_SETTINGS", str(path))
    monkeypatch.delenv("HARK_MODELS", raising=False)
    with pytest.raises(SettingsError, match=name) as caught:
        current()
    assert caught.value.hint
