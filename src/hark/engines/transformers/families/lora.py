"""Low-rank adapters (LoRA) that come with a model, added to its weights: no further package, and never switched off."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hark.errors import ModelBrokenError, OptionError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
# Kinds of adapter whose sum is another than W + s * B A, and the value that means they are not used.
OTHER_KINDS: dict[str, Any] = {"use_dora": False, "fan_in_fan_out": False, "modules_to_save": None, "rank_pattern": {}}


def merge(model: Any, folder: Path) -> None:
    """Add the adapter of a folder (as peft writes it) to the weights: W + s * B A, with s = alpha / rank.

    The sum is formula (3) of "LoRA: Low-Rank Adaptation of Large Language Models" (Hu et al., 2021); s is alpha
    over the root of the rank where the config says `use_rslora`. Summed in float32, then cast back.

    Raises:
        ModelBrokenError: a file is missing, the adapter is of another kind, or fits no weight.
        OptionError: the weights are quantized, so that nothing can be added to them.
    """
    import torch
    from safetensors.torch import load_file

    if getattr(model, "is_quantized", False):
        raise OptionError(
            "This model cannot be quantized: its speech adapter is added to its weights when it is loaded.",
            hint="Give --dtype bfloat16 instead.",
        )
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        pieces = load_file(folder / WEIGHTS)
    except (OSError, ValueError) as error:
        raise ModelBrokenError(
            f"The model's speech adapter cannot be read from {folder}: {error}.",
            hint="Copy or download the whole model again; without its adapter it would mishear.",
        ) from error
    _refuse_other_kinds(config, folder)
    modules = dict(model.named_modules())
    with torch.no_grad():
        for name in [name for name in pieces if name.endswith(".lora_A.weight")]:
            down = pieces.pop(name)
            up = pieces.pop(name.replace(".lora_A.", ".lora_B."), None)
            module = _fitting(modules, name.removesuffix(".lora_A.weight"))
            if up is None or module is None or module.weight.shape != (up.shape[0], down.shape[1]):
                raise ModelBrokenError(f"The adapter in {folder} does not fit the model: {name}.")
            rank = down.shape[0]
            scale = config["lora_alpha"] / (rank**0.5 if config.get("use_rslora") else rank)
            weight = module.weight
            added = scale * (up.float() @ down.float()).to(weight.device)
            weight.copy_((weight.float() + added).to(weight.dtype))
    if pieces:
        raise ModelBrokenError(f"The adapter in {folder} does not fit the model: {min(pieces)}.")


def _refuse_other_kinds(config: Mapping[str, Any], folder: Path) -> None:
    other = [name for name, unused in OTHER_KINDS.items() if (config.get(name) or unused) != unused]
    if other or config.get("alpha_pattern") or config.get("peft_type", "LORA") != "LORA":
        raise ModelBrokenError(
            f"{folder / CONFIG} is of a kind that hark cannot add to the model: {', '.join(other) or 'not plain LoRA'}."
        )


def _fitting(modules: Mapping[str, Any], name: str) -> Any:
    """The one module named so from its layer on: what stands before differs between versions of the library."""
    tail = "." + name[name.find("layers.") :]
    found = [module for known, module in modules.items() if f".{known}".endswith(tail)]
    return found[0] if len(found) == 1 else None
