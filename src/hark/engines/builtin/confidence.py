"""How far the recogniser may be trusted."""

from __future__ import annotations

from typing import Any


def confidences(words: list[list[Any]]) -> list[float]:
    """A confidence in 0..1 for each word."""
    return [min(1.0, max(0.0, float(word[6]))) for word in words]
