"""A maker of a tiny random model for each family of transformers models."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# name of the family: module of this folder, function that writes the folder
MAKERS = {
    "audioflamingo3": ("flamingo", "tiny_audioflamingo3"),
    "musicflamingo": ("flamingo", "tiny_musicflamingo"),
    "qwen2_audio": ("qwen2_audio", "tiny_qwen2_audio"),
    "speech_to_text": ("speech_to_text", "tiny_speech_to_text"),
    "voxtral": ("voxtral", "tiny_voxtral"),
    "whisper": ("whisper_transformers", "tiny_whisper"),
}


def make(family: str, folder: Path, seed: int = 0) -> Path:
    """Write the folder of a tiny model."""
    module, function = MAKERS[family]
    made: Path = getattr(importlib.import_module(f"tiny.{module}"), function)(folder, seed)
    return made
