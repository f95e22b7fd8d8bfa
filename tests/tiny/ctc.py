"""Tiny random CTC models and transducers: wav2vec 2.0, HuBERT, Parakeet."""

from __future__ import annotations

import json
import string
from typing import TYPE_CHECKING, Any

from tiny.chat import SPREAD, saved

if TYPE_CHECKING:
    from pathlib import Path

LETTERS = ["<pad>", "<s>", "</s>", "<unk>", "|", *string.ascii_uppercase]
ENCODER = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
    "conv_dim": [8] * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2,
    "vocab_size": len(LETTERS), "initializer_range": 1.0, "pad_token_id": 0,
}  # fmt: skip


def tiny_wav2vec2(folder: Path, seed: int = 0) -> Path:
    """Write the folder."""
    from transformers import Wav2Vec2Config, Wav2Vec2ForCTC

    return _letters(folder, seed, lambda: Wav2Vec2ForCTC(Wav2Vec2Config(**ENCODER)))


def tiny_hubert(folder: Path, seed: int = 0) -> Path:
    """Write the folder."""
    from transformers import HubertConfig, HubertForCTC

    return _letters(folder, seed, lambda: HubertForCTC(HubertConfig(**ENCODER)))


def _letters(folder: Path, seed: int, make: Any) -> Path:
    import torch
    from transformers import Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor, Wav2Vec2Processor

    torch.manual_seed(seed)
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = folder / "vocab.json"
    vocabulary.write_text(json.dumps({letter: number for number, letter in enumerate(LETTERS)}), encoding="utf-8")
    processor = Wav2Vec2Processor(Wav2Vec2FeatureExtractor(), Wav2Vec2CTCTokenizer(str(vocabulary)))
    model = make()
    with torch.no_grad():
        model.lm_head.bias[1:4] = -100.0  # special tokens are never said
        model.lm_head.bias[4] = 5.0  # words end now and then
    return saved(folder, model, processor)


def tiny_parakeet_ctc(folder: Path, seed: int = 0) -> Path:
    """Write the folder."""
    import torch
    from transformers import ParakeetCTCConfig, ParakeetForCTC

    torch.manual_seed(seed)
    words = _pieces(blank="<pad>")
    config = ParakeetCTCConfig(vocab_size=len(words), pad_token_id=words.pad_token_id, encoder_config=_encoder())
    return saved(folder, ParakeetForCTC(config), _processor(words, "ctc"))


def tiny_parakeet_tdt(folder: Path, seed: int = 0) -> Path:
    """Write the folder."""
    import torch
    from transformers import ParakeetForTDT, ParakeetTDTConfig

    torch.manual_seed(seed)
    words = _pieces(blank="<blank>")
    blank = words.convert_tokens_to_ids("<blank>")
    config = ParakeetTDTConfig(
        vocab_size=len(words), decoder_hidden_size=16, num_decoder_layers=1, pad_token_id=words.pad_token_id,
        blank_token_id=blank, encoder_config=_encoder(),
    )  # fmt: skip
    model = ParakeetForTDT(config)
    model.generation_config.decoder_start_token_id = blank
    model.generation_config.suppress_tokens = [len(words) + number for number in range(len(config.durations))]
    return saved(folder, model, _processor(words, "tdt"))


def _encoder() -> Any:
    from transformers import ParakeetEncoderConfig

    return ParakeetEncoderConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, num_mel_bins=80,
        subsampling_conv_channels=8, initializer_range=SPREAD,
    )  # fmt: skip


def _pieces(blank: str) -> Any:
    """A tokenizer of letters, each alone and at the front of a word, with the blank at the end of the vocabulary."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import ParakeetTokenizer

    specials = ["<unk>", "<pad>"] if blank != "<pad>" else ["<unk>"]
    tokens = [*specials, "▁", *string.ascii_lowercase, *(f"▁{letter}" for letter in string.ascii_lowercase), blank]
    made = Tokenizer(models.BPE(vocab={token: number for number, token in enumerate(tokens)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Metaspace()
    made.add_special_tokens([*specials, blank])
    return ParakeetTokenizer(tokenizer_object=made, pad_token="<pad>", unk_token="<unk>")


def _processor(words: Any, decoder: str) -> Any:
    from transformers import ParakeetFeatureExtractor, ParakeetProcessor

    return ParakeetProcessor(ParakeetFeatureExtractor(feature_size=80), words, decoder_type=decoder)
