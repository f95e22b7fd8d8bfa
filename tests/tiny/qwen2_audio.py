"""A tiny random Qwen2-Audio, and one that is a base model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tiny.chat import SPREAD, saved, tokenizer

if TYPE_CHECKING:
    from pathlib import Path


def tiny_qwen2_audio_base(folder: Path, seed: int = 0) -> Path:
    """Write the folder of a base model, which knows no turns: its texts end with `<|endoftext|>` alone."""
    tiny_qwen2_audio(folder, seed, end="<|endoftext|>")
    (folder / "chat_template.jinja").unlink()  # not among the published files: the library has one in its code
    return folder


def tiny_qwen2_audio(folder: Path, seed: int = 0, *, end: str = "<|im_end|>") -> Path:
    """Write the folder."""
    import torch
    from transformers import (
        Qwen2AudioConfig,
        Qwen2AudioEncoderConfig,
        Qwen2AudioForConditionalGeneration,
        Qwen2AudioProcessor,
        Qwen2Config,
        WhisperFeatureExtractor,
    )

    torch.manual_seed(seed)
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|audio_bos|>", "<|AUDIO|>", "<|audio_eos|>"]
    words = tokenizer(
        specials, eos="<|im_end|>", pad="<|endoftext|>",
        audio_token="<|AUDIO|>", audio_bos_token="<|audio_bos|>", audio_eos_token="<|audio_eos|>",
    )  # fmt: skip
    encoder = Qwen2AudioEncoderConfig(
        num_mel_bins=128, d_model=16, encoder_layers=2, encoder_attention_heads=2, encoder_ffn_dim=32,
        initializer_range=SPREAD, init_std=SPREAD,
    )  # fmt: skip
    text = Qwen2Config(
        vocab_size=len(words), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, initializer_range=SPREAD, max_position_embeddings=4096,
    )  # fmt: skip
    config = Qwen2AudioConfig(
        audio_config=encoder, text_config=text, audio_token_index=words.convert_tokens_to_ids("<|AUDIO|>"),
        initializer_range=SPREAD, eos_token_id=words.eos_token_id, pad_token_id=words.pad_token_id,
    )  # fmt: skip
    model = Qwen2AudioForConditionalGeneration(config)
    model.generation_config.eos_token_id = words.convert_tokens_to_ids(end)
    model.generation_config.max_new_tokens = 40  # random weights never end a text, and long ones take long
    return saved(folder, model, Qwen2AudioProcessor(WhisperFeatureExtractor(feature_size=128), words))
