"""Voxtral Realtime: writes down speech while it goes on, a token for each 80 ms, so that the audio ends the text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hark.engines.engine import Capabilities
from hark.engines.transformers.families.family import TRANSCRIBING, Inputs, Loaded, Transcriber

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from hark.engines.engine import Options


class VoxtralRealtime(Transcriber):
    """Voxtral Mini Realtime, given whole stretches of speech; it finds out the language itself."""

    model_class = "VoxtralRealtimeForConditionalGeneration"
    echoes_prompt = True

    def capabilities(self, config: Mapping[str, Any], folder: Path) -> Capabilities:
        """Transcripts alone, as its processor takes no text; no beams, with which the library's model breaks."""
        del config, folder
        return Capabilities(
            free_prompt=False,
            options=TRANSCRIBING - {"beams"},
            timestamps="segment",
            batch_exact=True,
            streams=True,
        )

    def transcribe(self, loaded: Loaded, samples: NDArray[Any], options: Options) -> Inputs:
        """Silence before and after is the processor's to add; text comes 480 ms after its sound."""
        del options
        return Inputs(loaded.processor(samples, return_tensors="pt"))
