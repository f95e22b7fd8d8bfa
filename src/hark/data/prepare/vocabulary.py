"""Vocabularies as Speech2Text's tokenizer reads them: `sentencepiece.bpe.model` and `vocab.json`.

Pieces are those of sentencepiece, words in parts or characters; `<s>`, `<pad>`, `</s>` and `<unk>` are 0 to 3.
"""

from __future__ import annotations

import io
import json
import shutil
from typing import TYPE_CHECKING, Any

from hark.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MODEL, VOCAB = "sentencepiece.bpe.model", "vocab.json"
_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
_END, UNKNOWN = 2, 3
CHARACTERS, WORDS = "characters", "words"
_WHOLE = {CHARACTERS: "char", WORDS: "word"}  # what sentencepiece calls them


def learned(size: str) -> bool:
    """Whether a vocabulary is made of texts; else its name is that of a folder that has one."""
    return size in _WHOLE or size.isdigit()


def train(texts: Iterable[str], size: str, folder: Path) -> None:
    """Learn a vocabulary of `size` pieces (fewer where the texts have no more), `characters` or `words`, into a folder.

    Raises:
        DataError: there is no text, or the size is too small for its characters.
        MissingExtraError: sentencepiece is not installed.
    """
    sentencepiece = _library()
    model = io.BytesIO()
    whole = _WHOLE.get(size)
    kind = {"model_type": whole, "vocab_size": 100_000} if whole else {"vocab_size": int(size)}
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_writer=model,
            unk_id=0,
            bos_id=-1,
            eos_id=-1,
            pad_id=-1,
            character_coverage=1.0,
            hard_vocab_limit=False,
            num_threads=1,
            minloglevel=2,
            **kind,
        )
    except (RuntimeError, OSError) as error:
        raise DataError(f"No vocabulary of {size} can be made: {error}.", hint="Try another --vocab.") from error
    (folder / MODEL).write_bytes(model.getvalue())
    pieces = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    names = [*_SPECIAL, *(pieces.id_to_piece(number) for number in range(1, pieces.get_piece_size()))]
    (folder / VOCAB).write_text(json.dumps({name: n for n, name in enumerate(names)}, ensure_ascii=False, indent=0))


def take(other: Path, folder: Path) -> None:
    """Use the vocabulary of another folder.

    Raises:
        DataError: there is none in it.
    """
    for name in (MODEL, VOCAB):
        if not (other / name).is_file():
            raise DataError(f"There is no {name} in {other}.", hint="Name a folder that was prepared, or of a model.")
        shutil.copyfile(other / name, folder / name)


class Vocabulary:
    """Turns text into ids, as `transformers.Speech2TextTokenizer` does."""

    def __init__(self, folder: Path) -> None:
        self._pieces = _library().SentencePieceProcessor(model_file=str(folder / MODEL))
        self.ids: dict[str, int] = json.loads((folder / VOCAB).read_text(encoding="utf-8"))

    def encode(self, text: str) -> list[int]:
        """Ids of the pieces of a text, and the end."""
        pieces = self._pieces.encode(text, out_type=str)
        return [*(self.ids.get(piece, UNKNOWN) for piece in pieces), _END]


def _library() -> Any:
    try:
        import sentencepiece
    except ImportError as error:
        raise MissingExtraError.of("Making a vocabulary", "train") from error
    return sentencepiece
