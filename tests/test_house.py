"""The house rules that a machine can check."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "src").rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_are_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= 60, f"{node.name} has {length} lines"


def test_public_names_are_complete_and_sorted() -> None:
    import hark

    def order(name: str) -> tuple[int, str]:
        return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)

    assert list(hark.__all__) == sorted(hark.__all__, key=order)
    public = {name for name in vars(hark) if not name.startswith("_")}
    modules = {name for name in public if f"hark.{name}" in sys.modules}
    assert public - modules == {name for name in hark.__all__ if not name.startswith("_")}
    for name in hark.__all__:
        assert getattr(hark, name) is not None


def test_import_is_light() -> None:
    code = "import hark, sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"numpy", "torch", "transformers", "av", "soundfile", "soxr", "onnxruntime", "pocketsphinx", "pydantic"}
    assert heavy & set(loaded) == set()


def test_libraries_below_do_not_report_to_their_makers(tmp_path: Path, examples: Path) -> None:
    """onnxruntime has telemetry, which keeps the number of its session in `.ses` in the folder for temporary files."""
    code = "import hark, sys; [*hark.load('builtin').stream(sys.argv[1])]"
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    clip = examples / "hesitant.flac"
    subprocess.run([sys.executable, "-c", code, clip], env=environment | {"TMPDIR": str(tmp_path)}, check=True)
    assert list(tmp_path.iterdir()) == []


def test_every_error_is_in_the_tree_of_its_docstring_and_is_a_builtin_too() -> None:
    from hark import errors

    kinds = [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, errors.HarkError)]
    for kind in kinds:
        assert kind.__name__ in (errors.__doc__ or "")
        if kind is not errors.HarkError:
            builtins = [base for base in kind.__mro__ if base.__module__ == "builtins"]
            assert any(base not in (Exception, BaseException, object) for base in builtins), kind


def test_nothing_is_left_for_later() -> None:
    for path in SOURCES:
        for word in ("TODO", "FIXME", "XXX", "raise NotImplementedError"):
            assert word not in path.read_text(encoding="utf-8"), f"{path}: {word}"
