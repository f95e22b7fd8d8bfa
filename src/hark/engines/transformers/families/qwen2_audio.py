"""Qwen2-Audio: 30 s a clip (its extractor would cut the rest away without a word), 25 tokens a second."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hark.engines.engine import Capabilities
from hark.engines.transformers.families.family import GENERATION, ChatAudioLM

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Qwen2Audio(ChatAudioLM):
    """Qwen2-Audio and Qwen2-Audio-Instruct."""

    model_class = "Qwen2AudioForConditionalGeneration"

    def capabilities(self, config: Mapping[str, Any], folder: Path) -> Capabilities:
        """Any question, several clips and turns; a transcript is asked for in words."""
        del config, folder
        return Capabilities(
            free_prompt=True,
            options=GENERATION,
            system_prompt=True,
            several_clips=True,
            several_turns=True,
            max_seconds=30.0,
            timestamps="segment",
            batch_exact=True,
            streams=True,
        )
