"""Speech2Text (fairseq S2T): an encoder-decoder that transcribes, or translates into the one language it learned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hark.engines.engine import Capabilities
from hark.engines.transformers.families.family import GENERATION, Transcriber

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class SpeechToText(Transcriber):
    """`Speech2TextForConditionalGeneration` with its `Speech2TextProcessor`."""

    model_class = "Speech2TextForConditionalGeneration"

    def capabilities(self, config: Mapping[str, Any], folder: Path) -> Capabilities:
        """It hears as many frames as it has positions for: 10 ms each, halved by each convolution."""
        del folder
        positions = config.get("max_source_positions", 6000)
        return Capabilities(
            free_prompt=False,
            options=GENERATION,
            max_seconds=min(60.0, positions / 100),
            timestamps="segment",
            batch_exact=True,
            streams=True,
        )
