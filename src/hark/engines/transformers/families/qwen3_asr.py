"""Qwen3-ASR: writes down speech in thirty languages; its system turn holds context, such as names to expect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hark.engines.engine import Capabilities
from hark.engines.transformers.families.family import TRANSCRIBING, Inputs, Loaded, Transcriber
from hark.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from hark.conversation.conversation import Conversation
    from hark.engines.engine import Options

LANGUAGES = frozenset(
    "ar yue zh cs da nl en fil fi fr de el hi hu id it ja ko mk ms fa pl pt ro ru es sv th tr vi".split()
)


class Qwen3ASR(Transcriber):
    """Qwen3-ASR in the layout of transformers."""

    model_class = "Qwen3ASRForConditionalGeneration"
    echoes_prompt = True

    def capabilities(self, config: Mapping[str, Any], folder: Path) -> Capabilities:
        """No stop text: what it writes begins with the language, which is no part of the transcript."""
        if "thinker_config" in config:
            raise UnsupportedError(
                f"{folder} holds Qwen3-ASR in the layout of its makers' own program.",
                hint="Use the model whose name ends in -hf, which is in the layout of transformers.",
            )
        self.refuse_other_heads(config, folder)
        return Capabilities(
            free_prompt=False,
            options=TRANSCRIBING - {"stop"} | {"language"},
            system_prompt=True,
            timestamps="segment",
            languages=LANGUAGES,
            batch_exact=True,
            streams=True,
        )

    def transcribe(self, loaded: Loaded, samples: NDArray[Any], options: Options) -> Inputs:
        """Without any context."""
        return self._request(loaded, samples, options, "")

    def write_down(self, loaded: Loaded, conversation: Conversation, samples: NDArray[Any], options: Options) -> Inputs:
        """The system prompt is the context."""
        return self._request(loaded, samples, options, conversation.system)

    def _request(self, loaded: Loaded, samples: NDArray[Any], options: Options, context: str) -> Inputs:
        """What the processor's `apply_transcription_request` makes, but for control tokens, which stay text.

        The beginning of the answer that names the language is added as tokens: in a message `<asr_text>` is text too.
        """
        user = {"role": "user", "content": [{"type": "audio", "audio": samples}]}
        system = {"role": "system", "content": [{"type": "text", "text": context}]}
        tensors = loaded.processor.apply_chat_template(
            [system, user] if context else [user],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            sanitize_control_tokens=True,
        )
        if options.language:
            _begin(tensors, loaded.processor.tokenizer, f"language {_names()[options.language]}<asr_text>")
        return Inputs(tensors)

    def transcript(self, loaded: Loaded, text: str) -> tuple[str, str | None]:
        """Of `language English<asr_text>Hello.` the text and the language."""
        found = loaded.processor.parse_output(text)
        codes = {name: code for code, name in _names().items()}
        return found["transcription"], codes.get(found["language"])


def _begin(tensors: Any, tokenizer: Any, beginning: str) -> None:
    """Let the answer begin with given words."""
    import torch

    added = tokenizer(beginning, add_special_tokens=False, return_tensors="pt")["input_ids"]
    tensors["input_ids"] = torch.cat([tensors["input_ids"], added], dim=-1)
    tensors["attention_mask"] = torch.cat([tensors["attention_mask"], torch.ones_like(added)], dim=-1)


def _names() -> dict[str, str]:
    """The names of the languages in English, as the model learned them, by code."""
    from transformers.models.qwen3_asr.processing_qwen3_asr import LANGUAGE_CODE_TO_NAME

    return dict(LANGUAGE_CODE_TO_NAME)
