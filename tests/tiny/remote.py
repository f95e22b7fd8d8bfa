"""A tiny random model of a kind that transformers does not know, with the Python code that runs it in its folder."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tiny.chat import SPREAD, tokenizer

if TYPE_CHECKING:
    from pathlib import Path

TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{% for c in m['content'] %}"
    "{% if c['type'] == 'audio' %}<|sound|>{% else %}{{ c['text'] }}{% endif %}{% endfor %}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
CONFIGURATION = """
from transformers import LlamaConfig


class EarsConfig(LlamaConfig):
    model_type = "ears"
    sound_id: int = 0
"""
MODELING = """
from pathlib import Path

import torch
from transformers import LlamaForCausalLM

from .configuration_ears import EarsConfig

Path(__file__).with_name("ran").touch()


class EarsForCausalLM(LlamaForCausalLM):
    config_class = EarsConfig

    def __init__(self, config):
        super().__init__(config)
        self.ears = torch.nn.Linear(400, config.hidden_size)
        self.post_init()

    def forward(self, input_ids=None, attention_mask=None, sound=None, **kwargs):
        embedded = self.get_input_embeddings()(input_ids)
        if sound is not None:
            place = (input_ids == self.config.sound_id).unsqueeze(-1)
            embedded = embedded.masked_scatter(place, self.ears(sound))
        kwargs.pop("inputs_embeds", None)
        return super().forward(inputs_embeds=embedded, attention_mask=attention_mask, **kwargs)

    def prepare_inputs_for_generation(self, input_ids, sound=None, is_first_iteration=False, **kwargs):
        made = super().prepare_inputs_for_generation(input_ids, is_first_iteration=is_first_iteration, **kwargs)
        return {**made, "sound": sound if is_first_iteration else None}
"""
PROCESSING = """
import numpy as np
import torch
from transformers import BatchFeature, ProcessorMixin


class EarsProcessor(ProcessorMixin):
    def __init__(self, tokenizer, chat_template=None):
        super().__init__(tokenizer, chat_template=chat_template)

    def __call__(self, text=None, audio=None, sampling_rate=16000, return_tensors="pt", **more):
        text = [text] if isinstance(text, str) else list(text)
        frames = []
        for samples in audio or []:
            whole = np.pad(samples, (0, -len(samples) % 400)).reshape(-1, 400)[:40]
            frames.append(torch.as_tensor(whole, dtype=torch.float32))
            text = [line.replace("<|sound|>", "<|frame|>" * len(whole), 1) for line in text]
        asked = self.tokenizer(text, return_tensors="pt")
        sound = {"sound": torch.cat(frames)} if frames else {}
        return BatchFeature({**asked, **sound})
"""


def tiny_remote(folder: Path, seed: int = 0) -> Path:
    """Write the folder, the weights with the code itself."""
    import importlib.util
    import sys

    import torch

    folder.mkdir(parents=True)
    for name, code in {"configuration": CONFIGURATION, "modeling": MODELING, "processing": PROCESSING}.items():
        (folder / f"{name}_ears.py").write_text(code)
    words = tokenizer(
        ["<|sound|>", "<|frame|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"],
        eos="<|end|>", pad="<|end|>", template=TEMPLATE,
    )  # fmt: skip
    words.save_pretrained(folder)
    sys.path.insert(0, str(folder.parent))
    sys.modules.pop(folder.name, None)
    (folder / "__init__.py").touch()
    try:
        made = importlib.import_module(f"{folder.name}.modeling_ears")
        torch.manual_seed(seed)
        config = made.EarsConfig(
            vocab_size=len(words), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
            initializer_range=SPREAD, sound_id=words.convert_tokens_to_ids("<|frame|>"),
        )  # fmt: skip
        model = made.EarsForCausalLM(config)
        model.generation_config.eos_token_id = model.generation_config.pad_token_id = words.eos_token_id
        model.save_pretrained(folder)
    finally:
        sys.path.remove(str(folder.parent))
        for name in [name for name in sys.modules if name.split(".")[0] == folder.name]:
            del sys.modules[name]
    (folder / "__init__.py").unlink()
    (folder / "ran").unlink()
    named = {"AutoConfig": "configuration_ears.EarsConfig", "AutoModelForCausalLM": "modeling_ears.EarsForCausalLM"}
    _add(folder / "config.json", {"auto_map": named})
    processor = {"AutoProcessor": "processing_ears.EarsProcessor"}
    _add(folder / "processor_config.json", {"processor_class": "EarsProcessor", "auto_map": processor})
    return folder


def _add(path: Path, more: dict[str, object]) -> None:
    held = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps({**held, **more}))
