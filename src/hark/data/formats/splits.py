"""The splits that a folder holds: training and test data of one folder are never read as one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hark.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_NAMES = re.compile(r"(train(?:ing)?|test(?:ing)?|eval(?:uation)?|valid(?:ation)?|val|dev)(?:[-_.].*)?$", re.IGNORECASE)


def of_one_split(folder: Path, files: Iterable[Path]) -> list[Path]:
    """The files, in order.

    Raises:
        DataError: their names, or those of the folders they are in, say that they are of several splits.
    """
    found = sorted(files)
    splits: dict[str, Path] = {}
    for path in found:
        parts = path.relative_to(folder).parts
        for depth, part in enumerate(parts):
            if named := _NAMES.match(part):
                splits.setdefault(named[1].lower(), folder.joinpath(*parts[: depth + 1]))
                break
    if len(splits) > 1:
        raise DataError(
            f"{folder} holds several splits: {', '.join(splits)}.",
            hint=f"Name one of them, such as {next(iter(splits.values()))}.",
        )
    return found
