"""A tiny random Gemma 3n in files as the published ones are: with eyes in its config and its weights."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tiny.chat import SPREAD, tokenizer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# As published: the system prompt goes before the first question, texts lose the blanks around them, turns alternate.
TEMPLATE = """{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {%- if messages[0]['content'] is string -%}
        {%- set first_user_prefix = messages[0]['content'] + '\n\n' -%}
    {%- else -%}
        {%- set first_user_prefix = messages[0]['content'][0]['text'] + '\n\n' -%}
    {%- endif -%}
    {%- set loop_messages = messages[1:] -%}
{%- else -%}
    {%- set first_user_prefix = "" -%}
    {%- set loop_messages = messages -%}
{%- endif -%}
{%- for message in loop_messages -%}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
        {{ raise_exception("Conversation roles must alternate user/assistant/user/assistant/...") }}
    {%- endif -%}
    {%- set role = "model" if message['role'] == 'assistant' else message['role'] -%}
    {{ '<start_of_turn>' + role + '\n' + (first_user_prefix if loop.first else "") }}
    {%- if message['content'] is string -%}
        {{ message['content'] | trim }}
    {%- else -%}
        {%- for item in message['content'] -%}
            {%- if item['type'] == 'audio' -%}{{ '<audio_soft_token>' }}
            {%- elif item['type'] == 'image' -%}{{ '<image_soft_token>' }}
            {%- elif item['type'] == 'text' -%}{{ item['text'] | trim }}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
    {{ '<end_of_turn>\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<start_of_turn>model\n' }}{%- endif -%}
"""
NAMED = {
    "boi_token": "<start_of_image>", "boa_token": "<start_of_audio>", "eoi_token": "<end_of_image>",
    "image_token": "<image_soft_token>", "eoa_token": "<end_of_audio>", "audio_token": "<audio_soft_token>",
}  # fmt: skip
# Ids lie in ranges: those of text (with the tokens that begin an image or a clip), of images, of audio.
TEXT = ["<pad>", "<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>", "<start_of_image>", "<start_of_audio>"]
IMAGE, AUDIO = ["<end_of_image>", "<image_soft_token>"], ["<end_of_audio>", "<audio_soft_token>"]
AUDIO_IDS = 4  # the last one fills up what a clip lacks to 188 tokens


def tiny_gemma3n(folder: Path, seed: int = 0, *, chats: bool = True) -> Path:
    """Write the folder of an instructed model, or of a base model, which has no chat template."""
    import torch
    import transformers
    from safetensors.torch import load_file, save_file

    torch.manual_seed(seed)
    words = tokenizer([*TEXT, *IMAGE, *AUDIO], eos="<eos>", pad="<pad>", **NAMED)
    words.bos_token = "<bos>"
    words.chat_template = TEMPLATE if chats else None
    with without_timm():
        model = transformers.Gemma3nForConditionalGeneration(_config(words))
    with torch.no_grad():
        for name, value in model.named_parameters():
            if name.endswith(("per_dim_scale", "correct_output_scale")):
                value.normal_(0, SPREAD)  # begins as zero, and takes part in nothing
            elif name.endswith(".embed_tokens.weight"):
                value.mul_(0.1)  # else the last token outweighs what was heard, and is said again and again
                value[256:].mul_(0.1)  # else most of what is said are special tokens, which are no text
    model.generation_config = transformers.GenerationConfig(
        eos_token_id=[words.eos_token_id, words.convert_tokens_to_ids("<end_of_turn>")],
        pad_token_id=words.pad_token_id, bos_token_id=words.bos_token_id, max_new_tokens=16,
    )  # fmt: skip
    model.save_pretrained(folder)
    weights = load_file(folder / "model.safetensors")
    eyes = {"model.vision_tower.timm_model.conv_stem.conv.weight": torch.randn(4, 3, 3, 3)}
    save_file({**weights, **eyes}, folder / "model.safetensors", metadata={"format": "pt"})
    words.save_pretrained(folder)
    extractor = transformers.Gemma3nAudioFeatureExtractor().to_dict()
    images = {"image_processor_type": "SiglipImageProcessorFast", "size": {"height": 768, "width": 768}}
    (folder / "preprocessor_config.json").write_text(
        json.dumps({**extractor, **images, "processor_class": "Gemma3nProcessor"}, default=lambda array: array.tolist())
    )
    lengths = {"audio_seq_length": 188, "image_seq_length": 256, "processor_class": "Gemma3nProcessor"}
    (folder / "processor_config.json").write_text(json.dumps(lengths))
    return folder


@contextmanager
def without_timm() -> Iterator[None]:
    """The library's own class with nothing where the eyes are."""
    import pytest
    import torch
    from transformers.models.gemma3n import modeling_gemma3n

    made = modeling_gemma3n.AutoModel.from_config

    def from_config(config: Any, **how: Any) -> Any:
        return torch.nn.Identity() if config.model_type == "gemma3n_vision" else made(config, **how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(modeling_gemma3n.AutoModel, "from_config", from_config)
        yield


def _config(words: Any) -> Any:
    from transformers import Gemma3nConfig

    text, image = 256 + len(TEXT), len(IMAGE)
    ids = {name.replace("token", "token_id"): words.convert_tokens_to_ids(token) for name, token in NAMED.items()}
    return Gemma3nConfig(
        text_config={
            "vocab_size": text + image + AUDIO_IDS, "vocab_size_per_layer_input": text, "hidden_size": 32,
            "intermediate_size": 64, "num_hidden_layers": 4, "num_attention_heads": 2, "num_key_value_heads": 1,
            "head_dim": 16, "hidden_size_per_layer_input": 8, "num_kv_shared_layers": 2, "laurel_rank": 4,
            "layer_types": ["sliding_attention", "full_attention"] * 2, "sliding_window": 64, "altup_num_inputs": 2,
            "max_position_embeddings": 4096, "initializer_range": SPREAD, "pad_token_id": words.pad_token_id,
            "eos_token_id": words.eos_token_id, "bos_token_id": words.bos_token_id,
        },
        vision_config={"hidden_size": 16, "vocab_size": image, "vocab_offset": text},
        audio_config={
            "vocab_size": AUDIO_IDS, "vocab_offset": text + image, "hidden_size": 32, "conf_num_attention_heads": 2,
            "conf_num_hidden_layers": 2, "sscp_conv_channel_size": [8, 4], "initializer_range": SPREAD,
        },
        initializer_range=SPREAD, **ids,
    )  # fmt: skip
