"""What a result has to say of how it was made: the model and its weights, the machine, and versions."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
import sys
from dataclasses import asdict, is_dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hark.machine import usable_cores

if TYPE_CHECKING:
    from hark.engines.engine import Engine

_PACKAGES = (
    "hark-audio", "numpy", "soundfile", "av", "soxr", "onnxruntime", "pocketsphinx", "faster-whisper", "ctranslate2",
    "torch", "transformers", "accelerate", "peft", "bitsandbytes", "jiwer", "sacrebleu",
)  # fmt: skip
# What is written beside weights and has no part in answers: what was told of the training, and its checkpoints.
_BESIDE = re.compile(r"\..*|tensorboard|runs|checkpoint-.*|.*\.(md|html)")
_READ = 2**26  # bytes of a file that are read; larger ones are known by size and time


def model(engine: Engine) -> dict[str, Any]:
    """What answers: its name, its kind, how it is loaded, and a digest of its files, by which it is known again."""
    loading = getattr(engine, "loading", None)
    how = asdict(loading) if is_dataclass(loading) and not isinstance(loading, type) else {}
    more = [*how.values(), *(how.get("adapters") or {}).values()]
    folders = [getattr(engine, "folder", None), *(value for value in more if isinstance(value, str | Path))]
    adapter = f" + {Path(how['adapter']).name}" if how.get("adapter") else ""
    found = {
        "name": f"{engine.name}{adapter}",
        "engine": type(engine).__name__,
        "loading": {name: value if value is None else str(value) for name, value in how.items()},
        "files": [digest(Path(folder)) for folder in folders if folder is not None and Path(folder).is_dir()],
    }
    parts = [part for name in ("_hears", "_writes") if (part := getattr(engine, name, None)) is not None]
    return found | ({"parts": [model(part) for part in parts]} if parts else {})


def digest(folder: Path) -> str:
    """A sha256 over the files of a model: their names, and content; of large ones, size and time of change."""
    told = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        if any(_BESIDE.fullmatch(part) for part in path.relative_to(folder).parts):
            continue
        state = path.stat()
        told.update(f"{path.relative_to(folder)} {state.st_size}\n".encode())
        told.update(str(state.st_mtime_ns).encode() if state.st_size > _READ else path.read_bytes())
    return told.hexdigest()


def machine() -> dict[str, Any]:
    """What it ran on: system, processor, cores, memory in bytes, GPUs where torch is in use."""
    found: dict[str, Any] = {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": usable_cores(),
        "threads": os.environ.get("OMP_NUM_THREADS"),
    }
    with contextlib.suppress(AttributeError, ValueError, OSError):
        found["memory"] = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    torch: Any = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        found["gpus"] = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    return found


def versions() -> dict[str, str]:
    """The versions of Python and of all packages that have to do with answers or scores, as far as they are here."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def _processor() -> str:
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
