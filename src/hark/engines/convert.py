"""From published files to the folder of a unit model: a language model, its encoder and its codebook become one."""

from __future__ import annotations

import json
import re
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hark.errors import MissingExtraError, ModelBrokenError, ModelNotFoundError, OptionError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hark.engines.transformers.native.layout import Layout
    from hark.engines.transformers.native.units import Quantiser

KINDS = ("ichigo", "speechgpt", "audiopalm")
MARKS = {"<|sound_start|>": "ichigo", "<sosp>": "speechgpt"}  # tokens that only models of this kind have
CHECKPOINTS = (".model", ".pth", ".ckpt", ".pt")  # of WhisperVQ; k-means comes in all other kinds of files
PUBLISHED = re.compile(r"whisper-vq-.*\.model|.*[_-]km\d+.*\.(?:bin|npy|npz)")
LAYER = re.compile(r"[_-]L(\d+)(?=[_.-])")  # in names such as mhubert_base_vp_en_es_fr_it3_L11_km1000.bin
DOCS = "docs/unit-models.md shows how to convert what is published."


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a person says about a conversion; None where it is to be found out.

    Attributes:
        quantizer: the file of the codebook; encoder: the folder of the encoder.
        kind: one of `KINDS`.
        layer: of the encoder, counted from 1, that k-means was trained on.
        offset: the id of the first unit, for `audiopalm`.
    """

    quantizer: Path | None = None
    encoder: Path | None = None
    kind: str | None = None
    layer: int | None = None
    offset: int | None = None


def convert(source: Path, to: Path, wishes: Wishes) -> Path:
    """Write the folder of a unit model, or add its quantizer to the folder of the language model (`to` is `source`).

    Everything is loaded and compared before anything is written; what was begun is removed if it fails.

    Raises:
        ModelNotFoundError: there is no such folder or file.
        ModelBrokenError: a file cannot be read, or the parts do not fit.
        OptionError: something has to be said that cannot be found out.
        OutputError: the folder cannot be written, or there is something in it.
    """
    try:
        import torch  # noqa: F401 - asked here, for a clear error
    except ImportError as error:
        raise MissingExtraError.of("Converting a model", "transformers") from error
    from hark.engines.transformers.generation import quiet

    for path in (source, wishes.encoder, wishes.quantizer):
        if path is not None and not path.exists():
            raise ModelNotFoundError(f"There is no {path}.", hint=DOCS)
    within = to.exists() and to.samefile(source)
    if (to / "quantizer").exists() or (to.exists() and not within and any(to.iterdir())):
        raise OutputError(f"There is something in {to} already.", hint="Name a new folder.")
    with quiet():
        layout, quantiser = _read(source, wishes)
        with _written(to, within=within) as part:
            if not within:
                _copy(source, to, wishes.quantizer)
            _write(part, layout, quantiser)
    return to


def _read(source: Path, wishes: Wishes) -> tuple[Layout, Quantiser]:
    """Load the quantiser, and see that the language model has ids for its units."""
    from pydantic import ValidationError

    from hark.engines.transformers.engine import read_config
    from hark.engines.transformers.families.units import SpeechGPT
    from hark.engines.transformers.native.layout import Layout
    from hark.engines.transformers.native.units import unit_ids

    config, words = read_config(source), SpeechGPT().words(source)  # without asking for a chat template
    known = words.get_vocab()
    kind = wishes.kind or next((kind for mark, kind in MARKS.items() if mark in known), None)
    if kind not in KINDS:
        raise OptionError(
            f"The tokenizer of {source} does not tell what kind of unit model it is."
            if kind is None
            else f"There is no kind {kind!r}.",
            hint=f"Say it: --kind, one of {', '.join(KINDS)}.",
        )
    file, encoder = _found(source, wishes)
    told, quantiser = _quantiser(file, encoder, wishes.layer)
    if kind == "audiopalm":
        count = quantiser.codes
        told |= {"offset": config.get("vocab_size", 0) - count if wishes.offset is None else wishes.offset}
        told |= {"count": count}
    try:
        layout = Layout.model_validate({"kind": kind, **told})
    except ValidationError as error:
        raise OptionError(f"It cannot be converted so: {error.errors()[0]['msg']}.", hint=DOCS) from error
    unit_ids(layout, words, quantiser.codes, config.get("vocab_size") or len(words))
    return layout, quantiser


def _found(source: Path, wishes: Wishes) -> tuple[Path, Path]:
    """The codebook and the encoder: those that were named, or the only ones beside the language model."""
    file = wishes.quantizer
    if file is None:
        files = [path for path in sorted(source.iterdir()) if PUBLISHED.fullmatch(path.name)]
        if len(files) != 1:
            found = f"{len(files)} codebooks" if files else "no codebook"
            raise OptionError(f"There is {found} in {source}.", hint=f"Name its file: --quantizer FILE. {DOCS}")
        file = files[0]
    encoder = wishes.encoder or source / "encoder"
    if not encoder.is_dir():
        raise OptionError(f"There is no encoder in {source}.", hint=f"Name its folder: --encoder FOLDER. {DOCS}")
    return file, encoder


def _quantiser(file: Path, encoder: Path, layer: int | None) -> tuple[dict[str, Any], Quantiser]:
    """The quantiser, and what `units.json` has to say of it."""
    from hark.engines.transformers.native.kmeans import KMeans
    from hark.engines.transformers.native.published import read_centres, read_checkpoint
    from hark.engines.transformers.native.whisper_vq import WhisperVQ

    if file.suffix in CHECKPOINTS:
        codebook = read_checkpoint(file)
        told = {name: getattr(codebook, name) for name in ("downsample", "pool", "cosine", "masked")}
        return {"quantizer": "whisper_vq", **told}, WhisperVQ.of(encoder, codebook)
    named = LAYER.search(file.name)
    layer = layer or (int(named[1]) if named else None)
    if layer is None:
        raise OptionError(
            f"The name of {file.name} does not tell on which layer of the encoder it was trained.",
            hint="Say it: --layer, counted from 1.",
        )
    return {"quantizer": "kmeans", "layer": layer}, KMeans.of(encoder, read_centres(file), layer)


@contextmanager
def _written(to: Path, *, within: bool) -> Iterator[Path]:
    """A folder that becomes `to/quantizer` when all is well, and is gone with all else that was begun when not."""
    part = to / "quantizer.partial"
    try:
        part.mkdir(parents=True, exist_ok=True)
        yield part
        part.rename(to / "quantizer")
    except BaseException as error:
        shutil.rmtree(part if within else to, ignore_errors=True)
        if isinstance(error, OSError) and not isinstance(error, ModelBrokenError):
            raise OutputError(f"{to} cannot be written: {error.strerror or error}.") from error
        raise


def _copy(source: Path, to: Path, quantizer: Path | None) -> None:
    """The files of the language model; folders beside them, and the codebook, are no part of it."""
    for path in sorted(source.iterdir()):
        if path.is_file() and not PUBLISHED.fullmatch(path.name) and path != quantizer:
            shutil.copy2(path, to / path.name)


def _write(part: Path, layout: Layout, quantiser: Any) -> None:
    from safetensors.torch import save_file

    quantiser.encoder.save_pretrained(part / layout.encoder)
    quantiser.extractor.save_pretrained(part / layout.encoder)
    tensors = quantiser.bottleneck.tensors if hasattr(quantiser, "bottleneck") else {"codebook": quantiser.centres}
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, part / layout.codebook)
    fields = layout.model_dump(include=layout.model_fields_set | {"encoder", "codebook"})
    if layout.kind == "audiopalm":
        fields |= layout.model_dump(include={"tags", "languages"})
    (part / "units.json").write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")
