"""Make shards of features of a data set in several processes; what was made is kept when it is stopped, however."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hark.data.place import place_of
from hark.data.pool import mapped
from hark.data.prepare import vocabulary
from hark.data.prepare.shards import Shard, Wanted, make
from hark.data.reading import read
from hark.errors import DataError, HarkError, OptionError, OutputError
from hark.machine import usable_cores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np

    from hark.data.sample import Sample
    from hark.data.source import Bad

PLAN, DONE, INDEX, SHARDS = "plan.json", "prepared.json", "index.jsonl", "shards"
_KEPT = ("speaker", "language", "to", "task")


@dataclass(frozen=True, slots=True)
class Wishes:
    """How features and labels are made.

    Attributes:
        vocab: how many pieces of words, `characters`, `words`, or a folder that has a vocabulary.
        bins: mel bands.
        shard: samples in each shard.
        longest: seconds; longer recordings are left out, and named.
        lowercase: whether text is made lower case, for the vocabulary and the labels.
    """

    vocab: str = vocabulary.CHARACTERS
    bins: int = 80
    shard: int = 500
    longest: float = 60.0
    lowercase: bool = False

    def __post_init__(self) -> None:
        sized = vocabulary.learned(self.vocab) or Path(self.vocab).is_dir()
        if not sized or self.vocab == "0":
            raise OptionError(
                f"The vocabulary cannot be {self.vocab!r}.",
                hint="Give a number of pieces, `characters`, `words`, or a folder that has one.",
            )
        if not (1 <= self.bins <= 256 and self.shard >= 1 and self.longest > 0):
            raise OptionError("There have to be 1 to 256 bins, and a shard of 1 sample or more, of some length.")


def prepare(
    path: str | Path,
    out: str | Path,
    wishes: Wishes | None = None,
    *,
    form: str | None = None,
    audio: str | Path | None = None,
    jobs: int | None = None,
    step: Callable[[int], None] = lambda _: None,
) -> dict[str, Any]:
    """Make features, labels, a vocabulary and statistics; goes on where an earlier run into the same folder stopped.

    `step` is called with the samples done. Returns what is in `prepared.json`: counts, seconds, settings.

    Raises:
        DataError: the data set cannot be read, or nothing in it can be used.
        OutputError: the folder holds something else. MissingExtraError: sentencepiece or safetensors is not installed.
    """
    path, out, wishes = Path(path), Path(out), wishes or Wishes()
    bad: list[Bad] = []
    samples = read(path, form, audio=audio, bad=bad.append)
    _begin(out, {"source": str(path.resolve()), "state": _state(path), "form": form, "wishes": asdict(wishes)})
    with alone(out / PLAN):
        shards = _shards(samples, out / SHARDS, wishes)
        for shard, _ in mapped(make, _missing(shards, step), jobs or usable_cores(), _lost):
            step(len(shard.samples))
        count = sum(1 for _ in (out / SHARDS).glob("*.json"))
        return _finish(out, wishes, count, [{"id": each.where, "why": each.why} for each in bad])


def _begin(out: Path, plan: dict[str, Any]) -> None:
    """Make the folder, or see that what is in it was made by the same plan."""
    try:
        (out / SHARDS).mkdir(parents=True, exist_ok=True)
        if not (out / PLAN).exists():
            if len(list(out.iterdir())) > 1:
                raise OutputError(f"{out} holds something else.", hint="Name a folder that is new or empty.")
            (out / PLAN).write_text(json.dumps(plan, indent=1))
        before = json.loads((out / PLAN).read_text())
    except (OSError, ValueError) as error:
        if isinstance(error, HarkError):
            raise
        raise OutputError(f"{out} cannot be used: {error}.") from error
    changed = [key for key in plan if plan[key] != before.get(key)]
    if changed:
        raise OutputError(
            f"{out} was begun with another {' and '.join(changed)}.",
            hint="Name another folder, or remove this one.",
        )


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """See that no other process writes into the folder of a file; the system lets go of it however a process ends.

    Raises:
        OutputError: one does.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise OutputError(f"Another process writes into {path.parent}.", hint="Wait for it, or end it.") from error
        yield


def _state(path: Path) -> list[list[Any]]:
    """Names, sizes and times by which it is seen that a data set changed."""
    files = sorted(entry for entry in path.iterdir() if entry.is_file()) if path.is_dir() else [path]
    return [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files]


def _shards(samples: Iterator[Sample], folder: Path, wishes: Wishes) -> Iterator[Shard]:
    number = 0
    while some := tuple(_wanted(sample, wishes) for sample in islice(samples, wishes.shard)):
        yield Shard(folder, number, some, wishes.bins, wishes.longest)
        number += 1


def _missing(shards: Iterator[Shard], step: Callable[[int], None]) -> Iterator[Shard]:
    for shard in shards:
        if shard.index.exists():
            step(len(shard.samples))
        else:
            yield shard


def _wanted(sample: Sample, wishes: Wishes) -> Wanted:
    target = sample.target
    row: dict[str, Any] = {"id": sample.id}
    if target is None or not target.strip():
        return Wanted(None, row | {"why": "It has no text to be learned."})
    if len(sample.clips) != 1:
        return Wanted(None, row | {"why": f"It has {len(sample.clips)} recordings; one is needed."})
    row["text"] = target.lower() if wishes.lowercase else target
    row |= {name: getattr(sample, name) for name in _KEPT if getattr(sample, name) is not None}
    try:
        return Wanted(place_of(sample.clips[0]), row)
    except (HarkError, OSError) as error:
        return Wanted(None, row | {"why": str(error)})


def _lost(shard: Shard) -> int:
    raise DataError(
        f"A recording of shard {shard.number} crashes its decoder or needs too much memory.",
        hint="`hark data check` names it; leave it out, and prepare into a new folder.",
    )


def _finish(out: Path, wishes: Wishes, shards: int, skipped: list[dict[str, str]]) -> dict[str, Any]:
    """Vocabulary, labels, index and statistics, from the shards."""
    import numpy as np

    total, squares, seconds, some = np.zeros(wishes.bins), np.zeros(wishes.bins), 0.0, False
    for said in _said(out, shards):
        skipped += said["skipped"]
        some = some or bool(said["rows"])
        seconds += sum(row["seconds"] for row in said["rows"])
        total, squares = total + said["sum"], squares + said["squares"]
    if not some:
        raise DataError("No sample can be used.", hint=skipped[0]["why"] if skipped else "There are none.")
    rows = (row for said in _said(out, shards) for row in said["rows"])
    if vocabulary.learned(wishes.vocab):
        vocabulary.train((row["text"] for row in rows), wishes.vocab, out)
    else:
        vocabulary.take(Path(wishes.vocab), out)
    frames, unknown, pieces = _index(out, shards)
    _statistics(out, total, squares, int(frames.sum()))
    with (out / "skipped.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(each, ensure_ascii=False) + "\n" for each in skipped)
    done: dict[str, Any] = {
        "samples": len(frames),
        "skipped": len(skipped),
        "seconds": round(seconds, 3),
        "frames": int(frames.sum()),
    }
    done |= {"shards": shards, "pieces": pieces, "unknown": unknown, "settings": asdict(wishes)}
    part = out / f"{DONE}.part"
    part.write_text(json.dumps(done, indent=1))
    os.replace(part, out / DONE)
    return done


def _said(out: Path, shards: int) -> Iterator[dict[str, Any]]:
    for number in range(shards):
        yield json.loads((out / SHARDS / f"{number:05d}.json").read_text(encoding="utf-8"))


def _index(out: Path, shards: int) -> tuple[np.ndarray[Any, Any], int, int]:
    """Write the rows with their labels, where each begins, and how long each is."""
    import numpy as np

    known = vocabulary.Vocabulary(out)
    frames, begins, labelled, unknown = [], [0], [], 0
    with (out / INDEX).open("wb") as file:
        for said in _said(out, shards):
            for row in said["rows"]:
                labels = known.encode(row["text"])
                unknown += labels.count(vocabulary.UNKNOWN)
                file.write(json.dumps(row | {"labels": labels}, ensure_ascii=False).encode() + b"\n")
                begins.append(file.tell())
                frames.append(row["frames"])
                labelled.append(len(labels))
    lengths = np.asarray(frames, np.int32)
    np.savez(out / "lengths.npz", frames=lengths, labels=np.asarray(labelled, np.int32), begins=np.asarray(begins))
    return lengths, unknown, len(known.ids)


def _statistics(out: Path, total: Any, squares: Any, frames: int) -> None:
    """Mean and deviation of each band over all frames, as for global cepstral mean and variance normalisation."""
    import numpy as np

    mean = total / frames
    deviation = np.sqrt(np.maximum(squares / frames - mean**2, 1e-10))
    (out / "cmvn.json").write_text(json.dumps({"mean": mean.tolist(), "std": deviation.tolist(), "frames": frames}))
