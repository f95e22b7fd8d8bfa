"""A tiny tekken.json, the tokenizer file of Mistral's models: special tokens at their real ranks, and the 256 bytes."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

SPECIALS = (
    "<unk> <s> </s> [INST] [/INST] [AVAILABLE_TOOLS] [/AVAILABLE_TOOLS] [TOOL_RESULTS] [/TOOL_RESULTS] [TOOL_CALLS] "
    "[IMG] <pad> [IMG_BREAK] [IMG_END] [PREFIX] [MIDDLE] [SUFFIX] [SYSTEM_PROMPT] [/SYSTEM_PROMPT] [TOOL_CONTENT] "
    "<SPECIAL_20> <SPECIAL_21> <SPECIAL_22> <SPECIAL_23> [AUDIO] [BEGIN_AUDIO] <SPECIAL_26> <SPECIAL_27> <SPECIAL_28> "
    "<SPECIAL_29> <SPECIAL_30> <SPECIAL_31> [ARGS] [CALL_ID] [TRANSCRIBE] [STREAMING_PAD] [STREAMING_WORD]"
).split()
COUNT = 40  # of special tokens
WORDS = COUNT + 256


def tekken(folder: Path, *, version: str = "v7", **audio: Any) -> Any:
    """Write the file and load it; `audio` adds to (or changes) its block about audio."""
    from transformers.tokenization_mistral_common import MistralCommonBackend

    folder.mkdir(parents=True, exist_ok=True)
    block = {
        "sampling_rate": 16000,
        "frame_rate": 12.5,
        "audio_encoding_config": {"num_mel_bins": 128, "hop_length": 160, "window_size": 400},
    }
    letters = [
        {"rank": n, "token_bytes": base64.b64encode(bytes([n])).decode(), "token_str": chr(n) if n < 128 else None}
        for n in range(256)
    ]
    values = {
        "config": {
            "pattern": r"\s+|\w+|[^\s\w]+",
            "num_vocab_tokens": 256,
            "default_vocab_size": WORDS,
            "default_num_special_tokens": COUNT,
            "version": version,
        },
        "vocab": letters,
        "special_tokens": [
            {"rank": rank, "token_str": token, "is_control": True} for rank, token in enumerate(SPECIALS)
        ],
        "audio": block | audio,
    }
    (folder / "tekken.json").write_text(json.dumps(values), encoding="utf-8")
    return MistralCommonBackend.from_pretrained(folder)
