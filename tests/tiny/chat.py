"""What tiny random models share: a byte-level tokenizer with special tokens, and weights large enough to matter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

SPREAD = 0.3  # of the random weights: with the usual 0.02 the text would not depend on the audio at all


def tokenizer(specials: list[str], *, eos: str, pad: str, template: str | None = None, **named: str) -> Any:
    """A tokenizer of the 256 bytes and the special tokens; `named` are attributes such as `audio_token`."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE(vocab={letter: number for number, letter in enumerate(alphabet)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(specials)
    found = PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token=eos, pad_token=pad, padding_side="left", extra_special_tokens=named
    )
    if template:
        found.chat_template = template
    return found


def saved(folder: Path, model: Any, processor: Any) -> Path:
    """Write both; custom fields of the generation config survive a reload only so."""
    if hasattr(model, "generation_config"):
        model.generation_config._from_model_config = False
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
