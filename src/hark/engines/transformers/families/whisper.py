"""Whisper through transformers: windows of at most 30 s, always padded to 30 s of log-mel frames."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from hark.engines.engine import Capabilities, Options
from hark.engines.models import LANGUAGES
from hark.engines.transformers.families.family import FILLS_UP, RATE, TRANSCRIBING, Inputs, Loaded, Transcriber

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray


class Whisper(Transcriber):
    """Whisper, multilingual or English only."""

    model_class = "WhisperForConditionalGeneration"
    pause_seconds = FILLS_UP
    usual_files: ClassVar[Mapping[str, Any]] = {
        "generation_config.json": {"lang_to_id": {f"<|{code}|>": 0 for code in LANGUAGES}}
    }

    def capabilities(self, config: Mapping[str, Any], folder: Path) -> Capabilities:
        """Languages are those its generation config names; without them it knows English alone."""
        del config
        languages = _languages(folder)
        return Capabilities(
            free_prompt=False,
            tasks=frozenset({"transcribe", "translate"} if languages else {"transcribe"}),
            options=TRANSCRIBING | {"language"} | ({"to"} if languages else set()),
            max_seconds=30.0,
            timestamps="segment",
            languages=languages or frozenset({"en"}),
            batch_exact=True,
            streams=True,
        )

    def targets(self, can: Capabilities) -> frozenset[str]:
        """English only."""
        del can
        return frozenset({"en"})

    def transcribe(self, loaded: Loaded, samples: NDArray[Any], options: Options) -> Inputs:
        """Never `padding=True`: the encoder takes 3000 frames and no other number."""
        tensors = loaded.processor(audio=samples, sampling_rate=RATE, return_tensors="pt", return_attention_mask=True)
        return Inputs(tensors, self.keywords(loaded, options))

    def keywords(self, loaded: Loaded, options: Options) -> dict[str, Any]:
        """Language and task, where the model has several."""
        if not getattr(loaded.model.generation_config, "is_multilingual", False):
            return {}
        task = "translate" if options.task == "translate" else "transcribe"
        return {"task": task} | ({"language": options.language} if options.language else {})


def _languages(folder: Path) -> frozenset[str]:
    """Codes of `lang_to_id` in the generation config, such as `<|en|>`."""
    try:
        found = json.loads((folder / "generation_config.json").read_text(encoding="utf-8")).get("lang_to_id") or {}
    except (OSError, ValueError):
        return frozenset()
    return frozenset(token.strip("<|>") for token in found)
