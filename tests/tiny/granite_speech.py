"""A tiny random Granite Speech with its adapter, in files as the published ones are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tiny.chat import SPREAD, tokenizer
from tiny.phi4_multimodal import with_lora

if TYPE_CHECKING:
    from pathlib import Path

TEMPLATE = (
    "{% for m in messages %}<|start_of_role|>{{ m['role'] }}<|end_of_role|>"
    "{% if m['content'] is string %}{{ m['content'] }}{% else %}{% for c in m['content'] %}"
    "{% if c['type'] == 'audio' %}{{ '<|audio|>' }}{% elif c['type'] == 'text' %}{{ c['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|end_of_text|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start_of_role|>assistant<|end_of_role|>{% endif %}"
)
EXTRACTOR = {
    "feature_extractor_type": "GraniteSpeechFeatureExtractor",
    "melspec_kwargs": {"hop_length": 160, "n_fft": 512, "n_mels": 80, "sample_rate": 16000, "win_length": 400},
    "processor_class": "GraniteSpeechProcessor",
    "projector_downsample_rate": 5,
    "projector_window_size": 15,
    "sampling_rate": 16000,
}


def tiny_granite_speech(folder: Path, seed: int = 0, *, adapter: bool = True) -> Path:
    """Write the folder, with an adapter or without one."""
    import torch
    import transformers

    torch.manual_seed(seed)
    specials = ["<|end_of_text|>", "<|start_of_role|>", "<|end_of_role|>", "<|audio|>"]
    words = tokenizer(
        specials, eos="<|end_of_text|>", pad="<|end_of_text|>", template=TEMPLATE, audio_token="<|audio|>"
    )
    model = transformers.GraniteSpeechForConditionalGeneration(_config(words, adapter=adapter))
    with torch.no_grad():
        model.lm_head.weight[words.eos_token_id] = 0  # else some texts end before they begin
    model.generation_config.eos_token_id = words.eos_token_id
    model.generation_config.pad_token_id = words.pad_token_id
    model.generation_config.max_new_tokens = 16
    model.generation_config._from_model_config = False
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(EXTRACTOR))
    if adapter:
        with_lora(folder, model, ".", ("self_attn.q_proj", "self_attn.v_proj"), prefix="language_model.model.")
    return folder


def _config(words: Any, *, adapter: bool) -> Any:
    from transformers import GraniteSpeechConfig

    return GraniteSpeechConfig(
        text_config={
            "model_type": "granite", "vocab_size": len(words), "hidden_size": 32, "intermediate_size": 64,
            "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2, "initializer_range": SPREAD,
            "max_position_embeddings": 8192, "pad_token_id": words.pad_token_id, "eos_token_id": words.eos_token_id,
            "bos_token_id": words.eos_token_id, "tie_word_embeddings": False,
        },
        encoder_config={
            "hidden_dim": 16, "num_layers": 2, "num_heads": 2, "dim_head": 8, "context_size": 50, "max_pos_emb": 64,
            "output_dim": 8, "initializer_range": SPREAD,
        },
        projector_config={
            "model_type": "blip_2_qformer", "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
            "intermediate_size": 32, "encoder_hidden_size": 16, "cross_attention_frequency": 1, "vocab_size": 8,
            "initializer_range": SPREAD,
        },
        audio_token_index=words.convert_tokens_to_ids("<|audio|>"), has_lora_adapter=adapter,
        initializer_range=SPREAD, tie_word_embeddings=False,
    )  # fmt: skip
