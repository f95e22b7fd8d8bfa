"""Codebooks as they are published: WhisperSpeech's checkpoints, arrays of numpy, and k-means models of scikit-learn.

Files of Python's pickle can run code when they are loaded. None is loaded so here: checkpoints of torch are read by
`torch.load(weights_only=True)`, and k-means models by a reader that makes arrays and nothing else.
"""

from __future__ import annotations

import pickle
import re
from typing import TYPE_CHECKING, Any

from hark.engines.transformers.native.sklearn_pickle import read_cluster_centers
from hark.engines.transformers.native.whisper_vq import Bottleneck
from hark.errors import ModelBrokenError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from hark.engines.transformers.native.layout import Layout

# Names in WhisperSpeech's state dict, of which some begin with `rq.` alone where the file was saved by a later version
# of vector-quantize-pytorch, and with `model.` where it was saved by Lightning: our names.
TENSORS = {
    r"rq\.layers\.0\._codebook\.embed": "codebook",
    r"rq\.(?:layers\.0\.)?project_in\.(weight|bias)": r"project.\1",
    r"mlp_ln\.(weight|bias)": r"norm.\1",
    r"mlp\.([02])\.(weight|bias)": r"mlp.\1.\2",
    r"downsample_conv\.(weight|bias)": r"conv.\1",
}
NEEDED = ("codebook", "norm.weight", "norm.bias", "mlp.0.weight", "mlp.0.bias", "mlp.2.weight", "mlp.2.bias")
# Settings of every published Ichigo quantiser, for checkpoints of Lightning, which hold none.
ICHIGO = {"downsample": 2, "use_cosine_sim": True}
ICHIGO_TUNABLES = {"downsample_mean": True, "downsample_conv": False, "mask_embs": True}


def read_bottleneck(path: Path, layout: Layout) -> Bottleneck:
    """Read a bottleneck in our layout (`.safetensors`), or as WhisperSpeech published it.

    Raises:
        ModelBrokenError: it cannot be read, lacks a tensor, or is not as `units.json` says.
    """
    if path.suffix != ".safetensors":
        found = read_checkpoint(path)
        for name in ("downsample", "pool", "cosine", "masked"):
            if getattr(found, name) != getattr(layout, name):
                raise ModelBrokenError(
                    f"units.json says {name} {getattr(layout, name)!r}, {path.name} {getattr(found, name)!r}.",
                    hint="Write into units.json what the checkpoint says, or convert the model again.",
                )
        return found
    tensors = _safetensors(path)
    return Bottleneck(
        _checked(tensors, path), layout.downsample, layout.pool, cosine=layout.cosine, masked=layout.masked
    )


def read_checkpoint(path: Path) -> Bottleneck:
    """Read a checkpoint of WhisperSpeech (`whisper-vq-*.model`) or Ichigo (`.pth`, `.ckpt`).

    It is a pickle of torch with `config`, `tunables` (both missing in Ichigo's) and `state_dict`.

    Raises:
        ModelBrokenError: it cannot be read, or holds something else.
    """
    spec = _unpickled(path)
    states = spec.get("state_dict") if isinstance(spec, dict) else None
    if not isinstance(states, dict):
        raise ModelBrokenError(f"{path} holds no state_dict.", hint="A checkpoint of WhisperSpeech's quantiser does.")
    config = spec.get("config")
    tunables = spec.get("tunables") or {} if config else ICHIGO_TUNABLES
    config = config or ICHIGO
    if any(".layers.1." in name and "rq." in name for name in states):
        raise ModelBrokenError(f"{path} has several codebooks in a row, which no unit model uses.")
    pool: Any = "conv" if tunables.get("downsample_conv") else "mean" if tunables.get("downsample_mean") else "first"
    try:
        downsample = int(config.get("downsample", 1))
    except (TypeError, ValueError, AttributeError) as error:
        raise ModelBrokenError(f"The config of {path} has no number for downsample.") from error
    cosine, masked = bool(config.get("use_cosine_sim", False)), bool(tunables.get("mask_embs", False))
    return Bottleneck(_checked(_renamed(states), path), downsample, pool, cosine=cosine, masked=masked)


def read_centres(path: Path) -> NDArray[Any]:
    """Read the centres of k-means (codes, width) as float32.

    From `.npy`, `.npz` (one array), `.safetensors` (one tensor, or `codebook`), or a k-means model of scikit-learn as
    joblib or pickle wrote it (any other name).

    Raises:
        ModelBrokenError: it cannot be read, or holds no such array.
    """
    import numpy as np

    try:
        if path.suffix == ".safetensors":
            found: Any = _only({name: tensor.numpy() for name, tensor in _safetensors(path).items()}, path)
        elif path.suffix in (".npy", ".npz"):
            loaded = np.load(path, allow_pickle=False)
            found = loaded if path.suffix == ".npy" else _only(loaded, path)
        else:
            found = read_cluster_centers(path)
    except (OSError, ValueError, EOFError) as error:
        raise ModelBrokenError(f"{path} cannot be read: {error}") from error
    if found.ndim != 2 or not np.issubdtype(found.dtype, np.floating) or not np.isfinite(found).all():
        raise ModelBrokenError(
            f"{path} holds an array {found.shape} of {found.dtype}, not centres of k-means.",
            hint="They are finite numbers, one row for each centre.",
        )
    return np.array(found, dtype=np.float32, order="C")  # a copy of its own, which can be written


def _only(arrays: Mapping[str, Any], path: Path) -> Any:
    names = list(arrays)
    name = "codebook" if "codebook" in names else names[0] if len(names) == 1 else None
    if name is None:
        raise ModelBrokenError(
            f"{path} holds several arrays: {', '.join(names[:4])}.", hint="Name the centres codebook."
        )
    return arrays[name]


def _unpickled(path: Path) -> Any:
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelBrokenError(
            f"{path} is no checkpoint of weights alone, and is not loaded, as that could run code in it.",
            hint="Save only its config, tunables and state_dict, on a machine where you trust it.",
        ) from error
    except (OSError, RuntimeError, ValueError, EOFError, KeyError, AttributeError) as error:
        raise ModelBrokenError(f"{path} cannot be read: {next(iter(str(error).splitlines()), error)}") from error


def _safetensors(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise ModelBrokenError(f"{path} cannot be read: {error}.") from error


def _renamed(states: Mapping[Any, Any]) -> dict[str, Any]:
    """The tensors that make units, by our names, in float32."""
    found = {}
    for name, tensor in states.items():
        for pattern, ours in TENSORS.items():
            match = re.fullmatch(rf"(?:model\.)?{pattern}", str(name))
            if match and hasattr(tensor, "float"):
                found[match.expand(ours)] = tensor.float().contiguous()
    if "codebook" in found and found["codebook"].ndim == 3:  # (codebooks side by side, codes, width)
        found["codebook"] = found["codebook"][0].clone()
    return found


def _checked(tensors: dict[str, Any], path: Path) -> dict[str, Any]:
    lacking = [name for name in NEEDED if name not in tensors]
    if lacking:
        raise ModelBrokenError(
            f"{path} lacks {', '.join(lacking)}.", hint="docs/unit-models.md says what is in a codebook of WhisperVQ."
        )
    width = tensors["norm.weight"].shape[0]
    inner = tensors["project.weight"].shape[0] if "project.weight" in tensors else width
    if tensors["codebook"].ndim != 2 or tensors["codebook"].shape[1] != inner:
        raise ModelBrokenError(
            f"{path} holds a codebook {tuple(tensors['codebook'].shape)} for vectors {inner} long.",
            hint="A codebook has one row for each unit.",
        )
    return {name: tensor.float() for name, tensor in tensors.items()}
