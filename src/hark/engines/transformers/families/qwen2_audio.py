"""Qwen2-Audio: 30 s a clip (its extractor would cut the rest away without a word), 25 tokens a second.

Published are a chat model (Qwen2-Audio-7B-Instruct) and a base model (Qwen2-Audio-7B). Both have the same
`model_type`, and the library gives both the chat template that lies in its code, so that neither tells them apart.
What does is how a text ends: a chat model's `generation_config.json` names `<|im_end|>`, which ends a turn, among its
`eos_token_id`; a base model knows no turns and ends with `<|endoftext|>` alone. A folder that says nothing of it is
taken for a chat model. The base model is asked as on its model card and in the evaluation that its authors published
(QwenLM/Qwen2-Audio, eval_audio): the clip, then the text that it goes on with.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hark.engines.transformers.families.family import (
    CHATS,
    FILLS_UP,
    GENERATION,
    RATE,
    ChatAudioLM,
    Inputs,
    Loaded,
    no_language,
)
from hark.engines.transformers.families.template import ends_with, read_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from hark.conversation.conversation import Conversation
    from hark.engines.engine import Capabilities, Options

CLIP = "<|audio_bos|><|AUDIO|><|audio_eos|>"
PLAIN = (
    "{% for message in messages %}{% for part in message['content'] %}"
    f"{{% if part['type'] == 'audio' %}}{CLIP}{{% else %}}{{{{ part['text'] }}}}{{% endif %}}"
    "{% endfor %}{% endfor %}"
)
RECOGNIZE = f"{CLIP}Detect the language and recognize the speech:"
LANGUAGES = frozenset("zh en yue fr it es de ja".split())  # those its authors name
_TOLD = re.compile(r"\s*<\|(\w{2,3})\|>")  # a base model names the language before what is said


class Qwen2Audio(ChatAudioLM):
    """Qwen2-Audio, base and instructed."""

    model_class = "Qwen2AudioForConditionalGeneration"
    pause_seconds = FILLS_UP

    def capabilities(self, config: Mapping[str, Any], folder: Path) -> Capabilities:
        """Any question; of a chat model also several clips and turns, of a base model a transcript in a language."""
        del config
        chats = _chats(folder)
        return replace(
            CHATS,
            options=GENERATION if chats else GENERATION | {"language"},
            system_prompt=chats,
            several_clips=chats,
            several_turns=chats,
            max_seconds=30.0,
            languages=None if chats else LANGUAGES,
        )

    def processor(self, folder: Path) -> Any:
        """Load the processor; that of a base model gets a template without roles."""
        processor = super().processor(folder)
        if not _chats(folder):
            processor.chat_template = PLAIN
        return processor

    def ask(self, loaded: Loaded, conversation: Conversation, clips: list[NDArray[Any]], options: Options) -> Inputs:
        """Fill the chat template, or put the text after the clip."""
        no_language(options)
        return super().ask(loaded, conversation, clips, options)

    def write_down(self, loaded: Loaded, conversation: Conversation, samples: NDArray[Any], options: Options) -> Inputs:
        """A chat model is asked in words, a base model in those that it was trained with."""
        if loaded.processor.chat_template != PLAIN:
            return super().write_down(loaded, conversation, samples, options)
        prompt = f"{RECOGNIZE} <|{options.language}|>" if options.language else RECOGNIZE
        return Inputs(loaded.processor(text=prompt, audio=samples, sampling_rate=RATE, return_tensors="pt"))

    def transcript(self, loaded: Loaded, text: str) -> tuple[str, str | None]:
        """What was said, and the language that a base model names before it."""
        told = _TOLD.match(text) if loaded.processor.chat_template == PLAIN else None
        return (text[told.end() :].strip(), told[1]) if told else (text.strip(), None)


def _chats(folder: Path) -> bool:
    ends = read_json(folder / "generation_config.json").get("eos_token_id")
    return ends is None or ends_with(folder, ends, "<|im_end|>")
