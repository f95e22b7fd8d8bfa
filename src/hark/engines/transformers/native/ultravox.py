"""Ultravox: Whisper's encoder, a projector, and a language model; read from the published folders, never their code.

The layout and the formulas are those of github.com/fixie-ai/ultravox, versions 0.2 to 0.6.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import (
    CONFIG_MAPPING,
    AutoConfig,
    AutoModelForCausalLM,
    GenerationConfig,
    GenerationMixin,
    PreTrainedConfig,
    PreTrainedModel,
    WhisperConfig,
)
from transformers.activations import ACT2FN
from transformers.modeling_outputs import BaseModelOutput, BaseModelOutputWithPooling
from transformers.models.llama.modeling_llama import LlamaRMSNorm
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from hark.engines.transformers.native import ultravox_folder
from hark.errors import ModelBrokenError, UnsupportedError


class UltravoxConfig(PreTrainedConfig):  # type: ignore[misc]  # transformers is typed loosely
    """What the published `config.json` says.

    Attributes:
        hidden_size: width of the projector; stack_factor: frames of the encoder in one embedding.
        projector_ln_mid: normalise after the activation (from 0.5 on), not after the second layer.
        audio_latency_block_size: frames of the encoder see no later block of so many; None: all see all.
        audio_token_index: the token id that stands for an embedding of audio.
    """

    model_type = "ultravox"
    attribute_map = {"audio_token_id": "audio_token_index"}  # noqa: RUF012 - as transformers wants it
    sub_configs = {"text_config": AutoConfig, "audio_config": WhisperConfig}  # noqa: RUF012

    text_config: dict[str, Any] | PreTrainedConfig | None = None
    audio_config: dict[str, Any] | PreTrainedConfig | None = None
    audio_token_index: int | None = None
    hidden_size: int = 4096
    stack_factor: int = 8
    norm_init: float = 0.4
    projector_act: str = "swiglu"
    projector_ln_mid: bool = False
    audio_latency_block_size: int | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        if isinstance(self.text_config, dict):
            self.text_config = CONFIG_MAPPING[self.text_config.get("model_type", "llama")].from_dict(self.text_config)
        if isinstance(self.audio_config, dict):
            self.audio_config = WhisperConfig.from_dict(self.audio_config)
        super().__post_init__(**kwargs)

    def get_text_config(self, decoder: bool | None = None, encoder: bool | None = None) -> Any:
        """The config of the language model's text, also where that model sees too."""
        text: Any = self.text_config
        return text.get_text_config(decoder=decoder, encoder=encoder) if text else self

    @classmethod
    def of(cls, folder: Path) -> Any:
        """Read the config of a folder, with those of the models it is built on.

        Raises:
            ModelNotFoundError, ModelBrokenError, UnsupportedError: as `ultravox_folder.configs`, and where it makes no
                sense or its language model is not one of transformers.
        """
        given = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        text, audio = ultravox_folder.configs(folder, given)
        if text.get("model_type", "llama") not in CONFIG_MAPPING:
            raise UnsupportedError(
                f"The language model of {folder} is a {text['model_type']}, which transformers does not run by itself.",
                hint="A newer transformers may: pip install -U transformers.",
            )
        elsewhere = ("text_config", "audio_config", "auto_map", "custom_pipelines", "vocab_size", "initializer_range")
        kept = {key: value for key, value in given.items() if key not in elsewhere}
        made = cls(text_config=text, audio_config=audio, **kept)
        counts = (made.stack_factor, made.hidden_size, made.audio_latency_block_size or 1)
        known = made.projector_act == "swiglu" or made.projector_act in ACT2FN
        if not known or not all(isinstance(count, int) and count > 0 for count in counts):
            raise ModelBrokenError(f"{folder / 'config.json'} describes no projector.", hint="Download it again.")
        return made


class WhisperTower(WhisperEncoder):  # type: ignore[misc]  # transformers is typed loosely
    """Whisper's encoder, for stretches of any length up to its 30 s; frames may see earlier blocks only."""

    latency_block: int | None = None

    def forward(self, input_features: Any, attention_mask: Any = None, **kwargs: Any) -> Any:
        """Encode log-mel features (n, mel, frames) of equal length to (n, frames / 2 rounded up, width)."""
        del attention_mask
        states = functional.gelu(self.conv1(input_features))
        states = functional.gelu(self.conv2(states)).transpose(1, 2)
        states = states + self.embed_positions(torch.arange(states.shape[1], device=states.device))
        states = functional.dropout(states, p=self.dropout, training=self.training)
        mask = self._mask(states)
        for layer in self.layers:
            states = layer(states, mask, **kwargs)
        return BaseModelOutput(last_hidden_state=self.layer_norm(states))

    def _mask(self, states: Any) -> Any:
        """What is added to the attention of frame i on frame j: nothing, or minus infinity where j's block is later."""
        if not self.latency_block:
            return None
        block = torch.arange(states.shape[1], device=states.device) // self.latency_block
        later = block[None, :] > block[:, None]
        return torch.zeros_like(later, dtype=states.dtype).masked_fill(later, torch.finfo(states.dtype).min)[None, None]


class Projector(nn.Module):  # type: ignore[misc]  # torch is typed loosely
    """Frames of the encoder to embeddings of the language model."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.stack, wide = config.stack_factor, config.audio_config.d_model * config.stack_factor
        self.gated = config.projector_act == "swiglu"
        middle = config.hidden_size // 2 if self.gated else config.hidden_size
        out = config.get_text_config().hidden_size
        self.ln_pre = LlamaRMSNorm(wide)
        self.linear_1 = nn.Linear(wide, config.hidden_size, bias=False)
        self.act = nn.SiLU() if self.gated else ACT2FN[config.projector_act]
        self.ln_mid = LlamaRMSNorm(middle) if config.projector_ln_mid else nn.Identity()
        self.linear_2 = nn.Linear(middle, out, bias=False)
        self.ln_post = nn.Identity() if config.projector_ln_mid else LlamaRMSNorm(out)

    def forward(self, frames: Any) -> Any:
        """Project (n, frames, width) to (n, frames / stack rounded up, width of the language model)."""
        filled = functional.pad(frames, (0, 0, 0, -frames.shape[1] % self.stack))
        states = self.linear_1(self.ln_pre(filled.reshape(filled.shape[0], -1, filled.shape[2] * self.stack)))
        if self.gated:
            value, gate = states.chunk(2, dim=-1)
            states = self.act(gate) * value
        else:
            states = self.act(states)
        return self.ln_post(self.linear_2(self.ln_mid(states)))


class UltravoxModel(PreTrainedModel, GenerationMixin):  # type: ignore[misc]  # transformers is typed loosely
    """The whole model: embeddings of audio take the places of the audio tokens in the text."""

    config_class = UltravoxConfig
    base_model_prefix = ""
    input_modalities = ("audio", "text")
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_attention_backend = True

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.audio_tower = WhisperTower(config.audio_config)
        self.audio_tower.latency_block = config.audio_latency_block_size
        self.multi_modal_projector = Projector(config)
        self.language_model = AutoModelForCausalLM.from_config(config.text_config)
        self.post_init()

    @classmethod
    def from_pretrained(cls, folder: Any, *args: Any, output_loading_info: bool = False, **how: Any) -> Any:
        """Load a published folder and the models it is built on, from this machine alone and without their code.

        Saved again with `save_pretrained` the folder is complete in itself. `how` is as of transformers.

        Raises:
            ModelNotFoundError: a model that this one is built on is not on this machine.
            ModelBrokenError: weights cannot be read, or belong to another model.
        """
        folder = Path(folder)
        config = UltravoxConfig.of(folder)
        sources = ultravox_folder.places(folder, config.to_dict())
        all_of_it = ultravox_folder.weights(folder, config.to_dict())
        for name in ("text_model_id", "audio_model_id", *ultravox_folder.LORA.values()):
            setattr(config, name, None)  # it is all in the weights now
        left = {key: value for key, value in how.items() if key not in ("local_files_only", "trust_remote_code")}
        loaded, found = super().from_pretrained(
            None, *args, config=config, state_dict=all_of_it, ignore_mismatched_sizes=True, output_loading_info=True,
            **left,
        )  # fmt: skip
        strange = sorted(name for name in found["unexpected_keys"] if name.startswith("multi_modal_projector."))
        if strange:
            raise ModelBrokenError(
                f"The projector of the model in {folder} is another than its config says: {strange[0]}.",
                hint="Copy or download the model again.",
            )
        loaded.generation_config = _generation_config(sources) or loaded.generation_config
        return (loaded, found) if output_loading_info else loaded

    def get_input_embeddings(self) -> Any:
        """The embeddings of text tokens."""
        return self.language_model.get_input_embeddings()

    def get_output_embeddings(self) -> Any:
        """What gives the logits of text tokens."""
        return self.language_model.get_output_embeddings()

    def get_audio_features(self, input_features: Any, input_features_mask: Any, **kwargs: Any) -> Any:
        """Embeddings of audio (`pooler_output`: tokens, width) of stretches (n, mel, frames), one after the other.

        Each is encoded at its own length (the mask (n, frames) says which), so that it does not depend on others.
        """
        lengths = input_features_mask.sum(-1).tolist()
        embeddings = [
            self.multi_modal_projector(self.audio_tower(stretch[None, :, :length], **kwargs).last_hidden_state)[0]
            for stretch, length in zip(input_features, lengths, strict=True)
        ]
        return BaseModelOutputWithPooling(pooler_output=torch.cat(embeddings))

    def forward(
        self,
        input_ids: Any = None,
        input_features: Any = None,
        input_features_mask: Any = None,
        inputs_embeds: Any = None,
        mm_encoder_outputs: Any = None,
        position_ids: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Run the language model on text in which embeddings of audio take the places of audio tokens.

        Raises:
            ValueError: there are more or fewer embeddings of audio than places for them.
        """
        if inputs_embeds is None:
            inputs_embeds = self.get_input_embeddings()(input_ids)
            audio = (mm_encoder_outputs or {}).get("audio")
            if audio is None and input_features is not None:
                audio = self.get_audio_features(input_features, input_features_mask).pooler_output
            if audio is not None or input_ids.shape[1] > 1:  # no look at each token that is generated
                inputs_embeds = self._heard(input_ids, inputs_embeds, audio)
        # `generate` makes positions only for models that name them here; rows padded within their text need them.
        return self.language_model(inputs_embeds=inputs_embeds, position_ids=position_ids, **kwargs)

    def _heard(self, input_ids: Any, embeddings: Any, audio: Any) -> Any:
        places = input_ids == self.config.audio_token_index
        count, given = int(places.sum()), 0 if audio is None else len(audio)
        if count != given:
            raise ValueError(f"The text has places for {count} embeddings of audio, and there are {given}.")
        if not given:
            return embeddings
        return embeddings.masked_scatter(places[..., None].to(embeddings.device), audio.to(embeddings))

    def _expand_inputs_for_generation(
        self, expand_size: int = 1, is_encoder_decoder: bool = False, input_ids: Any = None, **given: Any
    ) -> Any:
        """Repeat each text with its own audio, which transformers would mix up between texts and clips."""
        features = given.pop("input_features", None) if expand_size > 1 else None
        if features is not None:
            mask = given.pop("input_features_mask")
            audio = self.get_audio_features(features, mask).pooler_output
            counts = (input_ids == self.config.audio_token_index).sum(-1).tolist()
            if sum(counts) == len(audio):  # `forward` refuses the rest
                audio = torch.cat([piece.repeat(expand_size, 1) for piece in audio.split(counts)])
            given["mm_encoder_outputs"] = {"audio": audio}
        return super()._expand_inputs_for_generation(expand_size, is_encoder_decoder, input_ids, **given)


def _generation_config(sources: list[Path]) -> Any:
    """How the model is to generate: as its own folder says, else as that of its language model."""
    name = "generation_config.json"
    told = [folder for folder in sources if (folder / name).is_file()]
    return GenerationConfig.from_pretrained(told[0], local_files_only=True) if told else None
