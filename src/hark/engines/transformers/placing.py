"""Where the weights of a transformers model go, in what precision, and quantized with which library."""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING, Any

from hark.errors import MissingExtraError, OptionError

if TYPE_CHECKING:
    from hark.engines.loading import Loading

# Kept in full precision: what hears (small, and its errors would reach every word) and what chooses the words.
KEPT = tuple(
    f".*{name}.*"
    for name in ("audio", "speech_encoder", "projector", "embed_tokens", "feature_", "lm_head", "proj_out", "vision")
)


def placement(loading: Loading) -> dict[str, Any]:
    """Keywords of `from_pretrained` for how a model is to be loaded.

    Raises:
        OptionError: there is no such device on this machine.
        MissingExtraError: no library that quantizes is installed.
    """
    how: dict[str, Any] = {"dtype": loading.dtype}
    if loading.trust_remote_code:
        how["trust_remote_code"] = True
    if loading.device_map:
        how["device_map"] = loading.device_map
    device = device_of(loading)
    if loading.quantize:
        how["quantization_config"] = _quantization(loading.quantize, device)
        how.setdefault("device_map", {"": device})
    return how


def placed(model: Any, loading: Loading) -> Any:
    """The model on its device, where `placement` has not put it there."""
    return model if loading.device_map or loading.quantize else model.to(device_of(loading))


def device_of(loading: Loading) -> str:
    """The device that is meant.

    Raises:
        OptionError: it is not on this machine.
    """
    import torch

    here = {
        "cuda": torch.cuda.device_count(),
        "mps": int(torch.backends.mps.is_available()),
        "xpu": torch.xpu.device_count(),
        "cpu": 1,
    }
    if loading.device == "auto":
        return next(kind for kind, count in here.items() if count)
    kind, _, number = loading.device.partition(":")
    if int(number or 0) >= here[kind]:
        found = ", ".join(f"{kind}:{n}" if count > 1 else kind for kind, count in here.items() for n in range(count))
        raise OptionError(f"There is no device {loading.device} here.", hint=f"There is {found}.")
    return loading.device


def _quantization(bits: str, device: str) -> Any:
    """What transformers is told about it; bitsandbytes first, which has both and is fast on GPUs."""
    import transformers

    if _installed("bitsandbytes"):
        import torch

        return transformers.BitsAndBytesConfig(
            load_in_8bit=bits == "int8",
            load_in_4bit=bits == "int4",
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=torch.float32 if device == "cpu" else torch.bfloat16,
            llm_int8_skip_modules=list(KEPT),
        )
    if _installed("torchao") and bits == "int8":  # its int4 needs a GPU and further packages
        from torchao.quantization import Int8WeightOnlyConfig

        return transformers.TorchAoConfig(Int8WeightOnlyConfig(), modules_to_not_convert=list(KEPT))
    raise MissingExtraError(
        f"Quantizing to {bits} needs a package that is not installed.",
        hint="pip install bitsandbytes" + (", or pip install torchao" if bits == "int8" else ""),
    )


def _installed(package: str) -> bool:
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
