"""Suites: published benchmarks, as the files they are published in, each part with its task; one literal dict.

MMAU: Sakshi113/MMAU, arXiv:2410.19168. MMAR: ddlBoJack/MMAR, arXiv:2505.13032. AF-Reasoning-Eval: branch soundCoT of
NVIDIA/audio-flamingo. Open ASR leaderboard: huggingface/open_asr_leaderboard, whose figures are the mean of the WER
of its data sets, and RTFx: all audio by all time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hark.data.formats import told
from hark.errors import DataError, OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path


_SHARD = re.compile(r"(.+?)(-\d{5}-of-\d{5})?\.(parquet|arrow)")


@dataclass(frozen=True, slots=True)
class Part:
    """One data set of a suite; `paths` are read one after the other."""

    name: str
    paths: tuple[Path, ...]
    form: str | None = None


@dataclass(frozen=True, slots=True)
class Suite:
    """A benchmark.

    Attributes:
        about: in one line.
        task: what is measured on each part, by name, with `options`.
        parts: finds the parts in a folder, or in a file.
        by: groups that its figures are published by; those that the data do not say are left out.
    """

    about: str
    task: str
    parts: Callable[[Path], list[Part]]
    options: Mapping[str, Any] = field(default_factory=dict)
    by: tuple[str, ...] = ()


def suite_of(name: str) -> Suite:
    """The suite of a name.

    Raises:
        OptionError: there is none.
    """
    if name not in SUITES:
        raise OptionError(f"There is no suite {name!r}.", hint=f"There are {', '.join(SUITES)}.")
    return SUITES[name]


def _questions(path: Path) -> list[Part]:
    return _told(path, "mmau")


def _reasoning(path: Path) -> list[Part]:
    return _told(path, "flamingo-reasoning")


def _told(path: Path, form: str) -> list[Part]:
    """Each JSON file that is told to be of a format."""
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    return _some(path, [Part(file.stem, (file,), form) for file in files if _form(file) == form], form)


def _transcripts(path: Path) -> list[Part]:
    """Each manifest, each split of Parquet files, and each other data set, in a folder or in folders in it."""
    if path.is_file():
        return [Part(path.stem, (path,))]
    found: dict[str, list[Path]] = {}
    for folder in (path, *sorted(entry for entry in path.rglob("*") if entry.is_dir())):
        inner = folder.relative_to(path).as_posix()
        for file in sorted(entry for entry in folder.iterdir() if entry.is_file()):
            shard = _SHARD.fullmatch(file.name)
            if shard or file.suffix in (".jsonl", ".json", ".csv", ".tsv"):
                name = shard[1] if shard else file.stem
                found.setdefault(name if inner == "." else f"{inner}/{name}", []).append(file)
    parts = [Part(name, tuple(files)) for name, files in found.items() if _form(files[0])]
    return _some(path, parts, "manifests or Parquet files")


def _some(path: Path, parts: list[Part], what: str) -> list[Part]:
    if not parts:
        raise DataError(f"There is no data of this suite in {path}.", hint=f"It is read as published: {what}.")
    return parts


def _form(path: Path) -> str | None:
    try:
        return told(path)
    except (DataError, OSError):
        return None


SUITES: dict[str, Suite] = {
    "mmau": Suite(
        "MMAU: questions on speech, music and sound, multiple choice",
        "choice",
        _questions,
        by=("domain", "difficulty", "category"),
    ),
    "mmar": Suite(
        "MMAR: questions that want reasoning, on speech, sound, music and mixes of them, multiple choice",
        "choice",
        _questions,
        by=("modality", "category", "language"),
    ),
    "af-reasoning": Suite(
        "AF-Reasoning-Eval of Audio Flamingo: sounds, multiple choice and yes or no",
        "choice",
        _reasoning,
        by=("flamingo_task",),
    ),
    "open-asr": Suite(
        "Open ASR leaderboard: English transcripts, mean WER of all data sets",
        "asr",
        _transcripts,
        options={"normaliser": "whisper-english"},
    ),
}


def said(by: Iterable[str], samples: Iterable[Any]) -> tuple[str, ...]:
    """Those of the groups that any sample says."""
    from hark.evaluation.chosen import UNKNOWN, value_of

    left = dict.fromkeys(by)
    found: dict[str, None] = {}
    for sample in samples:
        for name in [name for name in left if value_of(sample, name) != UNKNOWN]:
            found[name] = left.pop(name)
        if not left:
            break
    return tuple(name for name in by if name in found)
