"""How much memory models take, and whose turn it is where there is not enough for all."""

from __future__ import annotations

import ctypes
import itertools
import json
import math
import sys
from typing import TYPE_CHECKING, Any, Protocol

from hark.machine import give_back

if TYPE_CHECKING:
    from pathlib import Path

    from hark.engines.catalog import Model
    from hark.engines.loading import Loading

_BYTES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "F64": 8, "F32": 4, "F16": 2, "BF16": 2}
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # as glibc's malloc.h numbers them


def megabytes(model: Model, loading: Loading) -> float:
    """What the weights of a model take when they are loaded, in MB (of 2^20 bytes), told from its files.

    Of safetensors the headers say how many numbers there are, which count in the precision they are loaded in; where
    they are quantized, as they lie on disk: so they are read. Other files count as they are, and twice where they may
    be loaded in a wider precision than they were saved in (CTranslate2 on a CPU; `dtype="float32"`). What a model
    keeps while it works comes on top. Engines without a folder count as nothing.
    """
    taken = _of_folder(model.folder, model.kind, loading) if model.folder else 0.0
    return taken + (megabytes(model.writer, loading) if model.writer else 0.0)


def _of_folder(folder: Path, kind: str, loading: Loading) -> float:
    tensors = [path for path in sorted(folder.rglob("*.safetensors")) if not path.name.startswith("consolidated")]
    if tensors:
        wanted = None if loading.quantize else _precision(folder, loading)
        return sum(_of_tensors(path, wanted) for path in tensors) / 2**20
    files: float = sum(path.stat().st_size for suffix in ("*.bin", "*.pt", "*.pth") for path in folder.rglob(suffix))
    wider = loading.dtype == "float32" or (kind == "faster-whisper" and loading.dtype == "auto")
    return files / 2**20 * (2 if wider and not loading.quantize else 1)


def _precision(folder: Path, loading: Loading) -> str | None:
    """The precision that floating-point weights are loaded in; None: as they are."""
    if loading.dtype != "auto":
        return loading.dtype
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None  # what is wrong with it is said when it is loaded
    found = config.get("dtype", config.get("torch_dtype")) if isinstance(config, dict) else None
    return found if isinstance(found, str) else None


def _of_tensors(path: Path, wanted: str | None) -> float:
    """Bytes of the weights in a safetensors file (a length of 8 bytes, then its header in JSON)."""
    try:
        with path.open("rb") as file:
            header: dict[str, Any] = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    except (OSError, ValueError, MemoryError, OverflowError):
        return path.stat().st_size
    return sum(_of_tensor(values, wanted) for name, values in header.items() if name != "__metadata__")


def _of_tensor(values: dict[str, Any], wanted: str | None) -> float:
    start, end = values["data_offsets"]
    if wanted in _BYTES and values["dtype"] in _BYTES:
        return float(math.prod(values["shape"]) * _BYTES[wanted])
    return float(end - start)


def keep_pages() -> None:
    """Take blocks of sound from memory at hand (glibc): fresh pages cost a quarter of the time of an upload."""
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if sys.platform == "linux" and set_option:
        set_option(_MMAP_THRESHOLD, 8 * 2**20)
        set_option(_TRIM_THRESHOLD, 16 * 2**20)


def return_all() -> None:
    """Give memory that models let go of back to the system, and to other programs on the GPU.

    Models hold no cycles, so that they are gone by now: a collection would keep all requests waiting for a second.
    """
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    give_back()


class Holder(Protocol):
    """What holds a model: a lane.

    Attributes:
        megabytes: what its model takes when it is loaded.
        loaded: whether it is counted as loaded.
        used: when it was last used, in seconds of some clock.
    """

    megabytes: float
    loaded: bool
    used: float

    @property
    def idle(self) -> bool:
        """Is it loaded, and does nobody use it?"""

    def unload(self) -> None:
        """Begin to let go of the model; `Memory.freed` is called when that is done."""

    def wake(self) -> None:
        """Look again whether there is something to do."""


class Memory:
    """The bound on what all loaded models take together (`megabytes`; None: no bound).

    A model that has to be loaded waits until those that nobody uses have made room, the least recently used first. Who
    waits is not starved: what comes to the loaded models after it began to wait, waits until it is loaded.
    """

    def __init__(self, bound: float | None) -> None:
        self.bound = bound
        self.holders: list[Holder] = []
        self._waiting: dict[Holder, int] = {}
        self._numbers = itertools.count()

    def number(self) -> int:
        """The next number of a request, in the order in which they come."""
        return next(self._numbers)

    def admits(self, holder: Holder, number: int) -> bool:
        """May the model of a holder be used now by a request of this number? If not, `wake` is called when it may."""
        if not self.bound or not holder.megabytes:
            holder.loaded = True
            return True
        if holder.loaded:
            return number < min(self._waiting.values(), default=math.inf)
        self._waiting.setdefault(holder, self.number())
        if next(iter(self._waiting)) is not holder:
            return False
        taken = sum(other.megabytes for other in self.holders if other.loaded)
        if taken + holder.megabytes <= self.bound:
            holder.loaded = True
            self.forget(holder)
            return True
        idle = [other for other in self.holders if other.idle and other.megabytes]
        if idle:
            min(idle, key=lambda other: other.used).unload()
        return False

    def forget(self, holder: Holder) -> None:
        """A holder waits no more."""
        if self._waiting.pop(holder, None) is not None:
            self.freed()

    def freed(self) -> None:
        """Something changed: let all look again."""
        if not self.bound:
            return
        for holder in self.holders:
            holder.wake()
