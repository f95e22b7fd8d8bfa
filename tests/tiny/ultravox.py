"""A tiny random Ultravox in the published layouts: what was trained in its folder, the base models in others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tiny.chat import SPREAD, tokenizer

if TYPE_CHECKING:
    from pathlib import Path

TEXT, AUDIO = "tiny-llama", "tiny-whisper"
RANK, ALPHA = 4, 8
# As Llama 3 has it: the content of a message is one text, trimmed.
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m['role'] }}<|end_header_id|>\n\n"
    "{{ m['content'] | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
SPECIALS = [
    "<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>",
    "<|reserved_special_token_0|>",
]  # fmt: skip


def tiny_ultravox(folder: Path, seed: int = 0, *, base: Path | None = None, **config: Any) -> Path:
    """Write the folder, as those of 0.5; its language model into `base`, or into a folder within."""
    import torch

    torch.manual_seed(seed)
    words, text = _language_model((base or folder) / TEXT)
    encoder, tower = _encoder()
    given = {"projector_ln_mid": True, "hidden_size": 48, "stack_factor": 8, **config}
    weights = {f"audio_tower.{name}": value for name, value in tower.items()}
    weights |= _projector(encoder.d_model, text.hidden_size, given)
    written = {"audio_config": encoder.to_dict(), "audio_model_id": None, "text_model_id": f"example/{TEXT}", **given}
    return _written(folder, words, written, weights)


def older_ultravox(folder: Path, base: Path, *, adapter: str | None = None) -> Path:
    """Write the folder as those up to 0.4.1, which hold nothing but the projector; with an adapter before it is merged.

    Both base models lie in `base`; `adapter` is `language_model` or `audio_tower`.
    """
    import torch
    import transformers

    torch.manual_seed(1)
    words, text = _language_model(base / TEXT)
    encoder, _ = _encoder(base / AUDIO)
    given = {"hidden_size": 48, "stack_factor": 8, "projector_ln_mid": False}
    weights = _projector(encoder.d_model, text.hidden_size, given)
    if adapter:
        path = {"language_model": TEXT, "audio_tower": AUDIO}[adapter]
        kind = {"language_model": transformers.LlamaForCausalLM, "audio_tower": transformers.WhisperModel}[adapter]
        model = kind.from_pretrained(base / path)
        weights |= _adapter(adapter, getattr(model, "encoder", model))
        kinds = {"language_model": "text", "audio_tower": "audio"}
        given[f"{kinds[adapter]}_model_lora_config"] = {"r": RANK, "lora_alpha": ALPHA}
    written = {"text_model_id": f"example/{TEXT}", "audio_model_id": f"example/{AUDIO}", **given}
    return _written(folder, words, written, weights)


def _language_model(folder: Path) -> tuple[Any, Any]:
    import transformers

    words = tokenizer(SPECIALS, eos="<|end_of_text|>", pad="<|end_of_text|>", template=TEMPLATE)
    words.bos_token = SPECIALS[0]
    config = transformers.LlamaConfig(
        vocab_size=len(words), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, initializer_range=SPREAD, max_position_embeddings=4096, tie_word_embeddings=True,
        bos_token_id=words.bos_token_id, eos_token_id=words.eos_token_id,
    )  # fmt: skip
    model = transformers.LlamaForCausalLM(config)
    model.generation_config.max_new_tokens = 16  # random weights seldom end a text
    model.generation_config._from_model_config = False
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return words, config


def _encoder(folder: Path | None = None) -> tuple[Any, dict[str, Any]]:
    import transformers

    config = transformers.WhisperConfig(
        num_mel_bins=80, d_model=16, encoder_layers=2, encoder_attention_heads=2, encoder_ffn_dim=32, decoder_layers=1,
        decoder_attention_heads=2, decoder_ffn_dim=16, init_std=SPREAD, vocab_size=64, pad_token_id=0, bos_token_id=1,
        eos_token_id=2, decoder_start_token_id=1,
    )  # fmt: skip
    model = transformers.WhisperForConditionalGeneration(config)
    if folder:
        model.save_pretrained(folder)
    return config, model.model.encoder.state_dict()


def _projector(wide: int, out: int, config: dict[str, Any]) -> dict[str, Any]:
    import torch

    width = config["hidden_size"]
    middle = width // 2 if config.get("projector_act", "swiglu") == "swiglu" else width
    norm, size = ("ln_mid", middle) if config["projector_ln_mid"] else ("ln_post", out)
    weights = {
        "ln_pre": torch.rand(wide * config["stack_factor"]) + 0.4,
        "linear_1": torch.randn(width, wide * config["stack_factor"]) * SPREAD,
        norm: torch.rand(size) + 0.4,
        "linear_2": torch.randn(out, middle) * SPREAD,
    }
    return {f"multi_modal_projector.{name}.weight": value for name, value in weights.items()}


def _adapter(part: str, model: Any) -> dict[str, Any]:
    """Pieces under the names that they have while peft trains them."""
    import torch

    pieces = {}
    for path, module in model.named_modules():
        if path.endswith(("q_proj", "k_proj")):
            rows, columns = module.weight.shape
            name = f"{part}.base_model.model.{path}"
            pieces[f"{name}.lora_A.default.weight"] = torch.randn(RANK, columns) * SPREAD
            pieces[f"{name}.lora_B.default.weight"] = torch.randn(rows, RANK) * SPREAD
    return pieces


def _written(folder: Path, words: Any, config: dict[str, Any], weights: dict[str, Any]) -> Path:
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    words.save_pretrained(folder)
    code = {"AutoModel": "ultravox_model.UltravoxModel", "AutoConfig": "ultravox_config.UltravoxConfig"}
    known = {"model_type": "ultravox", "architectures": ["UltravoxModel"], "auto_map": code, "torch_dtype": "float32"}
    (folder / "config.json").write_text(json.dumps({**known, "projector_act": "swiglu", **config}))
    save_file({name: value.contiguous() for name, value in weights.items()}, folder / "model.safetensors")
    return folder
