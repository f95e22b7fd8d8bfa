"""`hark models convert`: the folder of a unit model, from a language model and the files of its quantizer."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from hark.cli.show import out, reporting


class Kind(StrEnum):
    """Kinds of unit models."""

    ichigo = "ichigo"
    speechgpt = "speechgpt"
    audiopalm = "audiopalm"


def convert(
    source: Annotated[Path, typer.Argument(help="The folder of the language model.")],
    to: Annotated[Path, typer.Option(help="The folder to write; that of the language model itself may be named.")],
    quantizer: Annotated[
        Path | None, typer.Option(help="The codebook: whisper-vq-*.model, or centres of k-means (.bin, .npy, .npz).")
    ] = None,
    encoder: Annotated[
        Path | None, typer.Option(help="The folder of the encoder, as transformers saves it: Whisper, or HuBERT.")
    ] = None,
    kind: Annotated[Kind | None, typer.Option(help="Told from the tokenizer where it has sound tokens.")] = None,
    layer: Annotated[
        int | None, typer.Option(min=1, help="Layer of the encoder that k-means was trained on; often in its name.")
    ] = None,
    offset: Annotated[
        int | None, typer.Option(min=0, help="Id of the first unit, for audiopalm; else the last rows are units.")
    ] = None,
) -> None:
    """Put a language model that reads units of audio together with its quantizer."""
    from hark.engines.convert import Wishes, convert

    with reporting():
        wishes = Wishes(quantizer, encoder, kind.value if kind else None, layer, offset)
        out(str(convert(source, to, wishes)))
