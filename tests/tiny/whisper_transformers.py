"""A tiny random Whisper for transformers: three languages, timestamps, both tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tiny.chat import saved, tokenizer

if TYPE_CHECKING:
    from pathlib import Path

LANGUAGES = ("en", "fr", "de")


def tiny_whisper(folder: Path, seed: int = 0, *, timestamps: bool = False) -> Path:
    """Write the folder; with timestamps, it says them unasked, which makes `generate` hear parts again."""
    import torch
    from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration, WhisperProcessor

    torch.manual_seed(seed)
    languages = [f"<|{code}|>" for code in LANGUAGES]
    specials = ["<|endoftext|>", "<|startoftranscript|>", *languages, "<|translate|>", "<|transcribe|>"]
    specials += ["<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"]
    words = tokenizer(specials, eos="<|endoftext|>", pad="<|endoftext|>")
    number = {token: words.convert_tokens_to_ids(token) for token in specials}
    folder.mkdir(parents=True, exist_ok=True)
    config = WhisperConfig(
        vocab_size=len(words) + 1501, d_model=16, encoder_layers=2, decoder_layers=2, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, init_std=1.0,
        num_mel_bins=80, max_target_positions=64,
        decoder_start_token_id=number["<|startoftranscript|>"], eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id, bos_token_id=words.eos_token_id,
    )  # fmt: skip
    model = WhisperForConditionalGeneration(config)
    settings = model.generation_config
    settings.is_multilingual = True
    settings.lang_to_id = {token: number[token] for token in languages}
    settings.task_to_id = {task: number[f"<|{task}|>"] for task in ("translate", "transcribe")}
    settings.no_timestamps_token_id = number["<|notimestamps|>"]
    settings.begin_suppress_tokens = []
    settings.suppress_tokens = [] if timestamps else list(range(len(words), config.vocab_size))
    saved(folder, model, words)
    WhisperFeatureExtractor().save_pretrained(folder)
    WhisperProcessor  # noqa: B018 - that AutoProcessor can be loaded from these files is what the tests show
    return folder
