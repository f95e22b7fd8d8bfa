"""Tiny random Qwen2.5-Omni: of the thinker alone, and of a full folder, whose voice is one weight nobody reads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tiny.chat import SPREAD, tokenizer

if TYPE_CHECKING:
    from pathlib import Path

TEMPLATE = (
    "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% if m['content'] is string %}{{ m['content'] }}{% else %}{% for c in m['content'] %}"
    "{% if c['type'] == 'audio' or 'audio' in c %}{{ '<|audio_bos|><|AUDIO|><|audio_eos|>' }}"
    "{% elif 'text' in c %}{{ c['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
NAMED = {
    "image_token": "<|IMAGE|>", "audio_token": "<|AUDIO|>", "video_token": "<|VIDEO|>",
    "vision_bos_token": "<|vision_bos|>", "vision_eos_token": "<|vision_eos|>",
    "audio_bos_token": "<|audio_bos|>", "audio_eos_token": "<|audio_eos|>",
}  # fmt: skip


def tiny_qwen2_5_omni_thinker(folder: Path, seed: int = 0, chunk_length: int = 30) -> Path:
    """Write the folder of a thinker; its extractor cuts at `chunk_length` seconds."""
    import torch
    import transformers

    torch.manual_seed(seed)
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *NAMED.values()]
    words = tokenizer(specials, eos="<|im_end|>", pad="<|endoftext|>", template=TEMPLATE, **NAMED)
    model = transformers.Qwen2_5OmniThinkerForConditionalGeneration(_config(words))
    model.generation_config.eos_token_id = words.eos_token_id
    model.generation_config.pad_token_id = words.pad_token_id
    model.generation_config.max_new_tokens = 16
    model.generation_config._from_model_config = False
    model.save_pretrained(folder)
    extractor = transformers.WhisperFeatureExtractor(
        feature_size=128, return_attention_mask=True, chunk_length=chunk_length
    )
    words.save_pretrained(folder)
    extractor.save_pretrained(folder)
    return folder


def tiny_qwen2_5_omni(folder: Path, seed: int = 0) -> Path:
    """Write a full folder: the same weights, under the names and in the config of the whole."""
    from safetensors.torch import load_file, save_file
    from torch import ones

    tiny_qwen2_5_omni_thinker(folder, seed)
    weights = load_file(folder / "model.safetensors")
    whole = {f"thinker.{name}": value for name, value in weights.items()}
    save_file(
        {**whole, "talker.thinker_to_talker_proj.weight": ones(2, 2)},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )
    config = {
        "model_type": "qwen2_5_omni",
        "architectures": ["Qwen2_5OmniModel"],
        "enable_audio_output": True,
        "thinker_config": json.loads((folder / "config.json").read_text()),
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "generation_config.json").write_text('{"max_new_tokens": 16}')  # nothing of what ends a text
    return folder


def _config(words: Any) -> Any:
    from transformers import Qwen2_5OmniThinkerConfig

    def number(name: str) -> int:
        found: int = words.convert_tokens_to_ids(name)
        return found

    return Qwen2_5OmniThinkerConfig(
        audio_config={
            "d_model": 16, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 32,
            "output_dim": 32, "initializer_range": SPREAD,
        },
        vision_config={
            "depth": 1, "hidden_size": 16, "intermediate_size": 32, "num_heads": 2, "out_hidden_size": 32,
            "fullatt_block_indexes": [0], "initializer_range": SPREAD,
        },
        text_config={
            "vocab_size": len(words), "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
            "num_attention_heads": 2, "num_key_value_heads": 2, "initializer_range": SPREAD,
            "max_position_embeddings": 32768,
            "rope_parameters": {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 1e6},
        },
        audio_token_index=number("<|AUDIO|>"), image_token_index=number("<|IMAGE|>"),
        video_token_index=number("<|VIDEO|>"), audio_start_token_id=number("<|audio_bos|>"),
        audio_end_token_id=number("<|audio_eos|>"), vision_start_token_id=number("<|vision_bos|>"),
        vision_end_token_id=number("<|vision_eos|>"), pad_token_id=words.pad_token_id, initializer_range=SPREAD,
    )  # fmt: skip
