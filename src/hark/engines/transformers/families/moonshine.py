"""Moonshine: an encoder-decoder on raw samples; text that runs away is stopped as its authors do."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from hark.engines.engine import Capabilities, Options
from hark.engines.transformers.families.family import RATE, TRANSCRIBING, Inputs, Loaded, Transcriber

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TOKENS_A_SECOND = 6.5  # of the code on the pages of its checkpoints; longer text is the model repeating itself


class Moonshine(Transcriber):
    """`MoonshineForConditionalGeneration`."""

    model_class = "MoonshineForConditionalGeneration"

    def capabilities(self, config: Mapping[str, Any], folder: Path) -> Capabilities:
        """Transcripts in the one language it learned."""
        del config, folder
        return Capabilities(
            free_prompt=False, options=TRANSCRIBING, timestamps="segment", batch_exact=True, streams=True
        )

    def most_tokens(self, loaded: Loaded, inputs: Inputs, options: Options) -> int | None:
        """In proportion to the seconds heard, unless a person sets it."""
        del loaded
        if options.max_new_tokens is not None:
            return None
        samples: int = inputs.tensors["input_values"].shape[-1]
        return math.ceil(samples / RATE * TOKENS_A_SECOND)
