"""A tiny random Moonshine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tiny.chat import SPREAD, saved, tokenizer

if TYPE_CHECKING:
    from pathlib import Path


def tiny_moonshine(folder: Path, seed: int = 0) -> Path:
    """Write the folder."""
    import torch
    from transformers import (
        MoonshineConfig,
        MoonshineForConditionalGeneration,
        Wav2Vec2FeatureExtractor,
        Wav2Vec2Processor,
    )

    torch.manual_seed(seed)
    words = tokenizer(["<unk>", "<s>", "</s>"], eos="</s>", pad="</s>")
    start, end = words.convert_tokens_to_ids(["<s>", "</s>"])
    config = MoonshineConfig(
        vocab_size=len(words), hidden_size=16, intermediate_size=32, encoder_num_hidden_layers=2,
        decoder_num_hidden_layers=2, encoder_num_attention_heads=2, decoder_num_attention_heads=2,
        initializer_range=SPREAD, decoder_start_token_id=start, bos_token_id=start, eos_token_id=end, pad_token_id=end,
    )  # fmt: skip
    features = Wav2Vec2FeatureExtractor(do_normalize=False, return_attention_mask=True)
    return saved(folder, MoonshineForConditionalGeneration(config), Wav2Vec2Processor(features, words))
