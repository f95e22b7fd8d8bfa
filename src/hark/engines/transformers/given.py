"""What `transformers.pipeline()` is given as its model, made into an engine: a name, or weights somebody has loaded."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import PreTrainedModel

from hark.engines.transformers.engine import Transformers
from hark.engines.transformers.families.family import Family, Loaded
from hark.errors import ModelNotFoundError, OptionError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Mapping

# Of the hub alone: hark fetches nothing.
_HUB = frozenset({"_from_pipeline", "cache_dir", "code_revision", "local_files_only", "revision", "token"})


class Folder:
    """Stands for a model in `pipeline()`, which wants one loaded: hark reads the weights itself, and once."""

    def __init__(self, name: str, how: dict[str, Any]) -> None:
        self.name, self.how = name, how

    @classmethod
    def from_pretrained(cls, name: str, **how: Any) -> Folder:
        """Keep the name and the keywords; what is wrong with them is said by `AudioTextToTextPipeline`.

        An error here would make `pipeline()` try the class that the folder's config names, which may load weights at
        random.
        """
        return cls(name, how)


class Given(Transformers):
    """The engine of a model that somebody else has loaded."""

    def __init__(self, name: str, folder: Path, given: Loaded) -> None:
        super().__init__(name, folder)
        self._have = given

    def _load(self) -> Loaded:
        return self._have


def given(model: Any, processor: Any, dtype: Any) -> Given:
    """An engine of a loaded model.

    Raises:
        UnsupportedError: it is none, or hark would have loaded it in another way.
        OptionError: its processor is not there, or another precision is wanted.
    """
    if not isinstance(model, PreTrainedModel):
        raise UnsupportedError(
            f"{type(model).__name__} is no model of transformers.", hint="Give a folder, or merge_and_unload() first."
        )
    if processor is None or isinstance(processor, str):
        raise OptionError(
            "A loaded model comes with its processor.", hint="processor=AutoProcessor.from_pretrained(...)"
        )
    if dtype not in (None, "auto", model.dtype):
        raise OptionError("A loaded model keeps its precision.", hint="Leave dtype out.")
    with tempfile.TemporaryDirectory() as name:  # families read what a model can do from its folder
        _described(model, processor, Path(name))
        engine = Given(type(model).__name__, Path(name), Loaded(processor, model.eval()))
    kind = type(engine.family)
    if kind.load is not Family.load or kind.model is not Family.model or type(model).__name__ != kind.model_class:
        raise UnsupportedError(
            f"hark loads models such as {type(model).__name__} in a way of its own.", hint="Give the model's folder."
        )
    return engine


def _described(model: Any, processor: Any, folder: Path) -> None:
    """Write what a folder of the model would say, all but the weights."""
    config = json.loads(model.config.to_json_string(use_diff=False)) | {"architectures": [type(model).__name__]}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    if getattr(model, "generation_config", None) is not None:
        text = model.generation_config.to_json_string()
        (folder / "generation_config.json").write_text(text, encoding="utf-8")
    processor.save_pretrained(folder)


def folder_of(model: Folder) -> str:
    """The folder of a name: itself, or where the hub's cache has it; nothing is fetched.

    Raises:
        ModelNotFoundError: there is none, or it lacks the weights.
    """
    if os.path.isdir(model.name):
        return os.path.abspath(model.name)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    found: list[Path] = []
    try:
        revision, cache = model.how.get("revision"), model.how.get("cache_dir")
        kept = Path(snapshot_download(model.name, revision=revision, cache_dir=cache, local_files_only=True))
        found = [path.parent for path in kept.iterdir() if path.suffix in (".safetensors", ".bin")]
    except (LocalEntryNotFoundError, ValueError):
        pass  # a ValueError: no name of the hub
    if not found:
        raise ModelNotFoundError(
            f"The weights of {model.name} are not on this machine, and hark fetches none unless asked for.",
            hint=f"hf download {model.name}, or give the path of a folder.",
        )
    return str(found[0])


def loading(how: Mapping[str, Any], device: Any) -> dict[str, Any]:
    """Keywords of `pipeline()` in hark's words; those it does not know are refused by `load`."""
    found = {key: value for key, value in how.items() if key not in _HUB and value is not None}
    if isinstance(found.get("dtype"), torch.dtype):
        found["dtype"] = str(found["dtype"]).removeprefix("torch.")
    return found | ({} if device is None else {"device": device_of(device)})


def device_of(device: Any) -> str:
    """The device of `pipeline()` (a number, a torch device, a name) by name; -1 is the CPU."""
    if isinstance(device, int):
        return "cpu" if device < 0 else f"cuda:{device}"
    return str(device)
