"""The `sharegpt` form of LLaMA-Factory: a file of chats with `audios`, described in `dataset_info.json` beside it.

Source: data/README.md of hiyouga/LLaMA-Factory.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hark.data.formats.chat_rows import named_clips, none_of, turns_of
from hark.data.formats.swift import MARKS
from hark.data.lines import document, objects
from hark.data.rows import extras, fields, row_id
from hark.data.sample import Sample
from hark.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from hark.data.peek import Peek
    from hark.data.source import Source
    from hark.data.target import Target

ABOUT = "LLaMA-Factory sharegpt with audios: a folder with dataset_info.json, or a file it names"
_INFO = "dataset_info.json"
_FILE = "data.jsonl"
_TAGS = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}


@dataclass(frozen=True, slots=True)
class _Layout:
    """Which columns and tags a file has; the defaults are LLaMA-Factory's."""

    messages: str = "conversations"
    audios: str = "audios"
    system: str | None = None
    role: str = "from"
    content: str = "value"
    user: str = "human"
    assistant: str = "gpt"
    system_role: str = "system"


def fits(peek: Peek) -> bool:
    """Does it look so?"""
    if peek.names:
        return _INFO in peek.names and "state.json" not in peek.names
    return {"conversations", "audios"} <= peek.keys or _described(peek.path) is not None


def read(source: Source) -> Iterator[Sample]:
    """Read the samples of a file that `dataset_info.json` describes, or of the only one of a folder.

    Raises:
        DataError: it is not described, there are several, or they are of another form.
    """
    path, layout = _found(source.path)
    return source.samples(objects(path), lambda number, row: _sample(source, layout, number, row))


def write(samples: Iterable[Sample], target: Target) -> int:
    """Write samples into a folder with their description; returns how many."""
    target.as_folder()
    info = {"file_name": _FILE, "formatting": "sharegpt", "tags": {**_TAGS, "system_tag": "system"}}
    info["columns"] = {"messages": "messages", "audios": "audios"}
    with target.text(_INFO) as file:
        json.dump({target.path.name: info}, file, ensure_ascii=False, indent=2)
    return target.lines(samples, lambda sample: _row(target, sample), _FILE)


def _described(path: Path) -> dict[str, Any] | None:
    """What `dataset_info.json` beside a file says of it."""
    try:
        whole = document(path.parent / _INFO)
    except DataError:
        return None
    entries = whole.values() if isinstance(whole, dict) else ()
    return next((each for each in entries if isinstance(each, dict) and each.get("file_name") == path.name), None)


def _found(path: Path) -> tuple[Path, _Layout]:
    folder = path if path.is_dir() else path.parent
    if path != folder and path.name != _INFO:
        entry = _described(path)
        return path, _layout(entry) if entry else _Layout()
    whole = document(folder / _INFO)
    sets = (
        {k: v for k, v in whole.items() if isinstance(v, dict) and v.get("file_name")}
        if isinstance(whole, dict)
        else {}
    )
    if len(sets) != 1:
        raise DataError(
            f"{folder / _INFO} describes {len(sets)} files.",
            hint=f"Name one of them: {', '.join(str(each['file_name']) for each in sets.values()) or '(none)'}.",
        )
    entry = next(iter(sets.values()))
    return folder / entry["file_name"], _layout(entry)


def _layout(entry: dict[str, Any]) -> _Layout:
    if entry.get("formatting") != "sharegpt" or entry.get("ranking"):
        raise DataError(
            f"{entry.get('file_name')} is of the form {entry.get('formatting', 'alpaca')!r}.",
            hint="hark reads sharegpt, without rankings.",
        )
    columns, tags = entry.get("columns") or {}, entry.get("tags") or {}
    named = {
        "messages": columns.get("messages"),
        "audios": columns.get("audios"),
        "system": columns.get("system"),
        "role": tags.get("role_tag"),
        "content": tags.get("content_tag"),
        "user": tags.get("user_tag"),
        "assistant": tags.get("assistant_tag"),
        "system_role": tags.get("system_tag"),
    }
    return _Layout(**{name: str(value) for name, value in named.items() if value})


def _sample(source: Source, layout: _Layout, number: int, row: Any) -> Sample:
    if not isinstance(row, dict):
        raise DataError(f"This is no entry but {type(row).__name__}.")
    rest = dict(row)
    none_of(rest, "images", "videos", "tools")
    clips = [source.clip(name) for name in named_clips(rest.pop(layout.audios, None))]
    roles = {layout.user: "user", layout.assistant: "assistant", layout.system_role: "system"}
    turns = turns_of(rest.pop(layout.messages, None), layout.role, layout.content, roles)
    system = rest.pop(layout.system, None) if layout.system else None
    if system:
        turns.insert(0, ("system", str(system)))
    return Sample(row_id(rest, number), MARKS.read(turns, clips), **fields(rest))


def _row(target: Target, sample: Sample) -> dict[str, Any]:
    turns, clips = MARKS.write(sample.conversation)
    messages = [{"role": role, "content": text} for role, text in turns]
    row = {"id": sample.id, "messages": messages, "audios": [target.name(clip) for clip in clips]}
    return row | extras(sample, ("messages", "audios"))
