"""A tiny random Phi-4-multimodal with its speech adapter."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tiny.chat import SPREAD, tokenizer

if TYPE_CHECKING:
    from pathlib import Path

TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>"
    "{% if m['content'] is string %}{{ m['content'] }}{% else %}{% for c in m['content'] %}"
    "{% if c['type'] == 'audio' %}{{ '<|audio|>' }}{% elif c['type'] == 'text' %}{{ c['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
RANK, ALPHA = 4, 8


def tiny_phi4_multimodal(folder: Path, seed: int = 0) -> Path:
    """Write the folder."""
    import torch
    import transformers

    torch.manual_seed(seed)
    specials = ["<|endoftext|>", "<|end|>", "<|user|>", "<|assistant|>", "<|system|>", "<|image|>", "<|audio|>"]
    words = tokenizer(
        specials, eos="<|endoftext|>", pad="<|endoftext|>", template=TEMPLATE,
        image_token="<|image|>", audio_token="<|audio|>",
    )  # fmt: skip
    model = transformers.Phi4MultimodalForCausalLM(_config(words))
    with torch.no_grad():  # the library starts these with zeros or ones, and others without our spread
        for name, weight in model.named_parameters():
            if "audio_embed" in name and weight.ndim > 1:
                weight.normal_(std=SPREAD)
    model.generation_config.eos_token_id = [words.eos_token_id, words.convert_tokens_to_ids("<|end|>")]
    model.generation_config.pad_token_id = words.pad_token_id
    model.generation_config.max_new_tokens = 16
    model.generation_config._from_model_config = False
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    transformers.Phi4MultimodalFeatureExtractor().save_pretrained(folder)
    return with_lora(folder, model, "speech-lora", ("self_attn.qkv_proj", "mlp.down_proj"))


def with_lora(folder: Path, model: Any, name: str, targets: tuple[str, ...], prefix: str = "") -> Path:
    """Write an adapter for layers of the model, as peft writes it; returns the folder of the model."""
    import torch
    from safetensors.torch import save_file

    weights = {}
    for path, module in model.named_modules():
        if path.endswith(targets) and "layers." in path:
            known = f"base_model.model.{prefix + path[path.find('layers.') :] if prefix else path}"
            rows, columns = module.weight.shape
            weights[f"{known}.lora_A.weight"] = torch.randn(RANK, columns) * SPREAD
            weights[f"{known}.lora_B.weight"] = torch.randn(rows, RANK) * SPREAD
    (folder / name).mkdir(exist_ok=True)
    save_file(weights, folder / name / "adapter_model.safetensors", metadata={"format": "pt"})
    config = {"peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA, "target_modules": list(targets)}
    (folder / name / "adapter_config.json").write_text(json.dumps(config))
    return folder


def _config(words: Any) -> Any:
    from transformers import Phi4MultimodalConfig

    return Phi4MultimodalConfig(
        vocab_size=len(words), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, initializer_range=SPREAD, pad_token_id=words.pad_token_id,
        bos_token_id=words.eos_token_id, eos_token_id=words.eos_token_id,
        audio_config={
            "hidden_size": 16, "intermediate_size": 32, "num_blocks": 2, "num_attention_heads": 2,
            "ext_pw_out_channel": 16, "depthwise_separable_out_channel": 16, "nemo_conv_channels": 16,
            "initializer_range": SPREAD, "audio_token_id": words.convert_tokens_to_ids("<|audio|>"),
        },
        vision_config={
            "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
            "image_size": 28, "crop_size": 28, "patch_size": 14,
            "image_token_id": words.convert_tokens_to_ids("<|image|>"),
        },
    )  # fmt: skip
