"""A tiny random SpeechT5 that hears, with a sentencepiece model of the letters."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

from tiny.chat import saved

if TYPE_CHECKING:
    from pathlib import Path


def tiny_speecht5(folder: Path, seed: int = 0) -> Path:
    """Write the folder."""
    import sentencepiece
    import torch
    from transformers import (
        SpeechT5Config,
        SpeechT5FeatureExtractor,
        SpeechT5ForSpeechToText,
        SpeechT5Processor,
        SpeechT5Tokenizer,
    )

    torch.manual_seed(seed)
    folder.mkdir(parents=True, exist_ok=True)
    pieces = folder / "spm_char.model"
    with pieces.open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(["".join(string.ascii_lowercase), "a b c"] * 9), model_writer=file, vocab_size=31,
            character_coverage=1.0, model_type="char", minloglevel=2, bos_id=0, pad_id=1, eos_id=2, unk_id=3,
        )  # fmt: skip
    words = SpeechT5Tokenizer(str(pieces))
    config = SpeechT5Config(
        vocab_size=len(words), hidden_size=16, encoder_layers=2, encoder_attention_heads=2, encoder_ffn_dim=32,
        decoder_layers=2, decoder_attention_heads=2, decoder_ffn_dim=32, conv_dim=[8] * 7, num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2, initializer_range=1.0, max_text_positions=64,
    )  # fmt: skip
    return saved(folder, SpeechT5ForSpeechToText(config), SpeechT5Processor(SpeechT5FeatureExtractor(), words))
