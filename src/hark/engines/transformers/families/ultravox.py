"""Ultravox: 6.25 tokens a second, in stretches of 30 s; its language model may lie in a folder of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from hark.engines.transformers.families.family import CHATS, RATE, ChatAudioLM, Inputs, Loaded
from hark.engines.transformers.native import ultravox_folder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from hark.conversation.conversation import Conversation
    from hark.engines.engine import Capabilities, Options

TOKENS_PER_SECOND = 188 / 30
ROOM = 2048  # tokens kept free for text
TURN_END = "<|eot_id|>"  # ends a turn of Llama 3, though not a text


class Ultravox(ChatAudioLM):
    """Ultravox 0.2 to 0.6; transformers lacks it, and the code that comes with it is never run."""

    usual_files: ClassVar[Mapping[str, Any]] = {
        "config.json": {"text_config": {"max_position_embeddings": 131072}, "audio_config": {"d_model": 1280}}
    }
    # The transcripts it learned to write were asked for so, with the audio after the words.
    transcription_prompt = "Repeat the following text, without any explanation:"
    encoder = "audio_tower"

    def capabilities(self, config: Mapping[str, Any], folder: Path) -> Capabilities:
        """Any question, several clips and turns; the limit is the room for tokens.

        Raises:
            ModelNotFoundError: a model that it is built on is not on this machine.
            UnsupportedError: it is of another make.
        """
        text, _ = ultravox_folder.configs(folder, config)
        positions = (text.get("text_config") or text).get("max_position_embeddings", 8192)
        return replace(CHATS, max_seconds=max(30.0, (positions - ROOM) / TOKENS_PER_SECOND // 30 * 30))

    def architecture(self) -> Any:
        """The class that loads it, of hark."""
        from hark.engines.transformers.native.ultravox import UltravoxModel

        return UltravoxModel

    def processor(self, folder: Path) -> Any:
        """Load the tokenizer, from the folder or from that of its language model."""
        from hark.engines.transformers.native.ultravox_processor import UltravoxProcessor

        return UltravoxProcessor.of(folder)

    def load(self, folder: Path, **how: Any) -> Loaded:
        """Load both; the tokenizer says which token stands for audio, and what ends a turn.

        Raises:
            ModelNotFoundError: a model that it is built on is not on this machine.
            ModelBrokenError: a weight or a file is missing.
        """
        loaded = super().load(folder, **how)
        words, told = loaded.processor.tokenizer, loaded.model.generation_config
        loaded.model.config.audio_token_index = loaded.processor.audio_token_id
        known = told.eos_token_id if isinstance(told.eos_token_id, list) else [told.eos_token_id]
        ends = {*known, words.eos_token_id, words.get_added_vocab().get(TURN_END)}
        told.eos_token_id = sorted(end for end in ends if end is not None)
        told.pad_token_id = words.pad_token_id
        return loaded

    def write_down(self, loaded: Loaded, conversation: Conversation, samples: NDArray[Any], options: Options) -> Inputs:
        """Ask for a transcript in words, after the system prompt; the audio comes last."""
        from hark.audio.audio import Audio
        from hark.conversation.conversation import Conversation as Said

        said = Said(tuple(message for message in conversation.messages if message.role == "system"))
        asked = said.say(self.transcription_prompt, Audio.of(samples, RATE))
        return self.ask(loaded, asked, [samples], options)
