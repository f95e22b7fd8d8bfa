"""Checkpoints of transformers' trainer: which of them are whole, and the mean of their weights."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_WEIGHTS = "model.safetensors"
_NEEDED = (_WEIGHTS, "optimizer.pt", "scheduler.pt")
STATE = "trainer_state.json"  # written last


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints in a folder that were written to their end, the oldest first."""
    found = [path for path in folder.glob("checkpoint-*") if path.name.rpartition("-")[2].isdigit() and _whole(path)]
    return sorted(found, key=lambda path: int(path.name.rpartition("-")[2]))


def average(folders: Sequence[Path]) -> dict[str, Any]:
    """The mean of the weights in several folders; whole numbers are those of the last."""
    from safetensors.torch import load_file

    total: dict[str, Any] = {}
    for folder in folders:
        for name, value in load_file(folder / _WEIGHTS).items():
            if value.is_floating_point():
                total[name] = total[name] + value.double() if name in total else value.double()
            else:
                total[name] = value
    return {
        name: (value / len(folders)).float() if value.is_floating_point() else value for name, value in total.items()
    }


def _whole(path: Path) -> bool:
    try:
        json.loads((path / STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return all((path / name).is_file() for name in _NEEDED)
