"""A tiny random Speech2Text, with a sentencepiece model of the letters."""

from __future__ import annotations

import json
import string
from typing import TYPE_CHECKING

from tiny.chat import saved

if TYPE_CHECKING:
    from pathlib import Path


def tiny_translator(folder: Path, seed: int = 0) -> Path:
    """Write the folder of one that translates into the eight languages of MuST-C."""
    return tiny_speech_to_text(folder, seed, ("de", "es", "fr", "it", "nl", "pt", "ro", "ru"))


def tiny_speech_to_text(folder: Path, seed: int = 0, languages: tuple[str, ...] = ()) -> Path:
    """Write the folder."""
    import sentencepiece
    import torch
    from transformers import (
        Speech2TextConfig,
        Speech2TextFeatureExtractor,
        Speech2TextForConditionalGeneration,
        Speech2TextProcessor,
        Speech2TextTokenizer,
    )

    torch.manual_seed(seed)
    folder.mkdir(parents=True, exist_ok=True)
    pieces = folder / "sentencepiece.bpe.model"
    with pieces.open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(["".join(string.ascii_lowercase), "a b c"] * 9), model_writer=file,
            vocab_size=31 + len(languages), character_coverage=1.0, model_type="char", minloglevel=2,
            bos_id=0, pad_id=1, eos_id=2, unk_id=3,
            user_defined_symbols=[f"<lang:{code}>" for code in languages],
        )  # fmt: skip
    spelled = sentencepiece.SentencePieceProcessor(model_file=str(pieces))
    letters = [spelled.id_to_piece(number) for number in range(len(spelled))]
    vocabulary = folder / "vocab.json"
    vocabulary.write_text(json.dumps({letter: number for number, letter in enumerate(letters)}), encoding="utf-8")
    words = Speech2TextTokenizer(str(vocabulary), str(pieces), lang_codes="mustc" if languages else None)
    config = Speech2TextConfig(
        vocab_size=len(letters), d_model=16, encoder_layers=2, decoder_layers=2, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, init_std=2.0, conv_channels=16,
        input_feat_per_channel=80, max_source_positions=6000, max_target_positions=64,
        pad_token_id=1, bos_token_id=0, eos_token_id=2, decoder_start_token_id=2,
    )  # fmt: skip
    model = Speech2TextForConditionalGeneration(config)
    return saved(folder, model, Speech2TextProcessor(Speech2TextFeatureExtractor(), words))
