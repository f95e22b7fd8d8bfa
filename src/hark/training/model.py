"""Speech2Text as hark trains it from scratch: three architectures, with a CTC head on the encoder.

Importing this module tells transformers' `Auto` classes and its pipeline for speech recognition of it; `hark.load`
does so by itself.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import nn
from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    AutoModel,
    AutoModelForSpeechSeq2Seq,
    AutoProcessor,
    AutoTokenizer,
    Speech2TextConfig,
    Speech2TextFeatureExtractor,
    Speech2TextForConditionalGeneration,
    Speech2TextProcessor,
    Speech2TextTokenizer,
)
from transformers.modeling_outputs import Seq2SeqLMOutput
from transformers.models.auto import modeling_auto
from transformers.models.speech_to_text.modeling_speech_to_text import shift_tokens_right

from hark.training.encoders import HarkSpeech2TextEncoder, Pretrained
from hark.training.rnn import LSTMCache, LSTMDecoder

MODEL_TYPE = "hark_speech2text"
Architecture = Literal["transformer", "conformer", "rnn"]
_IGNORED = -100  # of labels: what is padding


class HarkSpeech2TextConfig(Speech2TextConfig):  # type: ignore[misc]  # transformers is typed loosely
    """The config of Speech2Text, and what is more.

    Attributes:
        architecture: `transformer`, `conformer`, or `rnn` (LSTMs that encode and decode).
        conformer_kernel_size: frames of the depthwise convolution of a Conformer block; odd.
        ctc_weight: share of the CTC loss in the whole (Watanabe et al. 2017, the hybrid CTC/attention).
        label_smoothing: share of the cross entropy that goes to all tokens alike.
        decoding: what `generate` does unless told: `ctc` (the likeliest token of each state), `attention`, or `joint`.
    """

    model_type = MODEL_TYPE

    architecture: str = "transformer"
    conformer_kernel_size: int = 15
    ctc_weight: float | int = 0.3
    label_smoothing: float | int = 0.1
    decoding: str = "attention"


class HarkSpeech2TextForConditionalGeneration(Pretrained, Speech2TextForConditionalGeneration):  # type: ignore[misc]
    """Speech2Text whose encoder (and decoder, for `rnn`) is replaced, with a CTC head whose blank is the padding."""

    config_class = HarkSpeech2TextConfig

    def __init__(self, config: HarkSpeech2TextConfig) -> None:
        super().__init__(config)
        self.model.encoder = HarkSpeech2TextEncoder(config)
        if config.architecture == "rnn":
            self.model.decoder = LSTMDecoder(config)
        self.ctc_head = nn.Linear(config.d_model, config.vocab_size)
        self.post_init()

    def forward(
        self,
        input_features: Any = None,
        attention_mask: Any = None,
        decoder_input_ids: Any = None,
        decoder_attention_mask: Any = None,
        encoder_outputs: Any = None,
        past_key_values: Any = None,
        decoder_inputs_embeds: Any = None,
        labels: Any = None,
        use_cache: bool | None = None,
        **kwargs: Any,
    ) -> Seq2SeqLMOutput:
        """Scores of the next token after each; with `labels` (-100 is padding) also the loss of both heads."""
        config = self.config
        if labels is not None and decoder_input_ids is None and decoder_inputs_embeds is None:
            decoder_input_ids = shift_tokens_right(labels, config.pad_token_id, config.decoder_start_token_id)
        found = self.model(
            input_features,
            attention_mask=attention_mask,
            decoder_input_ids=decoder_input_ids,
            encoder_outputs=encoder_outputs,
            decoder_attention_mask=decoder_attention_mask,
            past_key_values=past_key_values,
            decoder_inputs_embeds=decoder_inputs_embeds,
            use_cache=bool(use_cache),
            **kwargs,
        )
        logits = self.lm_head(found.last_hidden_state)
        loss = None if labels is None else self._loss(logits, found.encoder_last_hidden_state, attention_mask, labels)
        return Seq2SeqLMOutput(
            loss=loss,
            logits=logits,
            past_key_values=found.past_key_values,
            decoder_hidden_states=found.decoder_hidden_states,
            decoder_attentions=found.decoder_attentions,
            cross_attentions=found.cross_attentions,
            encoder_last_hidden_state=found.encoder_last_hidden_state,
            encoder_hidden_states=found.encoder_hidden_states,
            encoder_attentions=found.encoder_attentions,
        )

    def ctc_log_probs(self, input_features: Any, attention_mask: Any = None) -> tuple[Any, Any]:
        """Log probabilities of the CTC head, (batch, states, vocabulary), and how many states each row has.

        The blank is `config.pad_token_id`.
        """
        states = self.model.encoder(input_features, attention_mask=attention_mask).last_hidden_state
        return self.ctc_head(states).float().log_softmax(-1), self._states(states, attention_mask)

    def generate(self, inputs: Any = None, *args: Any, decoding: str | None = None, **kwargs: Any) -> Any:
        """As transformers' `generate`; `decoding` (`ctc`, `attention`, `joint`) takes the place of that of the config.

        Raises:
            ValueError: an option that greedy CTC does not know, such as beams, or no such decoding.
        """
        decoding = decoding or self.config.decoding
        if decoding == "ctc":
            from hark.training.ctc_generate import generate

            return generate(self, inputs, *args, **kwargs)
        if decoding == "joint":
            from hark.training.joint import generate as joint

            return joint(self, inputs, *args, **kwargs)
        if decoding != "attention":
            raise ValueError(f"There is no decoding {decoding!r}: it is ctc, attention or joint.")
        return super().generate(inputs, *args, **kwargs)

    def _loss(self, logits: Any, states: Any, mask: Any, labels: Any) -> Any:
        weight = self.config.ctc_weight
        said = nn.functional.cross_entropy(
            logits.float().flatten(0, 1), labels.flatten(), label_smoothing=self.config.label_smoothing
        )
        return said if not weight else (1 - weight) * said + weight * self._ctc(states, mask, labels)

    def _ctc(self, states: Any, mask: Any, labels: Any) -> Any:
        targets = (labels != _IGNORED) & (labels != self.config.eos_token_id)
        lengths, most = targets.sum(-1), int(targets.sum(-1).max())
        # What is left out is never between the tokens: the end is the last of them.
        wanted = labels[:, :most].clamp(min=0)
        return nn.functional.ctc_loss(
            self.ctc_head(states).float().log_softmax(-1).transpose(0, 1),
            wanted,
            self._states(states, mask),
            lengths,
            blank=self.config.pad_token_id,
            zero_infinity=True,
        )

    def _states(self, states: Any, mask: Any) -> Any:
        if mask is None:
            return torch.full((states.shape[0],), states.shape[1], dtype=torch.long, device=states.device)
        return self.model.encoder.lengths(mask.sum(-1).long())

    def _prepare_cache_for_generation(
        self, generation_config: Any, model_kwargs: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        given = model_kwargs.get("past_key_values") is not None
        if self.config.architecture == "rnn" and not given and generation_config.use_cache is not False:
            model_kwargs["past_key_values"] = LSTMCache()
            return None
        return super()._prepare_cache_for_generation(generation_config, model_kwargs, *args, **kwargs)


def _register() -> None:
    """Tell transformers. The pipeline asks a table of names, which registering a class does not change."""
    name = HarkSpeech2TextForConditionalGeneration.__name__
    AutoConfig.register(MODEL_TYPE, HarkSpeech2TextConfig, exist_ok=True)
    AutoModel.register(HarkSpeech2TextConfig, HarkSpeech2TextForConditionalGeneration, exist_ok=True)
    AutoModelForSpeechSeq2Seq.register(HarkSpeech2TextConfig, HarkSpeech2TextForConditionalGeneration, exist_ok=True)
    AutoProcessor.register(HarkSpeech2TextConfig, Speech2TextProcessor, exist_ok=True)
    AutoFeatureExtractor.register(HarkSpeech2TextConfig, Speech2TextFeatureExtractor, exist_ok=True)
    AutoTokenizer.register(HarkSpeech2TextConfig, slow_tokenizer_class=Speech2TextTokenizer, exist_ok=True)
    modeling_auto.MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES[MODEL_TYPE] = name


_register()
