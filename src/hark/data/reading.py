"""Read and write data sets of any format, a sample at a time, however long they are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hark.data.formats import named, told, told_by_name
from hark.data.source import Source
from hark.data.target import Target
from hark.errors import DataError, HarkError, OutputError

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterable, Iterator

    from hark.data.sample import Sample
    from hark.data.source import Bad


def read(
    path: str | Path,
    form: str | None = None,
    *,
    audio: str | Path | None = None,
    bad: Callable[[Bad], None] | None = None,
) -> Iterator[Sample]:
    """Read the samples of a data set one by one; recordings are not opened before they are heard.

    Args:
        path: a file or a folder.
        form: its format, a key of `hark.data.formats.FORMATS`; by default told from what is in it.
        audio: the folder in which relative names of recordings begin; by default that of the data set.
        bad: called with each entry that cannot be read, which is then left out.

    Raises:
        DataError: there is no such data set, it is of no known format, or (without `bad`) an entry cannot be read.
        OptionError: no such format. MissingExtraError: the format needs pyarrow.
    """
    path = Path(path)
    module = named(form or told(path))
    if not path.exists():
        raise DataError(f"There is no {path}.", hint="Check the name.")
    beside = path if path.is_dir() else path.parent
    source = Source(path, Path(audio) if audio else beside, bad, moved=audio is not None)
    found: Iterator[Sample] = module.read(source)
    return found


def write(
    samples: Iterable[Sample],
    path: str | Path,
    form: str | None = None,
    *,
    copy_audio: bool = False,
    bad: Callable[[Bad], None] | None = None,
) -> tuple[int, Counter[str]]:
    """Write a data set; it appears when it is whole. Returns how many samples, and what the format could not hold.

    Args:
        samples: what to write.
        path: a file or folder, which must not be there yet.
        form: the format; by default told from the ending of the name.
        copy_audio: copy recordings beside it; otherwise they are named where they are.
        bad: called with each sample that the format cannot hold at all, which is then left out.

    Raises:
        DataError: the format cannot hold a sample. OptionError: no such format.
        OutputError: there is something of that name already, or it cannot be written.
    """
    path = Path(path)
    module = named(form or told_by_name(path))
    if path.exists():
        raise OutputError(f"{path} is already there.", hint="Name another, or remove it first.")
    target = Target(path, copy=copy_audio, bad=bad)
    try:
        target.abandon()  # what an earlier attempt left
        count: int = module.write(samples, target)
        target.finish()
    except OSError as error:
        target.abandon()
        if isinstance(error, HarkError):
            raise
        raise OutputError(f"{path} cannot be written: {error.strerror or error}.") from error
    except BaseException:
        target.abandon()
        raise
    return count, +target.lost
