"""Gemma 3n: 188 tokens a clip whatever its length, 30 s at most; its eyes are left in the folder."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from hark.answers.answer import Notice
from hark.engines.transformers.families.family import CHATS, FILLS_UP, ChatAudioLM, Inputs, Loaded
from hark.engines.transformers.families.template import has_chat_template

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from hark.conversation.conversation import Conversation
    from hark.engines.engine import Capabilities, Options

MOST_SECONDS = 30.0  # its extractor cuts at 480 000 samples without a word
FOLDED = Notice("method", "This model has no system role; the system prompt was put before the first question.")
# How the model card asks the base model, which has no chat template: the clip, and the text that it goes on with.
PLAIN = (
    "{{ bos_token }}{% for message in messages %}{% for part in message['content'] %}"
    "{% if part['type'] == 'audio' %}{{ '<audio_soft_token>' }}{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endfor %}"
)


class Gemma3n(ChatAudioLM):
    """Gemma 3n, instructed (with a chat template) or base; neither timm nor torchvision is needed."""

    model_class = "Gemma3nForConditionalGeneration"
    pause_seconds = FILLS_UP
    usual_files: ClassVar[Mapping[str, Any]] = {"chat_template.jinja": ""}
    transcription_prompt = "Transcribe the following speech segment in its original language."  # from its documentation

    def capabilities(self, config: Mapping[str, Any], folder: Path) -> Capabilities:
        """Any question; system prompts and several turns only of an instructed model, through its template."""
        del config
        chats = has_chat_template(folder)
        return replace(CHATS, system_prompt=chats, several_turns=chats, max_seconds=MOST_SECONDS, batch_exact=False)

    def ask(self, loaded: Loaded, conversation: Conversation, clips: list[NDArray[Any]], options: Options) -> Inputs:
        """Its template puts the system prompt before the first question, and so the person is told."""
        inputs = super().ask(loaded, conversation, clips, options)
        return replace(inputs, notices=(*inputs.notices, FOLDED)) if conversation.system else inputs

    def processor(self, folder: Path) -> Any:
        """Load what hearing needs of the processor: the rest is for images."""
        processor = _audio_only().from_pretrained(folder, local_files_only=True)
        processor.chat_template = processor.chat_template or processor.tokenizer.chat_template or PLAIN
        return processor

    def architecture(self) -> Any:
        """The library's class without the eyes, which ask for timm; their weights in the folder are passed over."""
        return _without_eyes()


def _without_eyes() -> Any:
    from torch import nn
    from transformers import AutoModel, Gemma3nForConditionalGeneration, Gemma3nModel, Gemma3nPreTrainedModel
    from transformers.models.gemma3n.modeling_gemma3n import Gemma3nMultimodalEmbedder

    class Hearing(Gemma3nModel):  # type: ignore[misc]  # transformers is typed loosely
        """All but `vision_tower`. The embedding of image tokens stays: `forward` looks tokens up in it."""

        def __init__(self, config: Any) -> None:
            Gemma3nPreTrainedModel.__init__(self, config)
            text = config.text_config
            self.vocab_size, self.vocab_size_per_layer_input = text.vocab_size, text.vocab_size_per_layer_input
            self.language_model = AutoModel.from_config(text)
            self.audio_tower = AutoModel.from_config(config.audio_config)
            self.embed_vision = Gemma3nMultimodalEmbedder(config.vision_config, text)
            self.embed_audio = Gemma3nMultimodalEmbedder(config.audio_config, text)
            self.post_init()

    class WithoutEyes(Gemma3nForConditionalGeneration):  # type: ignore[misc]
        _keys_to_ignore_on_load_unexpected = (r"^model\.vision_tower\.",)

        def __init__(self, config: Any) -> None:
            Gemma3nPreTrainedModel.__init__(self, config)
            self.model = Hearing(config)
            self.lm_head = nn.Linear(config.text_config.hidden_size, config.text_config.vocab_size, bias=False)
            self.post_init()

    return WithoutEyes


def _audio_only() -> Any:
    from transformers import Gemma3nProcessor, ProcessorMixin

    class AudioOnly(Gemma3nProcessor):  # type: ignore[misc]
        """Its parts are those named in `__init__`: the library finds them by the signature."""

        def __init__(
            self,
            feature_extractor: Any,
            tokenizer: Any,
            chat_template: Any = None,
            audio_seq_length: int = 188,
            **images: Any,
        ) -> None:
            del images  # their settings are in the same files
            for name in ("image_token", "image_token_id", "audio_token", "audio_token_id", "boa_token"):
                setattr(self, name, getattr(tokenizer, name))
            self.audio_seq_length = audio_seq_length
            soft = tokenizer.audio_token * audio_seq_length
            self.full_audio_sequence = f"\n\n{tokenizer.boa_token}{soft}{tokenizer.eoa_token}\n\n"
            ProcessorMixin.__init__(self, feature_extractor, tokenizer, chat_template=chat_template)

        @property
        def model_input_names(self) -> list[str]:
            return [*self.tokenizer.model_input_names, "token_type_ids", *self.feature_extractor.model_input_names]

    return AudioOnly
