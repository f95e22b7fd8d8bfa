"""Quantisers: audio to discrete units, and the ids that a language model has for them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from hark.engines.transformers.native.layout import FOLDER, Layout, read_layout
from hark.errors import ModelBrokenError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

TRAINING_ONLY = frozenset({"masked_spec_embed"})  # published encoders lack it, and hearing does not use it
HINT = "An encoder is a folder that transformers saved: config.json, model.safetensors, preprocessor_config.json."


class Quantiser(ABC):
    """Makes units of audio: an encoder's frames, each replaced by the number of the nearest entry of a codebook.

    Attributes:
        codes: how many entries the codebook has.
        longest: the most samples the encoder hears at once; longer audio is heard in pieces, and all of it.
        step: how many samples one unit takes.
    """

    codes: int
    longest: int
    step: int
    encoder: Any

    @abstractmethod
    def piece(self, samples: Any) -> list[int]:
        """Units of a piece no longer than `longest`: mono float32 at 16 kHz, as `prepared` gave it."""

    def prepared(self, samples: NDArray[Any]) -> Any:
        """Samples as the encoder wants them, before they are cut into pieces."""
        return samples

    def units(self, samples: NDArray[Any], device: Any = "cpu") -> NDArray[Any]:
        """Units (n,) of a clip of any length: mono float32 at 16 kHz."""
        import numpy as np
        import torch

        self.to(device)
        with torch.inference_mode():
            found = [unit for part in self._pieces(samples) for unit in self.piece(part)]
        return np.array(found, dtype=np.int32)

    def _pieces(self, samples: NDArray[Any]) -> Iterator[Any]:
        return pieces(self.prepared(samples), self.longest, self.step)

    def to(self, device: Any) -> None:
        """Move all weights; they stay in float32, as in half precision other units would be nearest."""
        self.encoder.to(device)


def pieces(samples: Any, longest: int, step: int) -> Iterator[Any]:
    """Cut into pieces of about equal length, none longer than `longest`, so that none is too short to be heard.

    All but the last are a whole number of `step` samples; `longest` is one too.
    """
    count = max(1, -(-len(samples) // longest))
    size = max(1, -(-len(samples) // count // step)) * step
    for start in range(0, max(1, len(samples)), size):
        yield samples[start : start + size]


def collapsed(units: list[int]) -> list[int]:
    """Each run of the same unit as one."""
    return [unit for unit, _ in groupby(units)]


@dataclass(frozen=True, slots=True)
class UnitIds:
    """The ids that a language model has for units: `ids[unit]`, and those around the units of a clip (or none)."""

    ids: tuple[int, ...]
    start: tuple[int, ...]
    end: tuple[int, ...]
    all: frozenset[int]

    def written(self, units: list[int]) -> list[int]:
        """The ids of some units."""
        return [self.ids[unit] for unit in units]


def unit_ids(layout: Layout, tokenizer: Any, codes: int, vocabulary: int) -> UnitIds:
    """Find the ids of all units.

    Args:
        layout: says how units are named, or where their ids lie.
        tokenizer: the language model's.
        codes: how many units the quantiser knows.
        vocabulary: how many rows the language model's embedding has.

    Raises:
        ModelBrokenError: the language model lacks some of them.
    """
    unit, start, end = layout.named
    before, after = (_ids(tokenizer, [name] if name else []) for name in (start, end))
    if layout.offset is not None and layout.count is not None:
        ids = tuple(range(layout.offset, layout.offset + layout.count))
        if codes > len(ids) or ids[-1] >= vocabulary:
            raise ModelBrokenError(
                f"The quantizer has {codes} units, and ids {ids[0]} to {ids[-1]} are for them in a vocabulary of "
                f"{vocabulary}.",
                hint="offset and count in units.json say which rows of the embedding are units.",
            )
    else:
        ids = _ids(tokenizer, [unit.format(code) for code in range(codes)])
    if max((*ids, *before, *after)) >= vocabulary:
        raise ModelBrokenError(
            f"The tokenizer has {max(ids) + 1} tokens, the language model {vocabulary}.", hint="They do not fit."
        )
    return UnitIds(ids, before, after, frozenset((*ids, *before, *after)))


def _ids(tokenizer: Any, names: list[str]) -> tuple[int, ...]:
    known = tokenizer.get_vocab()
    lacking = [name for name in names if name not in known]
    if lacking:
        raise ModelBrokenError(
            f"The tokenizer has no token {lacking[0]}{f' nor {len(lacking) - 1} others' if lacking[1:] else ''}.",
            hint="The quantizer and the language model do not fit: was it trained with this codebook?",
        )
    return tuple(known[name] for name in names)


def load_quantiser(folder: Path) -> Quantiser:
    """Load the quantiser beside a language model.

    Raises:
        ModelBrokenError: a file or a weight of it is missing, or its parts do not fit.
    """
    from hark.engines.transformers.native.kmeans import KMeans
    from hark.engines.transformers.native.whisper_vq import WhisperVQ

    layout = read_layout(folder)
    made = WhisperVQ.load if layout.quantizer == "whisper_vq" else KMeans.load
    return made(folder / FOLDER, layout)


def load_encoder(folder: Path, made: Any, inside: str = "") -> Any:
    """Load an encoder of transformers in float32; a weight that is missing is an error, never a random number.

    Args:
        folder: an ordinary folder of transformers.
        made: the class that loads it.
        inside: what the names of its weights begin with where the folder holds a larger model, as a pattern.

    Raises:
        ModelBrokenError: a file or a weight is missing, or it is no such encoder.
    """
    import torch
    from safetensors import SafetensorError

    how: dict[str, Any] = {"key_mapping": {f"^{inside}": ""}} if inside else {}
    try:
        encoder, found = made.from_pretrained(
            folder, local_files_only=True, output_loading_info=True, dtype=torch.float32, **how
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise ModelBrokenError(f"The encoder in {folder} cannot be loaded: {_line(error)}", hint=HINT) from error
    lacking = sorted(
        {name for name in found["missing_keys"] if name.rpartition(".")[2] not in TRAINING_ONLY}
        | {name for name, *_ in found["mismatched_keys"]}
    )
    if lacking:
        more = f" and {len(lacking) - 1} more" if lacking[1:] else ""
        raise ModelBrokenError(f"The encoder in {folder} lacks weights: {lacking[0]}{more}.", hint=HINT)
    return encoder.eval()


def load_extractor(folder: Path, gives: str) -> Any:
    """Load what prepares samples for an encoder; `gives` is the name of what it makes of them.

    Raises:
        ModelBrokenError: there is no `preprocessor_config.json`, or it is for another kind of encoder.
    """
    from transformers import AutoFeatureExtractor

    if not (folder / "preprocessor_config.json").is_file():
        raise ModelBrokenError(f"There is no {folder / 'preprocessor_config.json'}.", hint=HINT)
    try:
        extractor = AutoFeatureExtractor.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise ModelBrokenError(
            f"{folder} has no preprocessor_config.json that can be read: {_line(error)}",
            hint="Copy the one that was published with the encoder.",
        ) from error
    if gives not in extractor.model_input_names:
        raise ModelBrokenError(
            f"The preprocessor_config.json in {folder} is for another encoder: it makes no {gives}.",
            hint="Copy the one that was published with the encoder.",
        )
    return extractor


def _line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), repr(error))
