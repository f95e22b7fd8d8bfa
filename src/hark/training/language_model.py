"""The folder `language_model` beside a recogniser's weights: what is likely to be said, and how much that counts.

Format: that of `transformers.Wav2Vec2ProcessorWithLM` and pyctcdecode: `attrs.json` with `alpha`, `beta`,
`unk_score_offset` and `score_boundary`, and an n-gram in ARPA. In place of the n-gram there may be a causal language
model of transformers, as its folder.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from hark.errors import DataError, ModelBrokenError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from hark.training.fusion import Scorer
    from hark.training.ngram import NGram

FOLDER = "language_model"
ATTRIBUTES = "attrs.json"
FILE = "lm.arpa"


class Attributes(BaseModel):
    """How much a language model counts; names and defaults are those of pyctcdecode.

    Attributes:
        alpha: its weight; beta: added for each word (or token, where it models tokens).
        unk_score_offset: added to log10 of a word that it does not know.
        score_boundary: whether it is asked how texts begin and end.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    alpha: float = 0.5
    beta: float = 1.5
    unk_score_offset: float = -10.0
    score_boundary: bool = True


def beside(folder: Path, tokenizer: Any) -> Scorer | None:
    """The language model in a recogniser's folder, weighted; None where there is none that hark reads.

    Raises:
        ModelBrokenError: it cannot be read, or does not fit the recogniser.
    """
    within = folder / FOLDER
    file = _file(within)
    if file is None and not (within / "config.json").is_file():
        return None
    try:
        path = within / ATTRIBUTES
        told = Attributes.model_validate_json(path.read_text(encoding="utf-8")) if path.is_file() else Attributes()
        return scorer(file or within, tokenizer, told)
    except (DataError, OSError, ValueError) as error:
        raise ModelBrokenError(
            f"The language model in {within} cannot be used: {_line(error)}.",
            hint="Write it again with `hark train lm --for`, or remove the folder.",
        ) from error


def scorer(source: Path, tokenizer: Any, told: Attributes) -> Scorer:
    """Make a scorer of an ARPA file, or of the folder of a causal language model.

    An n-gram is of the recogniser's own tokens where its words have their sign for the beginning of words, else of
    words. A causal model is asked for tokens where its vocabulary is that of the recogniser, else for words.

    Raises:
        DataError: the file cannot be read.
        ModelBrokenError: the recogniser lacks a token of the n-gram.
    """
    from hark.training.fusion import Pieces, Words
    from hark.training.spelling import SPACE, Spelling

    if source.is_dir():
        return _causal(source, tokenizer, told)
    from hark.training.arpa import read_arpa

    model = read_arpa(source)
    words = [gram[0] for gram in model.table if len(gram) == 1]
    signs = {SPACE, "Ġ", getattr(tokenizer, "word_delimiter_token", None) or SPACE}
    if any(word[:1] in signs for word in words):
        spelling = Spelling.of(tokenizer)
        lacking = [word for word in words if word not in spelling.names and word[:1] + word[-1:] != "<>"]
        if lacking:
            raise ModelBrokenError(
                f"The recogniser has no token {lacking[0]!r}, which the language model {source.name} knows.",
                hint="Make it with the tokens of this recogniser: hark train lm --for MODEL --pieces.",
            )
        return Pieces(model, spelling, told.alpha, told.beta)
    unknown = told.unk_score_offset * math.log(10)
    spelling = Spelling.of(tokenizer, _fold(words))
    return Words(model, spelling, told.alpha, told.beta, unknown=unknown, bounds=told.score_boundary)


def _causal(folder: Path, tokenizer: Any, told: Attributes) -> Scorer:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from hark.training.fusion import CausalWords, Shared, Words
    from hark.training.spelling import Spelling

    own = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True).eval()
    end = own.eos_token_id
    if own.get_vocab() == tokenizer.get_vocab() and end is not None:
        begin = end if own.bos_token_id is None else own.bos_token_id
        return Shared(model, begin, end, told.alpha, told.beta)
    spelling = Spelling.of(tokenizer, str.lower if _in_capitals(tokenizer) else str)
    return Words(CausalWords(model, own), spelling, told.alpha, told.beta, bounds=told.score_boundary)


def _fold(words: Sequence[str]) -> Any:
    """How to write a recogniser's words for a model of words that are all written in one case."""
    known = [word for word in words if not (word.startswith("<") and word.endswith(">"))]
    if all(word == word.lower() for word in known):
        return str.lower
    return str.upper if all(word == word.upper() for word in known) else str


def _file(folder: Path) -> Path | None:
    """The ARPA file of a folder.

    Raises:
        ModelBrokenError: there are several.
    """
    files = sorted([*folder.glob("*.arpa"), *folder.glob("*.arpa.gz")])
    if len(files) > 1:
        names = ", ".join(file.name for file in files)
        raise ModelBrokenError(f"There are several language models in {folder}: {names}.", hint="Leave one there.")
    return files[0] if files else None


def write_beside(model: NGram, folder: Path, told: Attributes) -> Path:
    """Write a model into a recogniser's folder, in the place of one that `hark train lm` wrote.

    Raises:
        OutputError: it cannot be written.
    """
    from hark.errors import OutputError
    from hark.training.arpa import write_arpa

    within = folder / FOLDER
    try:
        within.mkdir(exist_ok=True)
        others = [file.name for file in within.iterdir() if file.name not in (FILE, ATTRIBUTES)]
        if others:
            raise OutputError(f"There is another language model in {within}: {others[0]}.", hint="Remove it first.")
        write_arpa(model, within / FILE)
        (within / ATTRIBUTES).write_text(json.dumps(told.model_dump(), indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(f"{within} cannot be written: {error.strerror or error}.") from error
    return within / FILE


def sentences(
    path: Path, *, lowercase: bool = False, pieces: Any = None, skipped: Callable[[str], object] = str
) -> Iterator[list[str]]:
    """The sentences of a text, one a line, or the answers wanted of a data set, as words or as a tokenizer's pieces.

    Args:
        path: a data set in a format of `hark data`, where its name does not end in `.txt`.
        lowercase: make it lower case.
        pieces: the tokenizer of a recogniser, whose tokens are then modelled in place of words.
        skipped: called with each sentence that the tokenizer cannot write; it is left out.

    Raises:
        DataError: it cannot be read.
    """
    fold = str.upper if pieces and _in_capitals(pieces) else str.lower if lowercase else str
    for line in _texts(path):
        text = fold(" ".join(line.split()))
        ids = pieces(text, add_special_tokens=False).input_ids if pieces else ()
        if pieces and pieces.unk_token_id in ids:
            skipped(text)
        elif text:
            yield pieces.convert_ids_to_tokens(ids) if pieces else text.split()


def _in_capitals(tokenizer: Any) -> bool:
    """Whether a recogniser writes capital letters alone."""
    names = [name for name in tokenizer.get_vocab() if name[:1] != "<"]
    return any(name != name.lower() for name in names) and all(name == name.upper() for name in names)


def _texts(path: Path) -> Iterator[str]:
    if path.suffix != ".txt":
        from hark.data import read

        yield from (sample.target for sample in read(path) if sample.target)
        return
    try:
        with path.open(encoding="utf-8") as file:
            yield from file
    except (OSError, UnicodeDecodeError) as error:
        told = getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise DataError(f"{path} cannot be read: {told}.", hint="Text has one sentence on each line.") from error


def _line(error: Exception) -> str:
    told = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error) or repr(error)
    return told.splitlines()[0].rstrip(".")
