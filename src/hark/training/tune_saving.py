"""What tuning leaves behind: an adapter as peft writes it, or a folder like the one that the model came from."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

from hark.engines.transformers.families.lora import CONFIG, WEIGHTS
from hark.engines.transformers.generation import quiet
from hark.errors import OutputError

if TYPE_CHECKING:
    from pathlib import Path

    from hark.engines.transformers.engine import Transformers
    from hark.training.tune_settings import Tuning

_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".index.json", ".gguf", ".onnx", ".msgpack", ".h5")
_OURS = ("config.json", "generation_config.json", CONFIG)
SPEECH_LORA = "speech-lora"  # of Phi-4-multimodal; added to its weights when they are loaded


def save(model: Any, engine: Transformers, tuning: Tuning, folder: Path) -> None:
    """Write the adapter, or the tuned model as a folder of its own.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        if tuning.method == "lora":
            model.save_pretrained(folder, save_embedding_layers=False)  # none is trained
        else:
            save_model(model, engine, folder)
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror or error}.") from error


def save_model(model: Any, engine: Transformers, folder: Path) -> None:
    """Write weights and config of a model, and all else that lies beside the original's weights."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(engine.folder.iterdir()):
        if path.name == SPEECH_LORA:
            _nothing_added(folder / SPEECH_LORA, path)
        elif path.is_dir() and not path.name.startswith("."):
            shutil.copytree(path, folder / path.name, dirs_exist_ok=True)
        elif path.is_file() and path.name not in _OURS and not path.name.endswith(_WEIGHTS):
            shutil.copy2(path, folder / path.name)
    if hasattr(model.config, "has_lora_adapter"):
        model.config.has_lora_adapter = False  # Granite's; it is in the weights
    with quiet():
        model.save_pretrained(folder)
    told = engine.folder / "generation_config.json"
    if told.is_file():
        shutil.copy2(told, folder / told.name)  # what it says of languages is lost when the library writes it
    _name_class(model, engine.folder / "config.json", folder / "config.json")


def _name_class(model: Any, original: Path, written: Path) -> None:
    """Where the class is hark's own, made for loading, name the one that the original names."""
    import transformers

    named = json.loads(original.read_text(encoding="utf-8")).get("architectures")
    if named and not hasattr(transformers, type(model).__name__):
        config = json.loads(written.read_text(encoding="utf-8")) | {"architectures": named}
        written.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _nothing_added(folder: Path, original: Path) -> None:
    """An adapter without any weights, where the family wants one: what it would add is in the weights."""
    from safetensors.torch import save_file

    folder.mkdir(exist_ok=True)
    shutil.copy2(original / CONFIG, folder / CONFIG)
    save_file({}, folder / WEIGHTS)
