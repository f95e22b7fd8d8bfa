"""How a recogniser's tokens spell words: sentencepiece, byte-level pieces, and letters with a sign between words."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SPACE = "\N{LOWER ONE EIGHTH BLOCK}"  # how sentencepiece writes a space
_BYTE = re.compile(r"<0x([0-9A-F]{2})>")  # a byte of a character that has no piece


@dataclass(frozen=True, slots=True)
class Spelling:
    """The text of tokens.

    Attributes:
        names: each token as its vocabulary names it.
        texts: the bytes of each, a space where a word begins; none of those that are no text.
        fold: how a word is written in the language model, where that is otherwise: `str.lower`.
        begins: (vocabulary,) whether a token begins a word, or ends one.
        said: (vocabulary,) whether it is text.
    """

    names: tuple[str, ...]
    texts: tuple[bytes, ...]
    fold: Any = str
    begins: NDArray[np.bool_] = field(init=False)
    said: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "begins", np.array([text.startswith(b" ") for text in self.texts]))
        object.__setattr__(self, "said", np.array([bool(text) for text in self.texts]))

    @classmethod
    def of(cls, tokenizer: Any, fold: Any = str) -> Spelling:
        """Read the vocabulary of a tokenizer of transformers."""
        names = tuple(tokenizer.convert_ids_to_tokens(list(range(len(tokenizer)))))
        special = set(tokenizer.all_special_tokens) - {getattr(tokenizer, "word_delimiter_token", None)}
        spell = _way(tokenizer, names)
        return cls(names, tuple(b"" if name in special or name is None else spell(name) for name in names), fold)

    def words(self, ids: Sequence[int]) -> tuple[tuple[str, ...], bool]:
        """The words of some tokens, and whether the last of them may go on."""
        text = b"".join(self.texts[token] for token in ids)
        words = tuple(self.fold(word) for word in text.decode("utf-8", "replace").split())
        return words, bool(words) and not text.endswith(b" ")

    def pieces(self, ids: Sequence[int]) -> tuple[str, ...]:
        """The names of those tokens that are text."""
        return tuple(self.names[token] for token in ids if self.said[token])


def _way(tokenizer: Any, names: Sequence[str | None]) -> Any:
    """How the name of a token becomes its bytes."""
    known = [name for name in names if name]
    between = getattr(tokenizer, "word_delimiter_token", None)
    if between is not None:
        return lambda name: name.replace(between, " ").encode()
    if any(name.startswith(SPACE) for name in known):
        return _piece
    if any(name.startswith("Ġ") for name in known):
        return _byte_level()
    return str.encode


def _piece(name: str) -> bytes:
    byte = _BYTE.fullmatch(name)
    return bytes([int(byte[1], 16)]) if byte else name.replace(SPACE, " ").encode()


def _byte_level() -> Any:
    """GPT-2's letters for bytes: printable ones stand for themselves, the others for those from 256 on, in order."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    bytes_of = {chr(byte): byte for byte in printable} | {chr(256 + n): byte for n, byte in enumerate(others)}
    return lambda name: bytes(bytes_of[letter] for letter in name) if set(name) <= set(bytes_of) else name.encode()
