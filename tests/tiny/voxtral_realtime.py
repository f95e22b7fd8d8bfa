"""A tiny random Voxtral Realtime."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tiny.chat import SPREAD, saved
from tiny.tekken import WORDS, tekken

if TYPE_CHECKING:
    from pathlib import Path


def tiny_voxtral_realtime(folder: Path, seed: int = 0) -> Path:
    """Write the folder; delays and paddings are those of the published model."""
    import torch
    from transformers import (
        VoxtralRealtimeConfig,
        VoxtralRealtimeEncoderConfig,
        VoxtralRealtimeFeatureExtractor,
        VoxtralRealtimeForConditionalGeneration,
        VoxtralRealtimeProcessor,
        VoxtralRealtimeTextConfig,
    )

    torch.manual_seed(seed)
    words = tekken(
        folder, version="v13", transcription_format="streaming", transcription_delay_ms=480.0,
        streaming_look_ahead_ms=2.5, streaming_look_back_ms=52.5, streaming_n_left_pad_tokens=32,
    )  # fmt: skip
    encoder = VoxtralRealtimeEncoderConfig(
        hidden_size=16, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, head_dim=8,
        initializer_range=SPREAD,
    )  # fmt: skip
    text = VoxtralRealtimeTextConfig(
        vocab_size=WORDS, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, head_dim=16, initializer_range=SPREAD, pad_token_id=11,
    )  # fmt: skip
    config = VoxtralRealtimeConfig(
        audio_config=encoder, text_config=text, bos_token_id=1, eos_token_id=2, pad_token_id=11,
        initializer_range=SPREAD, tie_word_embeddings=False,
    )  # fmt: skip
    model = VoxtralRealtimeForConditionalGeneration(config)
    return saved(folder, model, VoxtralRealtimeProcessor(VoxtralRealtimeFeatureExtractor(), words))
