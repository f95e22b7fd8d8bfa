"""Examples for training from prepared folders: drawn, joined, augmented and normalised, the same for the same seed."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from hark.errors import DataError
from hark.training import augment as change

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from hark.data.prepared import Prepared
    from hark.training.recipe import Recipe

FRAMES_A_SECOND = 100
_SILENCE = np.float32(np.log(1.192092955078125e-07))  # what `log_mel` gives where nothing is heard
_LABEL_END, _QUIET = 2, 5  # the id of the end; a percentile
_KEPT_FRAMES = 4_000_000  # of features that are kept in memory, 16 bits a band


@dataclass(frozen=True, slots=True)
class Chosen:
    """The samples of a prepared folder that are used, by number."""

    prepared: Prepared
    numbers: tuple[int, ...]


@dataclass(slots=True)
class Pool:
    """Recordings with their labels, at random access; what was read is kept while it is small."""

    sources: Sequence[Chosen]
    used_bins: int
    frames: NDArray[np.int64] = field(init=False)
    rows: list[tuple[int, int]] = field(init=False)
    _kept: dict[int, tuple[Any, tuple[int, ...]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rows = [(at, number) for at, source in enumerate(self.sources) for number in source.numbers]
        self.frames = np.asarray([self.sources[at].prepared.frames[number] for at, number in self.rows], np.int64)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], tuple[int, ...]]:
        """Features (frames, used bands), not normalised, and the labels with their end."""
        found = self._kept.get(index)
        if found is None:
            at, number = self.rows[index]
            item = self.sources[at].prepared[number]
            found = item.features[:, : self.used_bins].astype(np.float16), item.labels
            if self.frames.sum() <= _KEPT_FRAMES:
                self._kept[index] = found
        return found[0].astype(np.float32), found[1]

    def speakers(self) -> list[list[int]]:
        """The recordings of each speaker, by number; those of nobody known are one's."""
        found: dict[Any, list[int]] = defaultdict(list)
        for index, (at, number) in enumerate(self.rows):
            found[self.sources[at].prepared.row(number).get("speaker")].append(index)
        return list(found.values())


class Examples:
    """What transformers' Trainer takes as a data set: features and labels.

    An index says the epoch, too (`epoch * len + place`), so that no state is shared with the processes that load, and a
    run that goes on draws what it would have drawn.
    """

    def __init__(self, pool: Pool, recipe: Recipe, noise: Any = None, *, training: bool) -> None:
        """`noise` are the log-mel energies of a recording of noise, (frames, bands)."""
        self.pool, self.recipe, self.training = pool, recipe, training
        self.sequences = recipe.sequences if training else None
        self._noise = noise
        self._speakers = pool.speakers() if self.sequences else []
        self._plan = lru_cache(maxsize=2)(self._planned)

    def __len__(self) -> int:
        return (self.sequences.each_epoch if self.sequences else None) or len(self.pool)

    def __getitem__(self, index: int) -> dict[str, Any]:
        epoch, place = divmod(index, len(self))
        if not self.training:
            features, labels = self.pool[place]
            return self._given(features, labels)
        rng = np.random.default_rng((self.recipe.training.seed, epoch, place))
        members = self._plan(epoch)[place]
        features, joined = self._joined(members, rng)
        noise = self.recipe.augment.noise
        if noise and rng.random() < noise.probability:
            bank = change.white(self.recipe.data.bins) if self._noise is None else self._noise
            features = change.noisy(features, noise, bank[:, : features.shape[1]], rng)
        found = self._given(features, joined)
        if self.recipe.augment.spec:
            found["input_features"] = change.masked(found["input_features"], self.recipe.augment.spec, rng)
        return found

    def lengths(self, epoch: int) -> NDArray[np.int64]:
        """About how many frames each example of an epoch has, before speeds are changed."""
        if not self.training:
            return self.pool.frames
        return np.asarray([self.pool.frames[list(members)].sum() for members in self._plan(epoch)])

    def _given(self, features: Any, labels: Sequence[int]) -> dict[str, Any]:
        return {"input_features": change.normalized(features, self.recipe.model.normalize), "labels": list(labels)}

    def _planned(self, epoch: int) -> list[tuple[int, ...]]:
        """The recordings in each example of an epoch."""
        if not self.sequences:
            return [(number,) for number in range(len(self.pool))]
        rng = np.random.default_rng((self.recipe.training.seed, epoch))
        low, high = self.sequences.count
        shares = np.asarray([len(each) for each in self._speakers], float)
        whose = rng.choice(len(self._speakers), len(self), p=shares / shares.sum())
        counts = rng.integers(low, high + 1, len(self))
        return [
            tuple(rng.choice(self._speakers[speaker], count).tolist())
            for speaker, count in zip(whose, counts, strict=True)
        ]

    def _joined(self, members: Sequence[int], rng: np.random.Generator) -> tuple[Any, list[int]]:
        parts, labels = [], []
        for number in members:
            features, ids = self.pool[number]
            parts.append(change.changed(features, self.recipe.augment, self.recipe.data.bins, rng))
            labels += [token for token in ids if token != _LABEL_END]
        if self.sequences:
            gap, edge = self.sequences.gap_seconds, self.sequences.edge_seconds
            gaps = [edge, *[gap] * (len(parts) - 1), edge]
            level = self._silence(parts)
            silences = [np.tile(level, (round(rng.uniform(*bounds) * FRAMES_A_SECOND), 1)) for bounds in gaps]
            parts = [silences[0], *(each for pair in zip(parts, silences[1:], strict=True) for each in pair)]
        return np.concatenate(parts), [*labels, _LABEL_END]

    def _silence(self, parts: Sequence[Any]) -> Any:
        """The energy of each band where nobody speaks."""
        if self.sequences and self.sequences.silence == "digital":
            return np.full(self.pool.used_bins, _SILENCE, np.float32)
        whole = np.concatenate(parts)
        place = len(whole) * _QUIET // 100
        return np.partition(whole, place, axis=0)[place]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_plan": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._plan = lru_cache(maxsize=2)(self._planned)


class Buckets:
    """A sampler whose batches hold examples of like length, in another order in each epoch."""

    POOLED = 50  # batches whose examples are sorted together

    def __init__(self, examples: Examples, batch: int, epoch: Any) -> None:
        """`epoch()` says which one begins."""
        self.examples, self.batch, self.epoch = examples, batch, epoch

    def __len__(self) -> int:
        return len(self.examples)

    def __iter__(self) -> Iterator[int]:
        epoch = self.epoch()
        rng = np.random.default_rng((self.examples.recipe.training.seed, epoch, 1))
        lengths, size = self.examples.lengths(epoch), len(self.examples)
        order, batches = rng.permutation(size), []
        for first in range(0, size, self.POOLED * self.batch):
            some = order[first : first + self.POOLED * self.batch]
            some = some[np.argsort(lengths[some], kind="stable")]
            batches += [some[at : at + self.batch] for at in range(0, len(some), self.batch)]
        short = [each for each in batches if len(each) < self.batch]  # last: batches are cut from one row of indices
        whole = [each for each in batches if len(each) == self.batch]
        for number in rng.permutation(len(whole)):
            yield from (epoch * size + whole[number]).tolist()
        for each in short:
            yield from (epoch * size + each).tolist()


def collate(examples: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Examples to tensors: `input_features` (batch, frames, bands), their mask, and labels, -100 after their end."""
    import torch

    frames = [len(each["input_features"]) for each in examples]
    features = np.zeros((len(examples), max(frames), examples[0]["input_features"].shape[1]), np.float32)
    mask = np.zeros((len(examples), max(frames)), np.int64)
    labels = np.full((len(examples), max(len(each["labels"]) for each in examples)), -100, np.int64)
    for row, each in enumerate(examples):
        features[row, : frames[row]] = each["input_features"]
        mask[row, : frames[row]] = 1
        labels[row, : len(each["labels"])] = each["labels"]
    return {
        "input_features": torch.from_numpy(features),
        "attention_mask": torch.from_numpy(mask),
        "labels": torch.from_numpy(labels),
    }


def choose(prepared: Prepared, speakers: Sequence[str], at_least: float, at_most: float) -> Chosen:
    """The samples of some speakers (all, where none are named) that last so many seconds, and can be aligned.

    Raises:
        DataError: there are none.
    """
    frames = prepared.frames
    fit = (frames >= max(at_least * FRAMES_A_SECOND, 1)) & (frames <= at_most * FRAMES_A_SECOND)
    numbers = np.flatnonzero(fit).tolist()
    if speakers:
        numbers = [number for number in numbers if prepared.row(number).get("speaker") in speakers]
    if not numbers:
        raise DataError(
            f"{prepared.folder} has no sample of {', '.join(speakers) or 'that length'}.",
            hint="data.train names speakers as they are in the data set; data.max_seconds bounds lengths.",
        )
    return Chosen(prepared, tuple(numbers))
