"""The formats people keep data sets in, one small file each; adding one is a file and a line of `FORMATS`.

Each module has `ABOUT`, `fits(peek)`, `read(source)` and `write(samples, target)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hark.data.formats import (
    audiofolder,
    commonvoice,
    csv_table,
    fairseq,
    flamingo,
    flamingo_reasoning,
    jsonl,
    kaldi,
    llamafactory,
    messages,
    mmau,
    parquet,
    swift,
)
from hark.data.peek import peeked
from hark.errors import DataError, OptionError

if TYPE_CHECKING:
    from pathlib import Path

# In the order in which they are tried: those told by more come first.
FORMATS: dict[str, Any] = {
    "flamingo-reasoning": flamingo_reasoning,
    "mmau": mmau,
    "llamafactory": llamafactory,
    "swift": swift,
    "flamingo": flamingo,
    "messages": messages,
    "fairseq": fairseq,
    "commonvoice": commonvoice,
    "kaldi": kaldi,
    "parquet": parquet,
    "audiofolder": audiofolder,
    "jsonl": jsonl,
    "csv": csv_table,
}
# What a name ends in, where a person asks for no format of what is to be written.
_ENDINGS = {".jsonl": "jsonl", ".csv": "csv", ".parquet": "parquet"}


def named(form: str) -> Any:
    """The format of that name.

    Raises:
        OptionError: there is none.
    """
    if form not in FORMATS:
        raise OptionError(f"There is no format {form!r}.", hint=f"Formats are {', '.join(sorted(FORMATS))}.")
    return FORMATS[form]


def told(path: Path) -> str:
    """The name of the format of a data set, told from what is in it.

    Raises:
        DataError: there is nothing, or it looks like none of them.
    """
    peek = peeked(path)
    for name, form in FORMATS.items():
        if form.fits(peek):
            return name
    raise DataError(
        f"{path} looks like none of the formats hark reads.",
        hint=f"Say which it is: {', '.join(sorted(FORMATS))}.",
    )


def told_by_name(path: Path) -> str:
    """The format to write, told from the ending of a name.

    Raises:
        OptionError: it tells none.
    """
    form = _ENDINGS.get(path.suffix.lower())
    if form is None:
        raise OptionError(f"{path.name} does not tell its format.", hint="Give --to, with one of `hark data formats`.")
    return form
