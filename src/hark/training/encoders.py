"""Encoders of speech: log-mel frames to fewer hidden states, by a Transformer, a Conformer or LSTMs.

What is padding does not change what is heard: each step that looks at its neighbours sees zeros there.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from transformers import initialization
from transformers.modeling_outputs import BaseModelOutput
from transformers.models.parakeet.configuration_parakeet import ParakeetEncoderConfig
from transformers.models.parakeet.modeling_parakeet import ParakeetEncoderBlock, ParakeetEncoderRelPositionalEncoding
from transformers.models.speech_to_text.modeling_speech_to_text import (
    Conv1dSubsampler,
    Speech2TextEncoderLayer,
    Speech2TextPreTrainedModel,
    Speech2TextSinusoidalPositionalEmbedding,
)

if TYPE_CHECKING:
    from hark.training.model import HarkSpeech2TextConfig


class Subsampler(Conv1dSubsampler):  # type: ignore[misc]  # transformers is typed loosely
    """Speech2Text's strided convolutions with gated linear units, which see zeros where there is padding."""

    def forward(self, input_features: Any, mask: Any) -> tuple[Any, Any]:
        """(batch, frames, bins) and their mask to (batch, states, d_model) and theirs."""
        hidden = input_features.transpose(1, 2)
        lengths = mask.sum(-1)
        for convolution in self.conv_layers:
            hidden = nn.functional.glu(convolution(hidden), dim=1)
            lengths = torch.div(lengths - 1, 2, rounding_mode="floor") + 1
            mask = torch.arange(hidden.shape[-1], device=hidden.device) < lengths[:, None]
            hidden = hidden * mask[:, None].to(hidden.dtype)
        return hidden.transpose(1, 2), mask


class TransformerLayers(nn.Module):  # type: ignore[misc]  # torch is typed loosely
    """Speech2Text's own layers, with sinusoidal positions."""

    def __init__(self, config: HarkSpeech2TextConfig) -> None:
        super().__init__()
        self.config = config
        self.scale = math.sqrt(config.d_model) if config.scale_embedding else 1.0
        self.embed_positions = Speech2TextSinusoidalPositionalEmbedding(
            config.max_source_positions, config.d_model, config.pad_token_id
        )
        self.layers = nn.ModuleList([Speech2TextEncoderLayer(config) for _ in range(config.encoder_layers)])
        self.layer_norm = nn.LayerNorm(config.d_model)

    def forward(self, hidden: Any, mask: Any) -> Any:
        """(batch, states, d_model) and their mask to the same shape."""
        hidden = self.scale * hidden + self.embed_positions((~mask).long())
        hidden = nn.functional.dropout(hidden, self.config.dropout, self.training)
        seen = torch.zeros_like(mask, dtype=hidden.dtype).masked_fill(~mask, torch.finfo(hidden.dtype).min)
        for layer in self.layers:
            if not _dropped(self):
                hidden = layer(hidden, seen[:, None, None, :])
        return self.layer_norm(hidden)


class ConformerLayers(nn.Module):  # type: ignore[misc]  # torch is typed loosely
    """The Conformer blocks of Parakeet, with relative positions (Gulati et al. 2020, arXiv:2005.08100)."""

    def __init__(self, config: HarkSpeech2TextConfig) -> None:
        super().__init__()
        self.config = config
        block = ParakeetEncoderConfig(
            hidden_size=config.d_model,
            num_hidden_layers=config.encoder_layers,
            num_attention_heads=config.encoder_attention_heads,
            intermediate_size=config.encoder_ffn_dim,
            conv_kernel_size=config.conformer_kernel_size,
            activation_dropout=config.dropout,
            attention_dropout=config.attention_dropout,
            initializer_range=config.init_std,
        )
        block._attn_implementation = "eager"  # noqa: SLF001 - the only way to say it of a config made by hand
        self.encode_positions = ParakeetEncoderRelPositionalEncoding(block)
        self.layers = nn.ModuleList([ParakeetEncoderBlock(block, number) for number in range(config.encoder_layers)])

    def forward(self, hidden: Any, mask: Any) -> Any:
        """(batch, states, d_model) and their mask to the same shape."""
        hidden = nn.functional.dropout(hidden, self.config.dropout, self.training)
        positions = self.encode_positions(hidden)
        seen = (mask[:, None, :] & mask[:, :, None])[:, None]
        for layer in self.layers:
            if not _dropped(self):
                hidden = layer(hidden, attention_mask=seen, position_embeddings=positions)
        return hidden * mask[..., None].to(hidden.dtype)


class LSTMLayers(nn.Module):  # type: ignore[misc]  # torch is typed loosely
    """Bidirectional LSTMs, as in fairseq's `s2t_berard` (Berard et al. 2018, arXiv:1802.04200)."""

    def __init__(self, config: HarkSpeech2TextConfig) -> None:
        super().__init__()
        self.lstm = nn.LSTM(
            config.d_model,
            config.d_model,
            config.encoder_layers,
            batch_first=True,
            bidirectional=True,
            dropout=config.dropout if config.encoder_layers > 1 else 0.0,
        )
        self.both = nn.Linear(2 * config.d_model, config.d_model)
        self.dropout = nn.Dropout(config.dropout)
        self.layer_norm = nn.LayerNorm(config.d_model)

    def forward(self, hidden: Any, mask: Any) -> Any:
        """(batch, states, d_model) and their mask to the same shape."""
        lengths = mask.sum(-1).clamp(min=1).cpu()
        packed = pack_padded_sequence(self.dropout(hidden), lengths, batch_first=True, enforce_sorted=False)
        self.lstm.flatten_parameters()
        found, _ = self.lstm(packed)
        padded, _ = pad_packed_sequence(found, batch_first=True, total_length=hidden.shape[1])
        return self.layer_norm(self.dropout(self.both(padded)))


LAYERS: dict[str, Any] = {"transformer": TransformerLayers, "conformer": ConformerLayers, "rnn": LSTMLayers}


class Pretrained(Speech2TextPreTrainedModel):  # type: ignore[misc]
    """What sets up weights and tables; tables are not in the files of a model."""

    def _init_weights(self, module: Any) -> None:
        super()._init_weights(module)
        if isinstance(module, ParakeetEncoderRelPositionalEncoding):
            table = module.compute_default_relative_positional_parameters(module.config)
            initialization.copy_(module.inv_freq, table)


class HarkSpeech2TextEncoder(Pretrained):
    """Subsampling, and the layers that `config.architecture` names."""

    _no_split_modules = ("Speech2TextEncoderLayer", "ParakeetEncoderBlock")

    def __init__(self, config: HarkSpeech2TextConfig) -> None:
        super().__init__(config)
        self.conv = Subsampler(config)
        self.body = LAYERS[config.architecture](config)
        self.gradient_checkpointing = False
        self.register_buffer("feature_mean", torch.zeros(config.input_feat_per_channel))
        self.register_buffer("feature_scale", torch.ones(config.input_feat_per_channel))
        self.post_init()

    def forward(self, input_features: Any, attention_mask: Any = None, **_: Any) -> BaseModelOutput:
        """(batch, frames, bins) to (batch, states, d_model); the mask is 1 where there is sound.

        Bins beyond those of the config are left out: the extractor may make more than a recipe uses.
        """
        shape, input_features = input_features.shape[:2], input_features[..., : len(self.feature_mean)]
        mask = attention_mask.bool() if attention_mask is not None else input_features.new_ones(shape, dtype=torch.bool)
        heard = input_features.nan_to_num(0.0)  # the extractor divides by a deviation of zero where a band is silent
        scaled = (heard - self.feature_mean) * self.feature_scale
        hidden, mask = self.conv(scaled * mask[..., None].to(scaled.dtype), mask)
        return BaseModelOutput(last_hidden_state=self.body(hidden, mask))

    def lengths(self, frames: Any) -> Any:
        """How many states there are for so many frames."""
        return self._get_feat_extract_output_lengths(frames)


def _dropped(layers: Any) -> bool:
    """Whether a layer is left out, this time, in training (Fan et al. 2019, arXiv:1909.11556)."""
    share = layers.config.encoder_layerdrop
    return bool(layers.training and share > 0 and torch.rand([]) < share)
