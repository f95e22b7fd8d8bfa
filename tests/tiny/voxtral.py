"""A tiny random Voxtral."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tiny.chat import SPREAD, saved
from tiny.tekken import WORDS, tekken

if TYPE_CHECKING:
    from pathlib import Path


def tiny_voxtral(folder: Path, seed: int = 0, version: str = "v7") -> Path:
    """Write the folder; `version` is that of the tokenizer, on which it depends what a conversation may hold."""
    import torch
    from transformers import (
        LlamaConfig,
        VoxtralConfig,
        VoxtralEncoderConfig,
        VoxtralForConditionalGeneration,
        VoxtralProcessor,
        WhisperFeatureExtractor,
    )

    torch.manual_seed(seed)
    words = tekken(folder, version=version, chunk_length_s=30.0)
    encoder = VoxtralEncoderConfig(
        hidden_size=16, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, initializer_range=SPREAD
    )
    text = LlamaConfig(
        vocab_size=WORDS, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, head_dim=16, initializer_range=SPREAD, max_position_embeddings=131072,
    )  # fmt: skip
    config = VoxtralConfig(
        audio_config=encoder, text_config=text, audio_token_id=24, bos_token_id=1, eos_token_id=2, pad_token_id=11,
        initializer_range=SPREAD,
    )  # fmt: skip
    model = VoxtralForConditionalGeneration(config)
    return saved(folder, model, VoxtralProcessor(WhisperFeatureExtractor(feature_size=128), words))
