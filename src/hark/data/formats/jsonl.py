"""One JSON object on each line: `audio`, `text`, and what else there is to say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hark.data.formats.plain import AUDIO, read_row, write_row
from hark.data.lines import objects

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hark.data.peek import Peek
    from hark.data.sample import Sample
    from hark.data.source import Source
    from hark.data.target import Target

ABOUT = "JSON lines: audio, text, start, end, prompt, speaker, language, ..."


def fits(peek: Peek) -> bool:
    """Does it look so?"""
    return bool(peek.keys & set(AUDIO))


def read(source: Source) -> Iterator[Sample]:
    """Read the samples."""
    return source.samples(objects(source.path), lambda number, row: read_row(source, number, row))


def write(samples: Iterable[Sample], target: Target) -> int:
    """Write samples; returns how many."""
    return target.lines(samples, lambda sample: write_row(target, sample))
