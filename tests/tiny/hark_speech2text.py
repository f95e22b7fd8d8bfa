"""Tiny random models as `hark train` makes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tiny.chat import saved
from tiny.speech_to_text import tiny_speech_to_text

if TYPE_CHECKING:
    from pathlib import Path


def tiny_hark_rnn(folder: Path, seed: int = 0) -> Path:
    """LSTMs that encode and decode."""
    return _made(folder, seed, architecture="rnn", decoding="attention")


def tiny_hark_conformer(folder: Path, seed: int = 0) -> Path:
    """A Conformer whose CTC head writes."""
    return _made(folder, seed, architecture="conformer", decoding="ctc")


def _made(folder: Path, seed: int, **how: str) -> Path:
    import torch
    from transformers import Speech2TextProcessor

    from hark.training.model import HarkSpeech2TextConfig, HarkSpeech2TextForConditionalGeneration

    processor = Speech2TextProcessor.from_pretrained(tiny_speech_to_text(folder, seed))
    torch.manual_seed(seed + 3)  # with 0, LSTMs end after a letter
    config = HarkSpeech2TextConfig(
        vocab_size=processor.tokenizer.vocab_size, d_model=16, encoder_layers=2, decoder_layers=2,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, init_std=2.0,
        conv_channels=16, max_source_positions=6000, max_target_positions=64, **how,
    )  # fmt: skip
    return saved(folder, HarkSpeech2TextForConditionalGeneration(config), processor)
