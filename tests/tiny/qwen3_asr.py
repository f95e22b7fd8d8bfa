"""A tiny random Qwen3-ASR, with a chat template made as its own is: the context in the system turn, then the clips."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tiny.chat import SPREAD, saved, tokenizer

if TYPE_CHECKING:
    from pathlib import Path

TEMPLATE = (
    "{%- set ns = namespace(system='', audio='') -%}"
    "{%- for m in messages -%}{%- if m.content is not string -%}{%- for c in m.content -%}"
    "{%- if m.role == 'system' and c.type == 'text' -%}{%- set ns.system = ns.system + c.text -%}"
    "{%- elif c.type == 'audio' or 'audio' in c -%}"
    "{%- set ns.audio = ns.audio + '<|audio_start|><|audio_pad|><|audio_end|>' -%}{%- endif -%}"
    "{%- endfor -%}{%- elif m.role == 'system' -%}{%- set ns.system = ns.system + m.content -%}"
    "{%- endif -%}{%- endfor -%}"
    "{{- '<|im_start|>system\n' + ns.system + '<|im_end|>\n<|im_start|>user\n' + ns.audio + '<|im_end|>\n' -}}"
    "{%- for m in messages if m.role == 'assistant' -%}{{- '<|im_start|>assistant\n' -}}{% generation %}"
    "{%- for c in m.content -%}{{- c.text -}}{%- endfor -%}{{- '<|im_end|>\n' -}}{% endgeneration %}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n' -}}{%- endif -%}"
)


def tiny_qwen3_asr(folder: Path, seed: int = 0) -> Path:
    """Write the folder."""
    import torch
    from transformers import (
        Qwen3ASRConfig,
        Qwen3ASREncoderConfig,
        Qwen3ASRFeatureExtractor,
        Qwen3ASRForConditionalGeneration,
        Qwen3ASRProcessor,
        Qwen3Config,
    )

    torch.manual_seed(seed)
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|audio_start|>", "<|audio_pad|>", "<|audio_end|>"]
    words = tokenizer(
        specials, eos="<|im_end|>", pad="<|endoftext|>",
        audio_token="<|audio_pad|>", audio_bos_token="<|audio_start|>", audio_eos_token="<|audio_end|>",
    )  # fmt: skip
    words.add_tokens(["<asr_text>"])  # no special one, or it would be gone from the text before it is read
    encoder = Qwen3ASREncoderConfig(
        d_model=16, encoder_layers=2, encoder_attention_heads=2, encoder_ffn_dim=32, output_dim=32,
        downsample_hidden_size=8, initializer_range=SPREAD,
    )  # fmt: skip
    text = Qwen3Config(
        vocab_size=len(words), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, head_dim=16, initializer_range=SPREAD, max_position_embeddings=65536,
        tie_word_embeddings=False,
    )  # fmt: skip
    config = Qwen3ASRConfig(
        audio_config=encoder, text_config=text, audio_token_id=words.convert_tokens_to_ids("<|audio_pad|>"),
        pad_token_id=words.pad_token_id, eos_token_id=words.eos_token_id, initializer_range=SPREAD,
        tie_word_embeddings=False,
    )  # fmt: skip
    model = Qwen3ASRForConditionalGeneration(config)
    model.generation_config.max_new_tokens = 40  # as its own has 512
    model.generation_config.eos_token_id = words.eos_token_id
    model.generation_config.pad_token_id = words.pad_token_id
    return saved(folder, model, Qwen3ASRProcessor(Qwen3ASRFeatureExtractor(), words, chat_template=TEMPLATE))
