"""Which family a model belongs to, by the `model_type` of its `config.json`: one literal dict."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hark.engines.transformers.families.family import Family

FAMILIES = {
    "qwen2_audio": ("qwen2_audio", "Qwen2Audio"),
    "speech_to_text": ("speech_to_text", "SpeechToText"),
    "whisper": ("whisper", "Whisper"),
}


def family_of(model_type: str) -> Family | None:
    """The family of a model type; None where there is none."""
    if model_type not in FAMILIES:
        return None
    module, name = FAMILIES[model_type]
    made: type[Family] = getattr(importlib.import_module(f"hark.engines.transformers.families.{module}"), name)
    return made()
