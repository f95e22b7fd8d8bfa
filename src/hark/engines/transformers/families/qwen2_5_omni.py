"""Qwen2.5-Omni: its thinker, which hears and writes; eyes and voice are left in the folder."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from hark.engines.transformers.families.family import CHATS, ChatAudioLM, Loaded

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hark.engines.engine import Capabilities

USUAL_SECONDS = 30.0  # of an extractor whose files do not say


class Qwen25Omni(ChatAudioLM):
    """Qwen2.5-Omni, from a full folder or from one of the thinker alone.

    Control tokens in a person's text stay text; see `_audio_only` for what the library's own processor does there.
    """

    model_class = "Qwen2_5OmniThinkerForConditionalGeneration"
    usual_files: ClassVar[Mapping[str, Any]] = {"preprocessor_config.json": {"chunk_length": 300}}

    def capabilities(self, config: Mapping[str, Any], folder: Path) -> Capabilities:
        """Any question, several clips and turns; the limit is where its extractor would cut without a word."""
        del config
        return replace(CHATS, max_seconds=_limit(folder))

    def load(self, folder: Path, **how: Any) -> Loaded:
        """The generation config of a full folder need not say what ends the thinker's text: its tokenizer does."""
        loaded = super().load(folder, **how)
        if loaded.model.generation_config.eos_token_id is None:
            loaded.model.generation_config.eos_token_id = loaded.processor.tokenizer.eos_token_id
        return loaded

    def processor(self, folder: Path) -> Any:
        """Load what hearing needs of the processor: the rest asks for torchvision."""
        return _audio_only().from_pretrained(folder, local_files_only=True)


def _audio_only() -> Any:
    from transformers import ProcessorMixin, Qwen2_5OmniProcessor

    class AudioOnly(Qwen2_5OmniProcessor):  # type: ignore[misc]  # transformers is typed loosely
        """Its parts are those named in `__init__`: the library finds them by the signature."""

        # The omni-modal __call__ counts audio tokens written by a person as clips; the one all others share does not.
        __call__ = ProcessorMixin.__call__

        def __init__(self, feature_extractor: Any = None, tokenizer: Any = None, chat_template: Any = None) -> None:
            ProcessorMixin.__init__(self, feature_extractor, tokenizer, chat_template=chat_template)
            for kind in ("image", "audio", "video"):
                setattr(self, f"{kind}_token", getattr(tokenizer, f"{kind}_token"))
                setattr(self, f"{kind}_token_id", getattr(tokenizer, f"{kind}_token_id"))

    return AudioOnly


def _limit(folder: Path) -> float:
    """Seconds that the extractor hears, from its own file."""
    for name in ("processor_config.json", "preprocessor_config.json"):
        try:
            found = json.loads((folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        seconds = found.get("feature_extractor", found).get("chunk_length")
        if seconds:
            return float(seconds)
    return USUAL_SECONDS
