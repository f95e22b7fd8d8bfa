"""Several conversations at once: questions about the same audio from one prefix, others among those of like length."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from hark.engines.bucketing import buckets
from hark.engines.transformers.generation import Counted, generate_rows
from hark.engines.transformers.reuse import TEXT_KEYS, straighten, units_known

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from hark.answers.answer import Notice
    from hark.engines.engine import Options
    from hark.engines.transformers.families.family import Family, Inputs, Loaded
    from hark.engines.transformers.reuse import Heard, Reuse

MOST = 8  # rows at once: each holds its keys and values


@dataclass(slots=True, eq=False)
class Row:
    """One conversation: what the model is given, and in the end its answer."""

    inputs: Inputs
    heard: Heard
    seconds: float
    notices: tuple[Notice, ...]
    system: str
    gone: Callable[[], bool] = lambda: False  # does nobody want it any more?
    counted: Counted = field(default_factory=Counted)

    @property
    def length(self) -> int:
        """Tokens of its prompt."""
        return int(self.inputs.tensors["input_ids"].shape[-1])


def possible(loaded: Loaded, options: Options) -> bool:
    """Do rows of a batch get the same as alone? With beams there is one; a seed makes other numbers for each row."""
    wished = loaded.model.generation_config
    sampled = wished.do_sample if options.temperature is None and options.top_p is None else options.temperature != 0
    beams = options.beams or wished.num_beams or 1
    return beams == 1 and not (sampled and options.seed is not None)


def answer(
    family: Family, loaded: Loaded, reuse: Reuse, rows: Sequence[Row], options: Options, *, exact: bool
) -> list[Row]:
    """Answer rows in place, and give those back that have to be answered alone.

    `exact` says whether rows with other clips change nothing for one another.
    """
    alike: dict[Hashable, list[Row]] = defaultdict(list)
    for row in rows:
        alike[row.heard.clips, row.system].append(row)
    alone: list[Row] = []
    for group in alike.values():
        for part in _parts(group):
            if len(part) == 1 or not _from_prefix(family, loaded, reuse, part, options):
                alone += part
    if not exact:
        return alone
    left = [row for row in alone if reuse.knows(family, loaded, row.inputs, row.heard)]
    for bucket in buckets((row for row in alone if row not in left), lambda row: row.length, MOST):
        alike_made = len(bucket) > 1 and len({frozenset(row.inputs.tensors) for row in bucket}) == 1
        if not (alike_made and _side_by_side(family, loaded, bucket, options)):
            left += bucket
    return left


def _parts(rows: list[Row]) -> list[list[Row]]:
    count = -(-len(rows) // MOST)
    return [rows[number::count] for number in range(count)]


def _from_prefix(family: Family, loaded: Loaded, reuse: Reuse, rows: list[Row], options: Options) -> bool:
    """Answer questions about the same clips from the tokens that all begin with; False where they share too little."""

    def run(loaded: Loaded, inputs: Inputs, **keywords: Any) -> Any:
        del inputs
        prefix = reuse.prefix(family, loaded, [row.inputs for row in rows], rows[0].heard, rows[0].counted, keywords)
        if prefix is None:
            return None
        for row in rows[1:]:
            row.counted.cached_tokens = prefix.tokens
            row.counted.cached_clips = prefix.clips or units_known(row.inputs, row.heard)
        tensors = padded([row.inputs.tensors for row in rows], loaded, after=prefix.tokens)
        prefix.cache.batch_repeat_interleave(len(rows))
        straighten(loaded.model)
        given = replace(rows[0].inputs, tensors=tensors)
        return family.run(loaded, given, past_key_values=prefix.cache, **keywords)

    return _generated(family, loaded, rows, options, run)


def _side_by_side(family: Family, loaded: Loaded, rows: list[Row], options: Options) -> bool:
    """Answer conversations with clips of their own, padded to the longest; False where they differ too much."""

    def run(loaded: Loaded, inputs: Inputs, **keywords: Any) -> Any:
        tensors = padded([row.inputs.tensors for row in rows], loaded)
        return family.run(loaded, replace(inputs, tensors=tensors), **keywords)

    return _generated(family, loaded, rows, options, run)


def _generated(family: Family, loaded: Loaded, rows: list[Row], options: Options, run: Callable[..., Any]) -> bool:
    inputs, counted = [row.inputs for row in rows], [row.counted for row in rows]
    return generate_rows(family, loaded, inputs, options, counted, run, lambda number: rows[number].gone())


def padded(tensors: Sequence[Any], loaded: Loaded, after: int | None = None) -> Any:
    """Tensors of several conversations as those of a batch.

    Tokens are padded before what is new, which begins `after` tokens that all share (else at the beginning); then
    tensors of audio, which belong to the shared tokens, are left out. Audio is padded at its end.
    """
    import torch

    filler = loaded.model.generation_config.pad_token_id
    fillers = {"input_ids": (filler[0] if isinstance(filler, list) else filler) or 0}
    found = {}
    for name in tensors[0]:
        values = [row[name] for row in tensors]
        if name in TEXT_KEYS:
            longest = max(value.shape[-1] for value in values)
            found[name] = torch.cat([_filled(value, longest, after or 0, fillers.get(name, 0)) for value in values])
        elif after is None:
            shape = [max(sizes) for sizes in zip(*(value.shape[1:] for value in values), strict=True)]
            found[name] = torch.cat([_grown(value, shape) for value in values])
    return type(tensors[0])(found)


def _filled(value: Any, length: int, at: int, filler: int) -> Any:
    """Tokens (1, n) as (1, length), filled up at a place."""
    import torch

    gap = value.new_full((1, length - value.shape[-1]), filler)
    return torch.cat([value[:, :at], gap, value[:, at:]], dim=-1)


def _grown(value: Any, shape: list[int]) -> Any:
    """A tensor (rows, ...) as (rows, *shape), filled up with zeros at the end of each dimension."""
    grown = value.new_zeros((value.shape[0], *shape))
    grown[tuple(slice(size) for size in value.shape)] = value
    return grown
