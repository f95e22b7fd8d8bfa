"""Voxtral: Mistral's request format (tekken.json), 12.5 tokens a second, clips filled up to whole 30 s."""

from __future__ import annotations

import base64
import io
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hark.answers.answer import Notice
from hark.engines.transformers.families.family import (
    CHATS,
    FILLS_UP,
    GENERATION,
    RATE,
    ChatAudioLM,
    Inputs,
    Loaded,
    chat_messages,
    no_language,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from hark.conversation.conversation import Conversation
    from hark.engines.engine import Capabilities, Options

MOST_SECONDS = 2400.0  # "up to 40 minutes for understanding", in the words of the model card
TOKENS_PER_SECOND = 12.5
ROOM = 2048  # tokens kept free for text
LANGUAGES = frozenset("en es fr pt hi de nl it".split())  # named by the model card
FOLDED = Notice("method", "This model takes no system prompt beside audio; it was put before the first question.")


class Voxtral(ChatAudioLM):
    """Voxtral Mini and Small."""

    model_class = "VoxtralForConditionalGeneration"
    pause_seconds = FILLS_UP

    def capabilities(self, config: Mapping[str, Any], folder: Path) -> Capabilities:
        """Any question, several clips and turns, and a transcription request of its own that names the language."""
        del folder
        positions = (config.get("text_config") or {}).get("max_position_embeddings", 131072)
        return replace(
            CHATS,
            options=GENERATION | {"language"},
            max_seconds=min(MOST_SECONDS, max(30.0, (positions - ROOM) / TOKENS_PER_SECOND // 30 * 30)),
            languages=LANGUAGES,
        )

    def ask(self, loaded: Loaded, conversation: Conversation, clips: list[NDArray[Any]], options: Options) -> Inputs:
        """A person's text is mere bytes to Mistral's tokenizer; no control token can be written in it."""
        no_language(options)
        messages = [message for message in chat_messages(conversation, clips) if _says(message)]
        notices: tuple[Notice, ...] = ()
        if conversation.system and not _system_beside_audio(loaded):
            messages, notices = _folded(messages, conversation.system), (FOLDED,)
        for part in (part for message in messages for part in message["content"] if part["type"] == "audio"):
            part["base64"] = _wav(part.pop("audio"))
        return Inputs(loaded.processor.apply_chat_template(messages), notices=notices)

    def transcribe(self, loaded: Loaded, samples: NDArray[Any], options: Options) -> Inputs:
        """The transcription request, which knows no prompt; without a language the model finds it out."""
        tensors = loaded.processor.apply_transcription_request(
            audio=[samples], model_id="voxtral", language=options.language, sampling_rate=RATE, format=["wav"]
        )
        return Inputs(tensors)

    def write_down(self, loaded: Loaded, conversation: Conversation, samples: NDArray[Any], options: Options) -> Inputs:
        """Asked for in words where there is a system prompt, as the transcription request has no room for one."""
        if conversation.system:
            return super().write_down(loaded, conversation, samples, options)
        return self.transcribe(loaded, samples, options)


def _says(message: dict[str, Any]) -> bool:
    """An answer without any text is refused by the request format; a model may have given one all the same."""
    return any(part["type"] == "audio" or part["text"].strip() for part in message["content"])


def _folded(messages: list[dict[str, Any]], system: str) -> list[dict[str, Any]]:
    """The system prompt as the first words of the first user turn."""
    rest = [message for message in messages if message["role"] != "system"]
    first = next(number for number, message in enumerate(rest) if message["role"] == "user")
    words = {"type": "text", "text": f"{system}\n\n"}
    return [*rest[:first], {"role": "user", "content": [words, *rest[first]["content"]]}, *rest[first + 1 :]]


def _system_beside_audio(loaded: Loaded) -> bool:
    """Tokenizers from version 13 take a system prompt in a conversation with audio."""
    version: str = loaded.processor.tokenizer.tokenizer.instruct_tokenizer.tokenizer.version.value
    return int(version.split("m")[0].lstrip("v")) >= 13


def _wav(samples: NDArray[Any]) -> str:
    """16-bit WAV in base64, the bytes that the library's own `load_audio_as` makes of a WAV file."""
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, samples, RATE, format="WAV")
    return base64.b64encode(file.getvalue()).decode("ascii")
