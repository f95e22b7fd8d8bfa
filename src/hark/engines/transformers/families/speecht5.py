"""SpeechT5 for speech recognition: raw samples in, letters out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hark.engines.engine import Capabilities
from hark.engines.transformers.families.family import TRANSCRIBING, Transcriber

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class SpeechT5(Transcriber):
    """`SpeechT5ForSpeechToText`."""

    model_class = "SpeechT5ForSpeechToText"
    target_positions = "max_text_positions"

    def capabilities(self, config: Mapping[str, Any], folder: Path) -> Capabilities:
        """It has positions for 450 letters: what is said in 20 s, not in 30.

        Raises:
            UnsupportedError: the folder holds a SpeechT5 that speaks.
        """
        self.refuse_other_heads(config, folder)
        return Capabilities(
            free_prompt=False,
            options=TRANSCRIBING,
            max_seconds=20.0,
            timestamps="segment",
            batch_exact=True,
            streams=True,
        )
