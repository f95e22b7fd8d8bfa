from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from hark import settings
from hark.engines import catalog, models
from hark.errors import FetchError, ModelBrokenError, ModelNotFoundError, OutputError, UnsupportedError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))


def weights(folder: Path, *, multilingual: bool = True) -> Path:
    """What a folder of weights looks like from outside."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("model.bin", "config.json", "tokenizer.json"):
        (folder / name).write_text("{}")
    words = [str(number) for number in range(51862 if multilingual else 51861)]
    (folder / "vocabulary.json").write_text(json.dumps([*words, "<|de|>", "<|en|>", "<|fr|>"]))
    return folder


def own(name: str) -> Path:
    return settings.current().models / name


@pytest.mark.parametrize("name", ["builtin", "echo"])
def test_engines_without_weights_are_ready(name: str) -> None:
    model = catalog.resolve(name)
    assert (model.name, model.kind, model.folder, model.ready, model.command) == (name, name, None, True, "")
    assert model.can.free_prompt
    assert catalog.open_engine(model).name == name


@pytest.mark.parametrize(
    "name",
    ["faster-whisper:small", "whisper:small", "whisper-small", "openai/whisper-small", "Systran/faster-whisper-small"],
)
def test_many_names_mean_the_same_whisper(name: str) -> None:
    model = catalog.resolve(name)
    assert (model.name, model.kind, model.folder) == ("faster-whisper:small", "faster-whisper", None)
    assert not model.ready
    assert model.command == "hark models download faster-whisper:small"
    assert model.megabytes == 486


@pytest.mark.parametrize(
    ("name", "translates", "languages"),
    [
        ("small", True, 99),
        ("small.en", False, 1),
        ("large-v3", True, 100),
        ("turbo", False, 100),
        ("distil-large-v3", False, 1),
    ],
)
def test_what_a_size_can_do_is_known_before_it_is_here(name: str, translates: bool, languages: int) -> None:
    can = catalog.resolve(f"faster-whisper:{name}").can
    assert ("translate" in can.tasks) is translates
    assert len(can.languages or ()) == languages


@pytest.mark.parametrize(("multilingual", "languages"), [(True, {"de", "en", "fr"}), (False, {"en"})])
def test_what_a_folder_can_do_is_read_from_its_vocabulary(
    tmp_path: Path, multilingual: bool, languages: set[str]
) -> None:
    model = catalog.resolve(str(weights(tmp_path / "mine", multilingual=multilingual)))
    assert (model.kind, model.folder, model.ready) == ("faster-whisper", tmp_path / "mine", True)
    assert model.can.languages == languages
    assert ("translate" in model.can.tasks) is multilingual


def test_a_folder_is_found_by_path_by_prefix_and_by_name_in_the_folder_of_models() -> None:
    folder = weights(own("my-model"))
    for name in (str(folder), f"faster-whisper:{folder}", "my-model"):
        assert catalog.resolve(name).folder == folder


def test_a_size_is_found_in_the_folder_of_models() -> None:
    folder = weights(own("faster-whisper-tiny"))
    model = catalog.resolve("openai/whisper-tiny")
    assert (model.folder, model.ready, model.command, model.megabytes) == (folder, True, "", None)


def test_a_size_is_found_in_the_cache_of_hugging_face(tmp_path: Path) -> None:
    cached = tmp_path / "cache" / "models--Systran--faster-whisper-tiny"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "main").write_text("abc")
    folder = weights(cached / "snapshots" / "abc")
    assert catalog.resolve("faster-whisper:tiny").folder == folder


def test_a_relative_folder_is_found_and_a_reserved_name_is_not_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    weights(tmp_path / "here")
    weights(tmp_path / "echo")
    assert catalog.resolve("here").kind == "faster-whisper"
    assert catalog.resolve("echo").kind == "echo"
    assert catalog.resolve(f".{os.sep}echo").kind == "faster-whisper"


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("eco", "echo"),
        ("bultin", "builtin"),
        ("faster-whisper:smal", "small"),
        ("faster-wisper:tiny", "faster-whisper:tiny"),
    ],
)
def test_an_unknown_name_offers_what_comes_close(name: str, near: str) -> None:
    with pytest.raises(ModelNotFoundError) as caught:
        catalog.resolve(name)
    assert name.partition(":")[2] in str(caught.value)
    assert near in caught.value.hint


def test_a_name_without_likeness_lists_what_there_is() -> None:
    with pytest.raises(ModelNotFoundError) as caught:
        catalog.resolve("qqqq/zzzz")
    assert all(name in caught.value.hint for name in ("builtin", "echo", "faster-whisper"))


def test_a_transformers_folder_is_told_by_its_model_type_and_an_unknown_one_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "qwen2_audio"}')
    model = catalog.resolve(str(tmp_path))
    assert (model.kind, model.can.free_prompt) == ("transformers", True)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(UnsupportedError, match="'bert'") as caught:
        catalog.resolve(str(tmp_path))
    assert "qwen2_audio" in caught.value.hint


@pytest.mark.parametrize("missing", ["model.bin", "config.json", "tokenizer.json", "vocabulary.json"])
def test_a_folder_that_lacks_a_file_is_broken_and_the_file_is_named(missing: str) -> None:
    folder = weights(own("faster-whisper-tiny"))
    (folder / missing).unlink()
    for name in (str(folder), "faster-whisper:tiny"):
        with pytest.raises(ModelBrokenError, match=missing.partition(".")[0]):
            catalog.resolve(name)
    assert not next(m for m in catalog.listing() if m.name == "faster-whisper:tiny").ready


def test_an_empty_folder_and_a_damaged_config_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="holds no model"):
        catalog.resolve(str(tmp_path))
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ModelBrokenError, match=r"config\.json"):
        catalog.resolve(str(tmp_path))


def test_weights_that_are_not_here_are_not_fetched_unless_asked_for() -> None:
    with pytest.raises(ModelNotFoundError, match="faster-whisper:base") as caught:
        catalog.open_engine(catalog.resolve("whisper-base"))
    assert "hark models download faster-whisper:base" in caught.value.hint
    assert "148 MB" in caught.value.hint


def test_the_listing_has_what_is_here_first_and_every_size_once() -> None:
    weights(own("faster-whisper-tiny"))
    weights(own("my-model"))
    weights(own("faster-whisper-base.partial"))
    listed = catalog.listing()
    assert [model.name for model in listed if model.ready] == ["builtin", "echo", "my-model", "faster-whisper:tiny"]
    assert len({model.name for model in listed}) == len(listed)
    assert {weights.repository for weights in models.WHISPERS.values()} == {
        models.WHISPERS[size].repository for model in listed if (size := models.size_of(model.name))
    }
    for model in listed:
        assert model.ready or (model.command and model.megabytes)


def test_sizes_and_languages_are_those_of_the_library() -> None:
    from faster_whisper import tokenizer, utils

    assert {size: weights.repository for size, weights in models.WHISPERS.items()} == utils._MODELS
    assert set(tokenizer._LANGUAGE_CODES) == models.LANGUAGES


def test_resolving_is_light() -> None:
    code = "import sys; from hark.engines import catalog; catalog.resolve('faster-whisper:tiny'); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"numpy", "ctranslate2", "faster_whisper", "torch"} & set(loaded)


def hub(monkeypatch: pytest.MonkeyPatch, behaviour: Any) -> None:
    monkeypatch.setattr("huggingface_hub.snapshot_download", behaviour)


def test_a_download_arrives_in_the_folder_of_models_with_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def fetch(repository: str, *, local_dir: Path, tqdm_class: Any, **_: Any) -> None:
        asked.append(repository)
        assert catalog.resolve("faster-whisper:tiny").folder is None
        local_dir.rmdir()
        weights(local_dir)
        with tqdm_class(total=0, unit="B", desc="bytes") as bar, tqdm_class(total=3, desc="files") as files:
            bar.total = 100
            bar.update(40)
            files.update(1)
            bar.update(60)

    hub(monkeypatch, fetch)
    seen: list[tuple[int, int]] = []
    engine = catalog.open_engine(
        catalog.resolve("whisper-tiny"), download=True, progress=lambda done, of: seen.append((done, of))
    )
    assert engine.name == "faster-whisper:tiny"
    assert asked == ["Systran/faster-whisper-tiny"]
    assert seen == [(40, 100), (100, 100)]
    assert models.download("faster-whisper:tiny") == own("faster-whisper-tiny") == models.folder_of("tiny")
    assert len(asked) == 1


def test_a_download_that_breaks_off_does_not_count_and_goes_on_later(monkeypatch: pytest.MonkeyPatch) -> None:
    def half(_: str, *, local_dir: Path, **__: Any) -> None:
        (local_dir / "model.bin").write_text("half")
        raise ConnectionResetError("the line went dead")

    hub(monkeypatch, half)
    with pytest.raises(FetchError, match="the line went dead") as caught:
        models.download("whisper-tiny")
    assert str(own("faster-whisper-tiny")) in caught.value.hint
    assert models.folder_of("tiny") is None
    assert models.kept() == []

    def rest(_: str, *, local_dir: Path, **__: Any) -> None:
        assert (local_dir / "model.bin").read_text() == "half"
        (local_dir / "model.bin").unlink()
        local_dir.rmdir()
        weights(local_dir)

    hub(monkeypatch, rest)
    assert models.download("whisper-tiny").is_dir()


def test_a_broken_folder_is_mended_by_downloading_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    (weights(own("faster-whisper-tiny")) / "model.bin").unlink()

    def mend(_: str, *, local_dir: Path, **__: Any) -> None:
        assert (local_dir / "tokenizer.json").is_file()
        (local_dir / "model.bin").write_text("{}")

    hub(monkeypatch, mend)
    assert models.download("whisper-tiny") == own("faster-whisper-tiny")
    assert catalog.resolve("whisper-tiny").ready


def test_a_broken_folder_beside_an_unfinished_download_is_mended_too(monkeypatch: pytest.MonkeyPatch) -> None:
    (weights(own("faster-whisper-tiny")) / "model.bin").unlink()
    own("faster-whisper-tiny.partial").mkdir()
    hub(monkeypatch, lambda _, *, local_dir, **__: weights(local_dir))
    assert models.download("whisper-tiny") == own("faster-whisper-tiny")
    assert catalog.resolve("whisper-tiny").ready
    assert not own("faster-whisper-tiny.partial").exists()


def test_a_hub_that_gives_half_a_folder_without_a_word_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    hub(monkeypatch, lambda _, *, local_dir, **__: (local_dir / "config.json").write_text("{}"))
    with pytest.raises(FetchError, match=r"model\.bin"):
        models.download("whisper-tiny")
    assert models.folder_of("tiny") is None


def test_a_full_disk_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    hub(monkeypatch, full)
    with pytest.raises(OutputError, match="No space left on device") as caught:
        models.download("whisper-large-v3")
    assert "3090 MB" in caught.value.hint


def test_without_a_network_the_error_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: Any, **__: Any) -> None:
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(socket, "getaddrinfo", unreachable)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with pytest.raises(FetchError, match=r"huggingface\.co") as caught:
        models.download("faster-whisper:tiny")
    assert "by hand" in caught.value.hint


def test_only_whispers_can_be_downloaded() -> None:
    with pytest.raises(ModelNotFoundError, match="builtin"):
        models.download("builtin")


@pytest.mark.parametrize("name", [5, "x" * 5000, "a\0b", "~nobody-of-this-name/model"])
def test_names_no_model_can_have(name: object) -> None:
    with pytest.raises(ModelNotFoundError):
        catalog.resolve(name)  # type: ignore[arg-type]
