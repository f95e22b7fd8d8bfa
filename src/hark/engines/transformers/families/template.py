"""Whether a folder carries a chat template; a base model has none and is asked in plain words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

_OF_ITS_OWN = ("chat_template.jinja", "chat_template.json")
_AMONG_OTHERS = ("processor_config.json", "tokenizer_config.json")


def has_chat_template(folder: Path) -> bool:
    """Is there a chat template in any of the files that transformers reads one from?"""
    return any((folder / name).is_file() for name in _OF_ITS_OWN) or any(
        read_json(folder / name).get("chat_template") for name in _AMONG_OTHERS
    )


def read_json(path: Path) -> dict[str, Any]:
    """An object of a JSON file; empty where there is no such file, or no object in it."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def ends_with(folder: Path, ends: int | list[int], token: str) -> bool:
    """Is a special token, told from the files of the tokenizer, among the ids that end a text?"""
    decoder = read_json(folder / "tokenizer_config.json").get("added_tokens_decoder")
    if isinstance(decoder, dict) and decoder:
        named = [(number, added) for number, added in decoder.items() if isinstance(added, dict)]
    else:
        tokens = read_json(folder / "tokenizer.json").get("added_tokens") or ()
        named = [(added.get("id"), added) for added in tokens if isinstance(added, dict)]
    ids = {str(number) for number, added in named if added.get("content") == token}
    return any(str(end) in ids for end in (ends if isinstance(ends, list) else [ends]))
