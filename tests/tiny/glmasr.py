"""A tiny random GLM-ASR, of a kind that transformers has and hark's catalog has not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tiny.chat import SPREAD, saved, tokenizer

if TYPE_CHECKING:
    from pathlib import Path

TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>\n{% if m['content'] is string %}{{ m['content'] }}{% else %}"
    "{% for c in m['content'] %}{% if c['type'] == 'audio' %}<|begin_of_audio|><|pad|><|end_of_audio|>"
    "{% else %}{{ c['text'] }}{% endif %}{% endfor %}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)


def tiny_glmasr(folder: Path, seed: int = 0) -> Path:
    """Write the folder."""
    import torch
    import transformers

    torch.manual_seed(seed)
    specials = ["<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|begin_of_audio|>", "<|end_of_audio|>"]
    words = tokenizer([*specials, "<|pad|>"], eos="<|user|>", pad="<|endoftext|>", template=TEMPLATE)
    config = transformers.GlmAsrConfig(
        audio_config={
            "hidden_size": 16, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
            "initializer_range": SPREAD,
        },
        text_config={
            "model_type": "llama", "vocab_size": len(words), "hidden_size": 32, "intermediate_size": 64,
            "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2, "initializer_range": SPREAD,
            "eos_token_id": words.eos_token_id, "pad_token_id": words.pad_token_id,
        },
        audio_token_id=words.convert_tokens_to_ids("<|pad|>"), initializer_range=SPREAD, tie_word_embeddings=False,
    )  # fmt: skip
    model = transformers.GlmAsrForConditionalGeneration(config)
    model.generation_config.eos_token_id = words.eos_token_id
    model.generation_config.pad_token_id = words.pad_token_id
    extractor = transformers.WhisperFeatureExtractor(feature_size=128)
    return saved(folder, model, transformers.GlmAsrProcessor(extractor, words, chat_template=TEMPLATE))
