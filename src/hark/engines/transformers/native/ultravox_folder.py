"""The published folder of an Ultravox: the weights it holds, and the models it is built on, which lie elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hark import settings
from hark.errors import ModelBrokenError, ModelNotFoundError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PARTS = ("language_model", "audio_tower", "multi_modal_projector")
LORA = {"language_model": "text_model_lora_config", "audio_tower": "audio_model_lora_config"}
# Settings of an adapter whose sum is another than W + s * B A.
OTHER_LORA = ("use_dora", "fan_in_fan_out", "modules_to_save", "rank_pattern", "alpha_pattern")
ENCODER = "encoder."


def base_of(name: str, folder: Path) -> Path:
    """The folder of a model that the one in `folder` is built on, on this machine; nothing is ever fetched.

    It is a path, a folder in this one or beside it, one in hark's folder of models, or in the Hugging Face cache.

    Raises:
        ModelNotFoundError: it is in none of them.
    """
    own, path = settings.current().models, Path(name).expanduser()
    near = (around / part for around in (folder, folder.parent, own) for part in (path, path.name))
    for place in (*near, _cached(name)):
        if place is not None and (place / "config.json").is_file() and place.resolve() != folder.resolve():
            return place
    raise ModelNotFoundError(
        f"The model in {folder} is built on {name}, which is not on this machine.",
        hint=f"`hf download {name}` fetches it, or put its folder in {own} under the name {path.name}.",
    )


def _cached(name: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    try:
        found = try_to_load_from_cache(name, "config.json")
    except ValueError:  # no name of a repository
        return None
    return Path(found).parent if isinstance(found, str) else None


def places(folder: Path, config: Mapping[str, Any]) -> list[Path]:
    """The folder itself, and that of the language model it is built on, where there is one.

    Raises:
        ModelNotFoundError: that is not on this machine.
    """
    name = config.get("text_model_id")
    return [folder, base_of(name, folder)] if name else [folder]


def configs(folder: Path, config: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The configs of the language model and of the encoder, as they are written.

    Raises:
        ModelNotFoundError: a model that this one is built on is not on this machine.
        ModelBrokenError: there is no config for one of them.
        UnsupportedError: the encoder is no Whisper, or the projector of a later make.
    """
    text, audio = (_config(folder, config, kind) for kind in ("text", "audio"))
    if audio.get("model_type", "whisper") != "whisper":
        raise UnsupportedError(
            f"The encoder of the model in {folder} is a {audio['model_type']}, which hark does not run in an Ultravox.",
            hint="Ultravox 0.2 to 0.6 hear through Whisper; take one of these.",
        )
    if config.get("num_projector_layers"):
        raise UnsupportedError(
            f"The projector of the model in {folder} has layers of attention, which hark does not run.",
            hint="Ultravox 0.2 to 0.6 have a plain one; take one of these.",
        )
    return text, audio


def _config(folder: Path, config: Mapping[str, Any], kind: str) -> dict[str, Any]:
    name = config.get(f"{kind}_model_id")
    found = config.get(f"{kind}_config")
    if isinstance(name, str) and name:
        found = _read(base_of(name, folder) / "config.json")
    if not isinstance(found, dict) or not found:
        raise ModelBrokenError(
            f"{folder / 'config.json'} has neither {kind}_model_id nor {kind}_config.",
            hint="Copy or download it again.",
        )
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ModelBrokenError(f"{path} cannot be read: {error}.", hint="Copy or download it again.") from error


def weights(folder: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """All weights by the names of `native.ultravox`: those of the base models, over them the folder's own.

    A folder holds what was trained: the projector, and adapters (added to the weights here), layers, or all of the
    encoder or the language model, under the names that they had in training.

    Raises:
        ModelNotFoundError: a model that this one is built on is not on this machine.
        ModelBrokenError: weights cannot be read, or an adapter fits none.
    """
    found: dict[str, Any] = {}
    if config.get("text_model_id"):
        base = tensors(base_of(config["text_model_id"], folder))
        found |= {f"language_model.{name}": tensor for name, tensor in base.items()}
    if config.get("audio_model_id"):
        base = tensors(base_of(config["audio_model_id"], folder), _is_encoder)
        found |= {f"audio_tower.{name.partition(ENCODER)[2]}": tensor for name, tensor in base.items()}
    own = tensors(folder)
    adapters = {name: own.pop(name) for name in list(own) if ".lora_" in name}
    found |= {_plain(name): tensor for name, tensor in own.items()}
    for part, key in LORA.items():
        _add(found, {name: adapters[name] for name in adapters if name.startswith(part)}, config.get(key) or {}, folder)
    strange = sorted(name for name in found if name.partition(".")[0] not in PARTS)
    if strange:
        raise ModelBrokenError(f"The model in {folder} has weights that are not known: {strange[0]}.")
    return found


def tensors(folder: Path, wanted: Callable[[str], bool] = bool) -> dict[str, Any]:
    """The tensors of a folder's safetensors files, by name; read from the disk when they are used.

    Raises:
        ModelBrokenError: there is no such file, or it cannot be read.
    """
    from safetensors import SafetensorError, safe_open

    whole, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    names = {whole.name} if whole.is_file() or not index.is_file() else set(_read(index).get("weight_map", {}).values())
    found: dict[str, Any] = {}
    for name in sorted(names):
        try:
            with safe_open(folder / Path(name).name, framework="pt") as file:
                found |= {key: file.get_tensor(key) for key in file.keys() if wanted(key)}  # noqa: SIM118 - no mapping
        except (OSError, SafetensorError) as error:
            raise ModelBrokenError(
                f"The weights {name} in {folder} cannot be read: {error}.",
                hint="Copy or download the model again, with its safetensors files.",
            ) from error
    return found


def _is_encoder(name: str) -> bool:
    return name.removeprefix("model.").startswith(ENCODER)


def _plain(name: str) -> str:
    """The name of a weight without what peft adds to it."""
    return name.replace(".base_model.model.", ".").replace(".base_layer.", ".")


def _add(found: dict[str, Any], pieces: dict[str, Any], config: Mapping[str, Any], folder: Path) -> None:
    """Add an adapter to weights: W + s * B A, with s = alpha / rank (formula 3 of Hu et al., 2021, "LoRA")."""
    if pieces and any(config.get(key) for key in OTHER_LORA):
        raise ModelBrokenError(
            f"The adapter of the model in {folder} is of a kind that hark cannot add to its weights."
        )
    for name in [name for name in pieces if ".lora_A." in name]:
        down, up = pieces.pop(name), pieces.pop(name.replace(".lora_A.", ".lora_B."), None)
        target = _plain(name.partition(".lora_A.")[0]) + ".weight"
        weight = found.get(target)
        if up is None or weight is None or weight.shape != (up.shape[0], down.shape[1]):
            raise ModelBrokenError(f"The adapter of the model in {folder} does not fit it: {name}.")
        rank = down.shape[0]
        scale = config.get("lora_alpha", 8) / (rank**0.5 if config.get("use_rslora") else rank)
        found[target] = (weight.float() + scale * (up.float() @ down.float())).to(weight.dtype)
    if pieces:
        raise ModelBrokenError(f"The adapter of the model in {folder} does not fit it: {min(pieces)}.")
