"""A data folder of Kaldi: `wav.scp`, and `segments`, `text`, `utt2spk`, `utt2lang` where there are such.

Files that agree in their order, as Kaldi demands, are read side by side in flat memory; others are read all the same.
Commands in `wav.scp` (lines that end with `|`) are never run. Source: https://kaldi-asr.org/doc/data_prep.html
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hark.conversation.conversation import Conversation
from hark.data.formats.plain import one_turn, whole_name
from hark.data.lines import opened
from hark.data.rows import extras, fields
from hark.data.sample import Sample
from hark.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from hark.data.lines import Entry
    from hark.data.peek import Peek
    from hark.data.source import Source
    from hark.data.target import Target

ABOUT = "Kaldi folder: wav.scp, segments, text, utt2spk, utt2lang"
_SIDES = ("text", "utt2spk", "utt2lang")
_WHOLE = " 0 -1"  # all of a recording: what is not in `segments`, where there is one, is left out
_FILES = ("wav.scp", "segments", *_SIDES, "spk2utt")


def fits(peek: Peek) -> bool:
    """Does it look so?"""
    return "wav.scp" in peek.names or peek.path.name == "wav.scp"


def read(source: Source) -> Iterator[Sample]:
    """Read the samples, in the order of `segments`, else of `wav.scp`."""
    folder = source.path if source.path.is_dir() else source.path.parent
    sides = {name: _Side(folder / name) for name in _SIDES if (folder / name).exists()}
    if (folder / "segments").exists():
        places = dict(_pairs(folder / "wav.scp"))
        entries = _cut(folder / "segments", places)
    else:
        entries = ((f"{key} in wav.scp", (key, place, None, None)) for key, place in _pairs(folder / "wav.scp"))
    return source.samples(entries, lambda _, said: _sample(source, sides, *said))


def write(samples: Iterable[Sample], target: Target) -> int:
    """Write samples, sorted as Kaldi wants it; returns how many."""
    folder = target.as_folder()
    count, cut = 0, False
    files = {name: (folder / name).open("w", encoding="utf-8", newline="\n") for name in _FILES[:-1]}
    try:
        for count, lines in enumerate(target.rows(samples, lambda sample: _lines(target, sample)), 1):  # noqa: B007
            cut = cut or not lines["segments"].endswith(_WHOLE)
            for name, line in lines.items():
                files[name].write(line + "\n")
    finally:
        for file in files.values():
            file.close()
    if not cut:
        (folder / "segments").unlink()
    for name in files:
        _sort(folder / name)
    _by_speaker(folder)
    return count


class _Side:
    """One of the files beside; lines passed on the way to the one asked for are kept."""

    def __init__(self, path: Path) -> None:
        self._lines = _pairs(path)
        self._passed: dict[str, str] = {}

    def of(self, key: str) -> str | None:
        if key in self._passed:
            return self._passed.pop(key)
        for found, value in self._lines:
            if found == key:
                return value
            self._passed[found] = value
        return None


def _pairs(path: Path) -> Iterator[tuple[str, str]]:
    with opened(path) as file:
        for line in file:
            key, _, value = line.strip(" \t\r\n").partition(" ") if "\t" not in line else line.strip().partition("\t")
            if key:
                yield key, value.strip()


def _cut(path: Path, places: dict[str, str]) -> Iterator[Entry]:
    for key, said in _pairs(path):
        where = f"{key} in segments"
        try:
            name, start, end = said.split()
            stop = float(end)
            # Kaldi takes -1 for the end of the recording.
            yield where, (key, places[name], float(start), None if stop == -1 else stop)
        except KeyError as error:
            yield where, DataError(f"wav.scp has no recording {error}.")
        except ValueError:
            yield where, DataError(f"{said!r} is no segment.", hint="utterance recording start end, in seconds.")


def _sample(
    source: Source, sides: dict[str, _Side], key: str, place: str, start: float | None, stop: float | None
) -> Sample:
    said = {name: side.of(key) for name, side in sides.items()}
    if place.endswith("|") or place.startswith("|"):
        raise DataError(
            f"{key} is the output of a command, which is not run.", hint="Write it to a file, and name that."
        )
    if re.search(r"\.ark:\d+$", place):
        raise DataError(f"{key} lies in an archive of Kaldi.", hint="Write its recordings to files (wav-copy).")
    conversation = Conversation.ask((source.clip(place, start, stop),))
    if "text" in sides:
        if said["text"] is None:
            raise DataError(f"text has no line for {key}.")
        conversation = conversation.reply(said["text"])
    speaker = said.get("utt2spk")
    rest = {"speaker": None if speaker == key else speaker, "language": said.get("utt2lang"), "task": "transcribe"}
    return Sample(key, conversation, **fields(rest))


def _lines(target: Target, sample: Sample) -> dict[str, str]:
    system, prompt, text = one_turn(sample, target)
    if len(sample.clips) > 1:
        raise DataError("It has several recordings, which this format cannot hold.", hint="--to messages can.")
    if any(char.isspace() for char in sample.id):
        raise DataError("Its id has a space in it, which Kaldi cannot hold.", hint="--to jsonl can.")
    clip, more = sample.clips[0], extras(sample)
    lines = {}
    if (clip.start or clip.stop is not None) and not target.copy:
        recording = f"{sample.id}-whole"
        lines["wav.scp"] = f"{recording} {whole_name(target, sample)}"
        lines["segments"] = f"{sample.id} {recording} {clip.start!r} {-1 if clip.stop is None else clip.stop!r}"
    else:
        lines["wav.scp"] = f"{sample.id} {target.name(clip)}"
        lines["segments"] = f"{sample.id} {sample.id}{_WHOLE}"
    if text is not None:
        if text != " ".join(text.split()):
            target.lost["tabs, line breaks and double spaces in text"] += 1
        lines["text"] = f"{sample.id} {' '.join(text.split())}"
    speaker = more.pop("speaker", None) or sample.id
    lines["utt2spk"] = f"{sample.id} {_one_word(target, speaker)}"
    if language := more.pop("language", None):
        lines["utt2lang"] = f"{sample.id} {language}"
    if more.pop("task", "transcribe") != "transcribe":
        target.lost["the task"] += 1
    for what, value in {"the question": prompt, "the system prompt": system, **more}.items():
        target.lost[what] += bool(value)
    return lines


def _one_word(target: Target, name: str) -> str:
    if any(char.isspace() for char in name):
        target.lost["spaces in names of speakers"] += 1
    return "_".join(name.split())


def _sort(path: Path) -> None:
    """Sort the lines by their bytes, as LC_ALL=C does; a file without any goes, and one line of two alike."""
    lines = sorted(set(path.read_bytes().splitlines())) if path.exists() else []
    if lines:
        path.write_bytes(b"\n".join(lines) + b"\n")
    else:
        path.unlink(missing_ok=True)


def _by_speaker(folder: Path) -> None:
    speakers: dict[str, list[str]] = {}
    if (folder / "utt2spk").exists():
        for key, speaker in _pairs(folder / "utt2spk"):
            speakers.setdefault(speaker, []).append(key)
        lines = sorted(f"{speaker} {' '.join(keys)}\n".encode() for speaker, keys in speakers.items())
        (folder / "spk2utt").write_bytes(b"".join(lines))
