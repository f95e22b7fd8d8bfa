"""Examples as one batch: text padded at its end, audio at its end, and orders of examples in which little is padded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch.utils.data import Dataset, Sampler

from hark import settings
from hark.engines.transformers.memory import Memory, size_of
from hark.engines.transformers.reuse import TEXT_KEYS
from hark.training.tune_inputs import IGNORED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hark.training.tune_examples import Example
    from hark.training.tune_inputs import Maker

_TEXT = TEXT_KEYS | {"labels", "decoder_input_ids"}
_PADDED = ("input_ids", "decoder_input_ids")


class Examples(Dataset[dict[str, Any]]):  # type: ignore[misc]  # torch is typed loosely
    """Examples as torch wants them: each is made into tensors when it is wanted, and kept while there is room."""

    def __init__(self, found: Sequence[Example], make: Maker) -> None:
        self.found, self.make = found, make
        self.kept = Memory(settings.current().cache_mb * 2**20)

    def __len__(self) -> int:
        return len(self.found)

    def __getitem__(self, number: int) -> dict[str, Any]:
        made: dict[str, Any] | None = self.kept.get(number)
        if made is None:
            made = self.make(self.found[number])
            self.kept.put(number, made, size_of(made))
        return made


class Alike(Sampler[int]):  # type: ignore[misc]
    """Examples of like length one after the other, in an order that the seed and the epoch decide.

    A run that goes on after it was stopped has the same order, so that no example is lost or taken twice.
    """

    def __init__(self, lengths: Sequence[int], batch: int, seed: int) -> None:
        self.lengths, self.batch, self.seed, self.epoch = list(lengths), batch, seed, 0

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        import torch
        from transformers.trainer_pt_utils import get_length_grouped_indices

        generator = torch.Generator().manual_seed(self.seed + self.epoch)
        return iter(get_length_grouped_indices(self.lengths, self.batch, generator=generator))

    def set_epoch(self, epoch: int) -> None:
        """Take the order of another epoch; the trainer says which."""
        self.epoch = epoch


class Collate:
    """Puts the tensors of examples together; floating-point ones in the precision of the model."""

    def __init__(self, pad: int, dtype: Any) -> None:
        self.pad, self.dtype = pad, dtype

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """A batch: text tensors (rows, longest), all others (clips of all rows, ...), in the order of the rows."""
        import torch

        found: dict[str, Any] = {}
        for name in dict.fromkeys(name for row in rows for name in row):
            values = [row[name] for row in rows if name in row]
            if name in _TEXT:
                longest = max(value.shape[-1] for value in values)
                found[name] = torch.cat([self._filled(value, longest, name) for value in values])
                continue
            values = [value if hasattr(value, "shape") else torch.tensor(value) for value in values]
            shape = [max(sizes) for sizes in zip(*(value.shape[1:] for value in values), strict=True)]
            joined = torch.cat([_grown(value, shape) for value in values])
            found[name] = joined.to(self.dtype) if joined.is_floating_point() else joined
        return found

    def _filled(self, value: Any, length: int, name: str) -> Any:
        filler = IGNORED if name == "labels" else self.pad if name in _PADDED else 0
        gap = value.new_full((value.shape[0], length - value.shape[-1]), filler)
        import torch

        return torch.cat([value, gap], dim=-1)


def _grown(value: Any, shape: list[int]) -> Any:
    """A tensor (rows, ...) as (rows, *shape), filled up with zeros at the end of each dimension."""
    grown = value.new_zeros((value.shape[0], *shape))
    grown[tuple(slice(size) for size in value.shape)] = value
    return grown
