"""A folder that `hark data prepare` made, as features and labels at random access: what training reads."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hark.errors import DataError, MissingExtraError, OptionError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

Normalize = Literal["utterance", "global", "none"]


@dataclass(frozen=True, slots=True)
class Item:
    """One sample: (frames, bins) float32 features, ids of its labels with the end, its text, and what else is known."""

    id: str
    features: NDArray[np.float32]
    labels: tuple[int, ...]
    text: str
    about: Mapping[str, Any] = field(default_factory=dict)


class Prepared:
    """The samples of a prepared folder, by number; nothing is read before it is asked for, and it may be pickled.

    Attributes:
        folder: also what `transformers.Speech2TextTokenizer.from_pretrained` takes: `vocab.json` and the pieces.
        about: what `prepared.json` says: counts, seconds, settings.
        frames, labels: how long the features and the labels of each sample are, for batches of like lengths.
    """

    def __init__(self, folder: str | Path, normalize: Normalize = "utterance") -> None:
        """Open it; `normalize` is by each recording (as Speech2Text's extractor), by all of them together, or none.

        Raises:
            DataError: it is no such folder, or is not finished. OptionError: no such normalisation.
        """
        import numpy as np

        if normalize not in ("utterance", "global", "none"):
            raise OptionError(f"There is no normalisation {normalize!r}.", hint="utterance, global or none.")
        self.folder, self.normalize = Path(folder), normalize
        try:
            self.about: dict[str, Any] = json.loads((self.folder / "prepared.json").read_text())
            with np.load(self.folder / "lengths.npz") as lengths:
                self.frames: NDArray[np.int32] = lengths["frames"]
                self.labels: NDArray[np.int32] = lengths["labels"]
                self._begins: NDArray[np.int64] = lengths["begins"]
        except (OSError, ValueError, KeyError) as error:
            raise DataError(
                f"{self.folder} is no finished folder of `hark data prepare`.", hint="Run that again: it goes on."
            ) from error
        self._files: dict[int, Any] = {}
        self._global: tuple[Any, Any] | None = None

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, number: int) -> Item:
        if not -len(self) <= number < len(self):
            raise IndexError(number)
        row = self.row(number % len(self))
        raw = self._shard(row.pop("shard")).get_slice("features")[row["row"] : row["row"] + row["frames"]]
        del row["row"]
        features = self._normalized(raw)
        return Item(row.pop("id"), features, tuple(row.pop("labels")), row.pop("text"), row)

    def row(self, number: int) -> dict[str, Any]:
        """What the index says of a sample: id, text, labels, seconds, speaker, ..."""
        first, after = int(self._begins[number]), int(self._begins[number + 1])
        with (self.folder / "index.jsonl").open("rb") as file:
            file.seek(first)
            row: dict[str, Any] = json.loads(file.read(after - first))
        return row

    def _shard(self, number: int) -> Any:
        if number not in self._files:
            try:
                from safetensors import safe_open
            except ImportError as error:
                raise MissingExtraError.of("Reading features", "train") from error
            path = self.folder / "shards" / f"{number:05d}.safetensors"
            self._files[number] = safe_open(path, framework="numpy")
        return self._files[number]

    def _normalized(self, raw: NDArray[np.float16]) -> NDArray[np.float32]:
        import numpy as np

        features: NDArray[np.float32] = raw.astype(np.float32)
        if self.normalize == "utterance":
            deviation = features.std(axis=0)
            centred = features - features.mean(axis=0)
            return np.asarray(centred / np.where(deviation > 0, deviation, 1), np.float32)
        if self.normalize == "global":
            mean, deviation = self._statistics()
            return np.asarray((features - mean) / deviation, np.float32)
        return features

    def _statistics(self) -> tuple[Any, Any]:
        import numpy as np

        if self._global is None:
            said = json.loads((self.folder / "cmvn.json").read_text())
            self._global = np.asarray(said["mean"], np.float32), np.asarray(said["std"], np.float32)
        return self._global

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_files": {}}  # open files stay behind when it goes to a worker
