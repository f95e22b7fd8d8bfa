"""Tiny random models that read units: a Llama beside a quantizer of a tiny encoder and a random codebook."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tiny.chat import SPREAD, tokenizer

if TYPE_CHECKING:
    from pathlib import Path

CODES = 64
WIDTH = 16  # of the encoders
# The turns of Llama 3, without the dates that its own template writes.
TEMPLATE = (
    "{{- '<|begin_of_text|>' }}{%- for m in messages %}"
    "{{- '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' + m.content | trim + '<|eot_id|>' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{%- endif %}"
)
LLAMA3 = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
LANGUAGES = {"en": "English", "fr": "French"}


def tiny_ichigo(folder: Path, seed: int = 0) -> Path:
    """Write the folder."""
    specials = [*LLAMA3, "<|reserved_special_token_69|>", "<|sound_start|>", "<|sound_end|>"]
    words = tokenizer(specials, eos="<|eot_id|>", pad="<|end_of_text|>", template=TEMPLATE, bos_token=LLAMA3[0])
    words.add_tokens([f"<|sound_{code:04d}|>" for code in range(CODES)])
    _language_model(folder, words, len(words), seed, positions=1024)
    whisper_vq(folder / "quantizer", seed)
    return _units(folder, {"kind": "ichigo", "quantizer": "whisper_vq"})


def tiny_speechgpt(folder: Path, seed: int = 0) -> Path:
    """Write the folder."""
    words = _begins(tokenizer(["<s>", "</s>"], eos="</s>", pad="<s>", bos_token="<s>"))
    words.add_tokens([f"<{code}>" for code in range(CODES)])
    words.add_tokens(["<sosp>", "<eosp>", "[Human]", "[SpeechGPT]", "<eoh>", "<eos>"])
    _language_model(folder, words, len(words), seed)
    kmeans(folder / "quantizer", seed)
    return _units(folder, {"kind": "speechgpt", "quantizer": "kmeans", "layer": 2})


def tiny_audiopalm(folder: Path, seed: int = 0) -> Path:
    """Write the folder: the tokenizer does not know the units, the language model has rows for them."""
    words = _begins(tokenizer(["<s>", "</s>"], eos="</s>", pad="<s>", bos_token="<s>"))
    _language_model(folder, words, len(words) + CODES, seed)
    kmeans(folder / "quantizer", seed)
    told = {"kind": "audiopalm", "quantizer": "kmeans", "layer": 2, "offset": len(words), "count": CODES}
    return _units(folder, {**told, "languages": LANGUAGES})


def tiny_text(folder: Path, seed: int = 0, template: str = TEMPLATE) -> Path:
    """Write a language model that reads text alone."""
    words = tokenizer(LLAMA3, eos="<|eot_id|>", pad="<|end_of_text|>", template=template, bos_token=LLAMA3[0])
    return _language_model(folder, words, len(words), seed)


def whisper_vq(folder: Path, seed: int = 0, **named: Any) -> Path:
    """Write a Whisper encoder and a codebook for it."""
    import torch
    from safetensors.torch import save_file
    from transformers import WhisperConfig, WhisperFeatureExtractor
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    torch.manual_seed(seed)
    encoder = WhisperEncoder(
        WhisperConfig(d_model=WIDTH, encoder_layers=2, encoder_attention_heads=2, encoder_ffn_dim=32, init_std=SPREAD)
    )
    encoder.save_pretrained(folder / "encoder")
    WhisperFeatureExtractor().save_pretrained(folder / "encoder")
    save_file(bottleneck(**named), folder / "codebook.safetensors")
    return folder


def bottleneck(width: int = WIDTH, inner: int = 8, codes: int = CODES) -> dict[str, Any]:
    """The tensors between the encoder and the units, as `quantizer/codebook.safetensors` holds them."""
    import torch

    def random(*shape: int) -> Any:
        return torch.randn(*shape)

    return {
        "norm.weight": random(width), "norm.bias": random(width),
        "mlp.0.weight": random(4 * width, width), "mlp.0.bias": random(4 * width),
        "mlp.2.weight": random(width, 4 * width), "mlp.2.bias": random(width),
        "project.weight": random(inner, width), "project.bias": random(inner),
        "codebook": torch.nn.functional.normalize(random(codes, inner), dim=-1),
    }  # fmt: skip


def kmeans(folder: Path, seed: int = 0) -> Path:
    """Write a HuBERT and centres among what its second layer gives."""
    import torch
    from safetensors.torch import save_file
    from transformers import HubertConfig, HubertModel, Wav2Vec2FeatureExtractor

    torch.manual_seed(seed)
    encoder = HubertModel(
        HubertConfig(
            hidden_size=WIDTH, num_hidden_layers=3, num_attention_heads=2, intermediate_size=32, conv_dim=[8] * 7,
            num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=2, initializer_range=1.0,
        )
    ).eval()  # fmt: skip
    encoder.save_pretrained(folder / "encoder")
    Wav2Vec2FeatureExtractor(do_normalize=False).save_pretrained(folder / "encoder")
    with torch.inference_mode():
        frames = encoder(torch.randn(1, 320 * 200), output_hidden_states=True).hidden_states[2][0]
    save_file({"codebook": frames[:CODES].clone()}, folder / "codebook.safetensors")
    return folder


def _begins(words: Any) -> Any:
    """Let a tokenizer begin each text with `<s>`, as LLaMA's does."""
    from tokenizers.processors import TemplateProcessing

    words.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", words.convert_tokens_to_ids("<s>"))]
    )
    return words


def _language_model(folder: Path, words: Any, rows: int, seed: int, positions: int = 2048) -> Path:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=rows, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=2, initializer_range=SPREAD, max_position_embeddings=positions,
            tie_word_embeddings=False,
            bos_token_id=words.bos_token_id, eos_token_id=words.eos_token_id, pad_token_id=words.pad_token_id,
        )
    )  # fmt: skip
    model.generation_config.max_new_tokens = 40  # random weights never end a text, and long ones take long
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def _units(folder: Path, told: dict[str, Any]) -> Path:
    (folder / "quantizer" / "units.json").write_text(json.dumps(told), encoding="utf-8")
    return folder
