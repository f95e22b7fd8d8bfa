"""What people put on one line: recordings, then a question."""

from __future__ import annotations

from typing import Any


def split_prompt(parts: Any) -> tuple[list[Any], str | None]:
    """Tell audio from a prompt: the last part is the prompt if it is text that names no audio.

    Text names audio if it is a URL, a data URI, `-`, an existing file, or one word that ends like a file name.
    """
    parts = list(parts)
    if parts and isinstance(parts[-1], str) and not names_audio(parts[-1]):
        return parts[:-1], parts[-1]
    return parts, None


def names_audio(text: str) -> bool:
    """Does this text name audio rather than ask something?"""
    import os
    import re

    if text == "-" or re.match(r"(?:https?|file|data):\S", text, re.IGNORECASE):
        return True
    if re.fullmatch(r"\S*[^\s.]\.[A-Za-z][A-Za-z0-9]{1,4}", text):
        return True
    return len(text) < 4096 and "\0" not in text and os.path.exists(text)
