"""Tiny random Audio Flamingo 3 and Music Flamingo, with a chat template made as theirs is: one `<sound>` a message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tiny.chat import SPREAD, saved, tokenizer

if TYPE_CHECKING:
    from pathlib import Path

TEMPLATE = (
    "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nYou help.<|im_end|>\n{% endif %}"
    "{% for m in messages if m['content'] is not none %}<|im_start|>{{ m['role'] }}\n"
    "{% if m['content'] is string %}{{ m['content'] }}{% else %}"
    "{% set audio = namespace(found=False) %}{% set text_buf = namespace(v='') %}"
    "{% for c in m['content'] %}"
    "{% if c.get('type') == 'audio' or 'audio' in c %}{% set audio.found = True %}"
    "{% elif c.get('type') == 'text' or 'text' in c %}{% set text_buf.v = text_buf.v + c['text'] %}{% endif %}"
    "{% endfor %}{% if audio.found %}{{ '<sound>' }}{% endif %}{{ text_buf.v }}{% endif %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def tiny_audioflamingo3(folder: Path, seed: int = 0, template: str = TEMPLATE) -> Path:
    """Write the folder."""
    import transformers

    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<sound>"]
    words = tokenizer(specials, eos="<|im_end|>", pad="<|endoftext|>")
    config = transformers.AudioFlamingo3Config(**_parts(words))
    model = _seeded(seed, transformers.AudioFlamingo3ForConditionalGeneration, config)
    extractor = transformers.WhisperFeatureExtractor(feature_size=128, return_attention_mask=True)
    return saved(folder, model, transformers.AudioFlamingo3Processor(extractor, words, chat_template=template))


def tiny_musicflamingo(folder: Path, seed: int = 0) -> Path:
    """Write the folder."""
    import transformers

    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<sound>", "<|sound_bos|>", "<|sound_eos|>"]
    words = tokenizer(specials, eos="<|im_end|>", pad="<|endoftext|>")
    config = transformers.MusicFlamingoConfig(
        **_parts(words),
        audio_bos_token_id=words.convert_tokens_to_ids("<|sound_bos|>"),
        audio_eos_token_id=words.convert_tokens_to_ids("<|sound_eos|>"),
        rope_parameters={"rope_type": "default", "rope_theta": 1200},
    )
    model = _seeded(seed, transformers.MusicFlamingoForConditionalGeneration, config)
    extractor = transformers.WhisperFeatureExtractor(feature_size=128, return_attention_mask=True)
    return saved(folder, model, transformers.MusicFlamingoProcessor(extractor, words, chat_template=TEMPLATE))


def _parts(words: Any) -> dict[str, Any]:
    from transformers import AudioFlamingo3EncoderConfig, Qwen2Config

    return {
        "audio_config": AudioFlamingo3EncoderConfig(
            hidden_size=20, intermediate_size=40, num_hidden_layers=2, num_attention_heads=2, initializer_range=SPREAD
        ),
        "text_config": Qwen2Config(
            vocab_size=len(words), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=2, initializer_range=SPREAD, eos_token_id=words.eos_token_id,
            pad_token_id=words.pad_token_id,
        ),
        "audio_token_id": words.convert_tokens_to_ids("<sound>"),
        "initializer_range": SPREAD,
    }  # fmt: skip


def _seeded(seed: int, made: Any, config: Any) -> Any:
    import torch

    torch.manual_seed(seed)
    model = made(config)
    model.generation_config.max_new_tokens = 64
    model.generation_config.eos_token_id = config.text_config.eos_token_id
    model.generation_config.pad_token_id = config.text_config.pad_token_id
    return model
