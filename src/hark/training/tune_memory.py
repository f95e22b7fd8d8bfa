"""How much memory tuning takes, told before anything is loaded, and what to lower where there is not enough."""

from __future__ import annotations

import contextlib
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hark.engines.transformers.placing import device_of
from hark.errors import ModelError
from hark.training.tune_parts import part_of, part_of_weight, wanted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from hark.engines.transformers.engine import Transformers
    from hark.training.tune_examples import Example
    from hark.training.tune_settings import Tuning

MIB = 2**20
_OPTIMIZER = 12  # bytes for each number that is trained, in float32: gradient, and AdamW's two averages
# Activations kept for the way back, in numbers for each token and layer, times the width: about 34 with attention that
# keeps no scores ("Reducing Activation Recomputation in Large Transformer Models", Korthikanti et al., 2022, table 2),
# and 2 where each layer is worked out again.
_KEPT, _KEPT_AGAIN = 34, 2
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "DefaultCPUAllocator")


@dataclass(frozen=True, slots=True)
class Estimate:
    """About how much memory tuning takes, in MiB.

    Attributes:
        weights: of the model as it is loaded.
        trained: how many numbers are trained.
        training: their gradients and the optimizer's, and their own copies where they are an adapter.
        activations: of the largest batch.
        free: what the device has free now; None where that is not known.
    """

    weights: float
    trained: int
    training: float
    activations: float
    free: float | None

    @property
    def total(self) -> float:
        """All of it together."""
        return self.weights + self.training + self.activations

    @property
    def told(self) -> str:
        """The same in words."""
        free = "" if self.free is None else f"; {_size(self.free)} are free"
        return (
            f"about {_size(self.total)} of memory: weights {_size(self.weights)}, {self.trained / 1e6:.2f} M trained "
            f"numbers {_size(self.training)}, activations {_size(self.activations)}{free}"
        )


def estimate(engine: Transformers, found: Sequence[Example], tuning: Tuning) -> Estimate:
    """Tell from the headers of the files and the lengths of the examples; loads nothing.

    What a library takes for itself (of a GPU some hundred MiB) comes on top. Activations are a rule of thumb.
    """
    from hark.engines.catalog import Model
    from hark.engines.transformers.native.ultravox_folder import places
    from hark.server.memory import megabytes

    config = json.loads((engine.folder / "config.json").read_text(encoding="utf-8"))
    folders = places(engine.folder, config)  # an Ultravox may be built on another folder
    models = [Model(engine.name, "transformers", folder, engine.can) for folder in folders]
    weights = sum(megabytes(model, engine.loading) for model in models)
    shapes = {name: shape for folder in folders for name, shape in _shapes(folder)}
    parts = wanted(tuning, engine.family)
    lora = tuning.method == "lora"
    trained = sum(_trained(name, shape, parts, tuning) for name, shape in shapes.items())
    width, layers = _sizes(json.loads((folders[-1] / "config.json").read_text(encoding="utf-8")))
    batch = tuning.batch if engine.can.batch_exact else 1
    tokens = max((example.tokens for example in found), default=0) * batch
    each = (_KEPT_AGAIN if tuning.checkpointing else _KEPT) * 2
    return Estimate(
        weights, trained, trained * (_OPTIMIZER + (4 if lora else 0)) / MIB,
        tokens * width * layers * each / MIB, free(device_of(engine.loading)),
    )  # fmt: skip


def free(device: str) -> float | None:
    """MiB that a device has free; None where the system does not say."""
    if device.startswith("cuda"):
        import torch

        return float(torch.cuda.mem_get_info(device)[0]) / MIB
    if device == "cpu":
        with contextlib.suppress(OSError, ValueError), open("/proc/meminfo", encoding="ascii") as file:
            told = {line.partition(":")[0]: line.split()[1] for line in file}
            return int(told["MemAvailable"]) / 1024
    return None


@contextlib.contextmanager
def lowering(tuning: Tuning, engine: Transformers) -> Iterator[None]:
    """Say what to lower where memory runs out.

    Raises:
        ModelError: it did.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not any(mark in str(error) for mark in _OUT_OF_MEMORY):
            raise
        told = next(iter(str(error).splitlines()), "it is full").rstrip(".")
        raise ModelError(
            f"There is not enough memory to tune {engine.name}: {told}.",
            hint=_lower(tuning, engine),
        ) from error


def _lower(tuning: Tuning, engine: Transformers) -> str:
    """What helps most first, of what is not done yet."""
    able = {
        f"--batch {max(1, tuning.batch // 2)} --accumulate {tuning.accumulate * 2} (the same steps)": tuning.batch > 1,
        "--checkpointing (a third slower)": not tuning.checkpointing,
        "--lora in place of --full": tuning.method == "full",
        "--quantize int4": tuning.method == "lora" and engine.loading.quantize is None,
        "--dtype bfloat16": engine.loading.dtype == "float32",
        f"--rank {max(1, tuning.rank // 2)}": tuning.method == "lora" and tuning.rank > 4,
        "without --encoder": bool(tuning.encoder),
        "shorter recordings": True,
    }
    return "Lower it with " + ", or ".join([what for what, helps in able.items() if helps][:4]) + "."


def _trained(name: str, shape: Sequence[int], parts: frozenset[Any], tuning: Tuning) -> int:
    if tuning.method == "full":
        return math.prod(shape) if part_of_weight(name) in parts else 0
    part = part_of(name.removesuffix(".weight"))
    if part not in parts or len(shape) != 2:
        return 0
    return math.prod(shape) if part == "projector" else tuning.rank * sum(shape)


def _shapes(folder: Path) -> Iterator[tuple[str, Sequence[int]]]:
    """Names and shapes of all weights, from the headers of safetensors files."""
    for path in sorted(folder.glob("*.safetensors")):
        if path.name.startswith("consolidated"):
            continue
        with contextlib.suppress(OSError, ValueError), path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
            yield from ((name, values["shape"]) for name, values in header.items() if name != "__metadata__")


def _sizes(config: dict[str, Any]) -> tuple[int, int]:
    """Width and layers of the language model, wherever its config has them."""
    for place in (config.get("thinker_config", {}), config):
        text = place.get("text_config") or place
        width = text.get("hidden_size") or text.get("d_model")
        layers = text.get("num_hidden_layers") or text.get("decoder_layers")
        if width and layers:
            return int(width), int(layers)
    return 0, 0


def _size(mib: float) -> str:
    return f"{mib / 1024:.1f} GiB" if mib >= 1024 else f"{mib:.0f} MiB"
