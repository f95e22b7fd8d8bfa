"""`hark models`: what families can do, and adding a model that is on this machine."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner, Result

import hark as library
from hark import settings
from hark.cli import app
from hark.engines.transformers.families.catalog import CLASSIFIERS, FAMILIES, UNITS
from tiny.whisper import tiny_whisper

if TYPE_CHECKING:
    from pathlib import Path


def hark(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_whisper(tmp_path_factory.mktemp("elsewhere") / "my-whisper")


@pytest.fixture
def known(tmp_path: Path) -> Path:
    """A folder that looks like a model of transformers; nothing is loaded here."""
    folder = tmp_path / "my-qwen"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "qwen2_audio"}')
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def families() -> dict[tuple[str, str], dict[str, object]]:
    return {
        (kind["group"], kind["model_type"]): kind["can"]
        for kind in json.loads(hark("models", "families", "--json").stdout)
    }


def test_every_family_is_listed_with_what_it_can_do() -> None:
    found = families()
    tables = {"model": FAMILIES, "units": UNITS, "classifier": CLASSIFIERS}
    assert set(found) == {(group, kind) for group, table in tables.items() for kind in table}
    assert [kind for kind, can in found.items() if can is None] == []
    shown = hark("models", "families").stdout
    compact = hark("models").stdout
    for _, kind in found:
        assert kind in shown
        assert kind in compact


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("qwen2_audio", {"free_prompt": True, "several_turns": True, "system_prompt": True, "max_seconds": 30.0}),
        ("gemma3n", {"free_prompt": True, "several_turns": True, "system_prompt": True, "max_seconds": 30.0}),
        ("qwen2_5_omni", {"max_seconds": 300.0}),
        ("whisper", {"free_prompt": False, "tasks": ["transcribe", "translate"]}),
        ("seamless_m4t_v2", {"tasks": ["transcribe", "translate"]}),
        ("wav2vec2", {"timestamps": "word", "tasks": ["transcribe"]}),
    ],
)
def test_what_is_told_of_a_family_is_what_its_models_can_do(kind: str, what: dict[str, object]) -> None:
    can = families()["model", kind]
    assert {name: can[name] for name in what} == what


def test_a_row_tells_all_that_was_asked_for() -> None:
    rows = {row.split()[0]: row for row in reversed(hark("models", "families").stdout.splitlines()) if row.strip()}
    assert all(part in rows["model"] for part in ("recordings", "turns", "system", "at once", "times", "languages"))
    assert rows["qwen2_audio"].split("  ")[0] == "qwen2_audio"
    assert all(
        part in rows["qwen2_audio"] for part in ("any question, transcribe", "several", "yes", "30 s", "segment")
    )
    assert rows["voxtral"].split()[-1] == "8"


def test_listing_loads_nothing_heavy() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from hark.cli import app\n"
        "for command in (['models'], ['models', 'families'], ['models', '--json']):\n"
        "    assert CliRunner().invoke(app, command).exit_code == 0\n"
        "print([name for name in ('torch', 'transformers', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_added_folder_is_known_by_its_name(whisper: Path, order: library.Audio) -> None:
    result = hark("models", "add", whisper)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("my-whisper: ")
    assert (settings.current().models / "my-whisper").samefile(whisper)
    listed = {model["name"]: model for model in json.loads(hark("models", "--json").stdout)}
    assert listed["my-whisper"]["ready"]
    with library.load("my-whisper") as listener:
        assert listener.transcribe(order).duration == pytest.approx(order.duration, abs=0.01)
    assert hark("models", "add", whisper).exit_code == 0  # it is there already
    assert hark("models", "add", "my-whisper").exit_code == 0


def test_a_model_of_transformers_is_added_under_another_name(known: Path) -> None:
    result = hark("models", "add", known, "--name", "listens")
    assert result.stdout == "listens: any question, transcribe\n"
    with library.load("listens") as listener:
        assert listener.can.several_turns
    assert not (settings.current().models / "my-qwen").exists()


def test_a_copy_stays_when_the_folder_goes(known: Path) -> None:
    assert hark("models", "add", known, "--copy").exit_code == 0
    shutil.rmtree(known)
    place = settings.current().models / "my-qwen"
    assert (place / "model.safetensors").read_bytes() == b"weights"
    assert not place.is_symlink()
    assert [path.name for path in place.parent.iterdir()] == ["my-qwen"]


def test_a_repository_in_the_cache_is_added_by_its_name(known: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def cached(repository: str, name: str) -> str | None:
        asked.append(repository)
        return str(known / name) if repository == "Qwen/Qwen2-Audio" and (known / name).is_file() else None

    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", cached)
    assert hark("models", "add", "Qwen/Qwen2-Audio").stdout.startswith("Qwen2-Audio: any question")
    missing = hark("models", "add", "Qwen/Other")
    assert "hf download" in missing.stderr
    assert {"Qwen/Qwen2-Audio", "Qwen/Other"} == set(asked)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("no/such/folder/at/all", "no folder"),
        ("faster-whisper:small", "hark models download"),
        (".", "holds no model"),
    ],
)
def test_what_is_no_model_here_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = hark("models", "add", given)
    assert result.exit_code == 1
    assert message in result.stderr
    assert not settings.current().models.exists()


def test_a_kind_that_hark_does_not_run_is_refused(known: Path) -> None:
    (known / "config.json").write_text('{"model_type": "vit"}')
    result = hark("models", "add", known)
    assert result.exit_code == 1
    assert "'vit', which hark does not run" in result.stderr
    assert "qwen2_audio" in result.stderr


def test_a_text_model_is_added_for_answers_from_transcripts(known: Path) -> None:
    (known / "config.json").write_text('{"model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"]}')
    result = hark("models", "add", known)
    assert result.stdout == "my-qwen: any question, about text; see --answer-with\n"
    with library.load("builtin", answer_with="my-qwen") as listener:
        assert listener.can.free_prompt


@pytest.mark.parametrize(
    ("broken", "message"),
    [("none", "holds no weights"), ("empty", "is empty"), ("pointer", "git-lfs"), ("part", "lacks part-2.safetensors")],
)
def test_a_folder_without_all_of_its_weights_is_refused(known: Path, broken: str, message: str) -> None:
    weights = known / "model.safetensors"
    if broken == "none":
        weights.unlink()
    elif broken == "empty":
        weights.write_bytes(b"")
    elif broken == "pointer":
        weights.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n")
    else:
        index = {"weight_map": {"a": "model.safetensors", "b": "part-2.safetensors"}}
        (known / "model.safetensors.index.json").write_text(json.dumps(index))
    result = hark("models", "add", known)
    assert result.exit_code == 1
    assert message in result.stderr
    assert not settings.current().models.exists()


@pytest.mark.parametrize("name", ["a/b", "..", "", ".hidden", "x.partial", "echo", "openai", "whisper-small", "a:b"])
def test_a_name_that_is_none_or_is_taken_is_refused(known: Path, name: str) -> None:
    result = hark("models", "add", known, "--name", name)
    assert result.exit_code == 1
    assert "--name NAME" in result.stderr


def test_a_name_that_another_folder_has_is_refused(known: Path, whisper: Path) -> None:
    assert hark("models", "add", known, "--name", "mine").exit_code == 0
    result = hark("models", "add", whisper, "--name", "mine")
    assert result.exit_code == 1
    assert "already a model 'mine'" in result.stderr
    shutil.rmtree(known)
    assert hark("models", "add", whisper, "--name", "mine").exit_code == 1  # a link that leads nowhere is not replaced


def test_a_folder_of_models_that_cannot_be_written_is_told(
    known: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HARK_MODELS", str(tmp_path / "file" / "models"))
    for way in ((), ("--copy",)):
        result = hark("models", "add", known, *way)
        assert result.exit_code == 1
        assert "cannot be written" in result.stderr


def test_a_folder_with_code_of_its_own_is_added_and_what_it_needs_is_told(known: Path) -> None:
    code = {"AutoModelForCausalLM": "modeling_ears.EarsForCausalLM"}
    (known / "config.json").write_text(json.dumps({"model_type": "ears", "auto_map": code}))
    result = hark("models", "add", known)
    assert result.exit_code == 0
    assert "--trust-remote-code" in result.stdout
