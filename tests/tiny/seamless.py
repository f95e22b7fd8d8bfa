"""Tiny random SeamlessM4T models that write three languages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tiny.chat import saved, tokenizer

if TYPE_CHECKING:
    from pathlib import Path

LANGUAGES = ("eng", "fra", "deu")


def tiny_seamless_m4t(folder: Path, seed: int = 0) -> Path:
    """Write the folder."""
    from transformers import SeamlessM4TConfig, SeamlessM4TForSpeechToText

    return _make(folder, seed, SeamlessM4TConfig, SeamlessM4TForSpeechToText)


def tiny_seamless_m4t_v2(folder: Path, seed: int = 0) -> Path:
    """Write the folder."""
    from transformers import SeamlessM4Tv2Config, SeamlessM4Tv2ForSpeechToText

    return _make(folder, seed, SeamlessM4Tv2Config, SeamlessM4Tv2ForSpeechToText)


def _make(folder: Path, seed: int, configured: Any, made: Any) -> Path:
    import torch
    from transformers import SeamlessM4TFeatureExtractor, SeamlessM4TProcessor

    torch.manual_seed(seed)
    codes = [f"__{code}__" for code in LANGUAGES]
    words = tokenizer(["<pad>", "<unk>", "<s>", "</s>", *codes], eos="</s>", pad="<pad>")
    pad, start, end = words.convert_tokens_to_ids(["<pad>", "<s>", "</s>"])
    config = configured(
        vocab_size=len(words), hidden_size=16, initializer_range=1.0, scale_embedding=False,
        max_position_embeddings=300, encoder_layers=1,
        encoder_ffn_dim=32, encoder_attention_heads=2, decoder_layers=2, decoder_ffn_dim=32,
        decoder_attention_heads=2, decoder_start_token_id=end, pad_token_id=pad, bos_token_id=start, eos_token_id=end,
        speech_encoder_layers=2, speech_encoder_attention_heads=2, speech_encoder_intermediate_size=32,
        num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=2,
    )  # fmt: skip
    model = made(config)
    with torch.no_grad():
        model.shared.weight[pad : pad + 4 + len(codes)] *= 0.3  # special tokens are unlikely, as in a trained model
    model.generation_config.text_decoder_lang_to_code_id = dict(
        zip(LANGUAGES, words.convert_tokens_to_ids(codes), strict=True)
    )
    model.generation_config.max_new_tokens = 40  # random weights never end a text, and long ones take long
    return saved(folder, model, SeamlessM4TProcessor(SeamlessM4TFeatureExtractor(), words))
