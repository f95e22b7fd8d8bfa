"""Phi-4-multimodal: hears through a speech adapter in a folder of its own, 12.5 tokens a second."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hark.engines.transformers.families.family import CHATS, ChatAudioLM
from hark.engines.transformers.families.lora import merge

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hark.engines.engine import Capabilities

SPEECH_LORA = "speech-lora"
MOST_SECONDS = 1800.0  # "30 minutes" for summaries, in the words of the model card
TOKENS_PER_SECOND = 12.5
ROOM = 2048  # tokens kept free for text


class Phi4Multimodal(ChatAudioLM):
    """Phi-4-multimodal-instruct, in the layout of transformers (`model_type` `phi4_multimodal`)."""

    model_class = "Phi4MultimodalForCausalLM"
    transcription_prompt = "Transcribe the audio clip into text."
    encoder = "model.embed_tokens_extend.audio_embed.encoder"

    def capabilities(self, config: Mapping[str, Any], folder: Path) -> Capabilities:
        """Any question, several clips and turns; clips of a batch change each other's features a little."""
        del folder
        positions = config.get("max_position_embeddings", 131072)
        return replace(
            CHATS,
            max_seconds=min(MOST_SECONDS, max(30.0, (positions - ROOM) / TOKENS_PER_SECOND // 30 * 30)),
            batch_exact=False,
        )

    def processor(self, folder: Path) -> Any:
        """Load what hearing needs of the processor: the rest asks for torchvision."""
        processor = _audio_only().from_pretrained(folder, local_files_only=True)
        # The library's own processor forgets the template when it is loaded; the tokenizer keeps it.
        processor.chat_template = processor.chat_template or processor.tokenizer.chat_template
        return processor

    def model(self, folder: Path, **how: Any) -> Any:
        """Load the weights with the adapter for speech.

        Raises:
            ModelBrokenError: a weight is missing, or the folder `speech-lora`.
        """
        model = super().model(folder, **how)
        merge(model, folder / SPEECH_LORA)
        return model


def _audio_only() -> Any:
    from transformers import Phi4MultimodalProcessor, ProcessorMixin

    class AudioOnly(Phi4MultimodalProcessor):  # type: ignore[misc]  # transformers is typed loosely
        """Its parts are those named in `__init__`: the library finds them by the signature."""

        def __init__(self, audio_processor: Any, tokenizer: Any, chat_template: Any = None) -> None:
            for kind in ("image", "audio"):
                setattr(self, f"{kind}_token", getattr(tokenizer, f"{kind}_token"))
                setattr(self, f"{kind}_token_id", getattr(tokenizer, f"{kind}_token_id"))
            ProcessorMixin.__init__(self, audio_processor, tokenizer, chat_template=chat_template)

    return AudioOnly
