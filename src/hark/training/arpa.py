"""ARPA files of n-gram models, as SRILM, KenLM and `hark train lm` write them; also compressed by gzip."""

from __future__ import annotations

import gzip
import math
import os
import re
from typing import TYPE_CHECKING, TextIO

from hark.errors import DataError, OutputError
from hark.training.ngram import NEVER, UNKNOWN, NGram

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hark.training.ngram import Gram

_COUNT = re.compile(r"ngram (\d+)\s*=\s*(\d+)")
_SECTION = re.compile(r"\\(\d+)-grams:")


def write_arpa(model: NGram, path: Path) -> None:
    r"""Write a model; the file appears when it is whole.

    Format: `\data\`, the number of n-grams of each length, a section for each with log10 probability, words, log10
    back-off weight (left out where it is 0 and of the longest), `\end\` (SRILM, ngram-format(5)).

    Raises:
        OutputError: it cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        with (
            gzip.open(part, "wt", encoding="utf-8") if path.suffix == ".gz" else part.open("w", encoding="utf-8") as to
        ):
            _write(model, to)
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OutputError(f"{path} cannot be written: {error.strerror or error}.", hint="Name another file.") from error


def _write(model: NGram, file: TextIO) -> None:
    by_length: list[list[Gram]] = [[] for _ in range(model.order)]
    for gram in model.table:
        by_length[len(gram) - 1].append(gram)
    file.write("\\data\\\n")
    file.writelines(f"ngram {length}={len(grams)}\n" for length, grams in enumerate(by_length, 1))
    for length, grams in enumerate(by_length, 1):
        file.write(f"\n\\{length}-grams:\n")
        for gram in grams:
            probability, weight = model.table[gram]
            end = f"\t{weight:.7g}" if weight and length < model.order else ""
            file.write(f"{probability:.7g}\t{' '.join(gram)}{end}\n")
    file.write("\n\\end\\\n")


def read_arpa(path: Path) -> NGram:
    """Read a model.

    Raises:
        DataError: there is no such file, or it is none in ARPA's format; the message names the line.
    """
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
            return _read(file, path)
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise DataError(
            f"The language model {path} cannot be read: {getattr(error, 'strerror', None) or error}.",
            hint="It is an ARPA file, such as `hark train lm` writes; binary ones of KenLM are not read.",
        ) from error


def _read(file: TextIO, path: Path) -> NGram:
    promised: dict[int, int] = {}
    table: dict[Gram, tuple[float, float]] = {}
    found: dict[int, int] = {}
    length = 0
    for number, line in _lines(file):
        if line == "\\end\\":
            break
        if match := _COUNT.fullmatch(line):
            promised[int(match[1])] = int(match[2])
        elif match := _SECTION.fullmatch(line):
            length = int(match[1])
        elif length:
            gram, values = _entry(line, length, f"{path}, line {number}")
            table[gram], found[length] = values, found.get(length, 0) + 1
        elif line != "\\data\\":
            raise _wrong(f"{path}, line {number}", "no n-gram belongs there")
    else:
        raise _wrong(str(path), "it ends before \\end\\")
    if not table or {key: value for key, value in promised.items() if value} != found:
        raise _wrong(str(path), f"it promises {promised} n-grams, and holds {found}")
    table.setdefault((UNKNOWN,), (NEVER, 0.0))
    return NGram(max(found), table)


def _lines(file: TextIO) -> Iterator[tuple[int, str]]:
    """Lines that hold something, from 1, from where the data begin."""
    for number, line in enumerate(file, 1):
        stripped = line.strip(" \t\r\n")
        if stripped:
            yield number, stripped


def _entry(line: str, length: int, place: str) -> tuple[Gram, tuple[float, float]]:
    fields = re.split("[ \t]+", line)
    try:
        probability = float(fields[0])
        weight = float(fields[length + 1]) if len(fields) == length + 2 else 0.0
    except ValueError as error:
        raise _wrong(place, "no number where one belongs") from error
    if len(fields) not in (length + 1, length + 2) or not (math.isfinite(probability) and math.isfinite(weight)):
        raise _wrong(place, f"no n-gram of {length} words")
    return tuple(fields[1 : length + 1]), (probability, weight)


def _wrong(place: str, what: str) -> DataError:
    return DataError(f"{place}: {what}.", hint="An ARPA file begins with \\data\\ and ends with \\end\\.")
