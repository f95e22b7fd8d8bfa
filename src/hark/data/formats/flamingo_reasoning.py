"""AF_Reasoning_Eval of NVIDIA's Audio Flamingo: `{"dataset_path", "flamingo_task", "total_num", "data": {"0": ...}}`.

Each entry has `name`, `prompt` with its choices as `(A) ... (B) ...`, and `output` such as `(B) restaurant`.
Source: branch soundCoT of NVIDIA/audio-flamingo.
"""

from __future__ import annotations

import json
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from hark.conversation.conversation import Conversation
from hark.data.formats.plain import one_turn
from hark.data.lines import document
from hark.data.rows import extras, fields
from hark.data.sample import Sample
from hark.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hark.data.lines import Entry
    from hark.data.peek import Peek
    from hark.data.source import Source
    from hark.data.target import Target

ABOUT = "AF_Reasoning_Eval of NVIDIA Audio Flamingo"
_CHOICE = re.compile(r"\(([A-Z])\)\s*(.+?)(?=[\s.,;]*(?:\([A-Z]\)|$))", re.DOTALL)


def fits(peek: Peek) -> bool:
    """Does it look so?"""
    return b'"flamingo_task"' in peek.head


def read(source: Source) -> Iterator[Sample]:
    """Read the samples."""
    whole = document(source.path)
    if not isinstance(whole, dict) or not isinstance(whole.get("data"), dict):
        raise DataError(
            f"{source.path} has no data.", hint='{"dataset_path": ..., "flamingo_task": ..., "data": {...}}'
        )
    folder = "" if source.moved else str(whole.get("dataset_path") or "")
    task = whole.get("flamingo_task")
    entries: Iterator[Entry] = ((f"entry {key}", (key, entry)) for key, entry in whole["data"].items())
    return source.samples(entries, lambda _, said: _sample(source, folder, task, *said))


def write(samples: Iterable[Sample], target: Target) -> int:
    """Write samples; returns how many."""
    count, task = 0, "reasoning"
    with target.text() as file:
        file.write('{"dataset_path": "", "data": {')
        for count, (row, named) in enumerate(target.rows(samples, lambda sample: _row(target, sample)), 1):
            task = named or task
            file.write(
                f"{',' if count > 1 else ''}\n{json.dumps(str(count - 1))}: {json.dumps(row, ensure_ascii=False)}"
            )
        file.write(f'\n}}, "flamingo_task": {json.dumps(task)}, "total_num": {count}}}\n')
    return count


def _sample(source: Source, folder: str, task: Any, key: str, entry: Any) -> Sample:
    if (
        not isinstance(entry, dict)
        or not isinstance(entry.get("name"), str)
        or not isinstance(entry.get("prompt"), str)
    ):
        raise DataError(f"This is no entry: {entry!r:.80}.", hint="It needs name, prompt and output.")
    rest = dict(entry)
    clip = source.clip(str(PurePosixPath(folder) / rest.pop("name")))
    conversation = Conversation.ask((clip,), rest.pop("prompt"))
    output = rest.pop("output", None)
    if isinstance(output, str):
        conversation = conversation.reply(output)
    rest.setdefault("choices", [found[2].strip() for found in _CHOICE.finditer(conversation.prompt)])
    if task:
        rest.setdefault("flamingo_task", task)
    return Sample(str(rest.pop("id", key)), conversation, **fields(rest))


def _row(target: Target, sample: Sample) -> tuple[dict[str, Any], Any]:
    system, prompt, answer = one_turn(sample, target)
    if len(sample.clips) > 1:
        raise DataError("It has several recordings, which this format cannot hold.", hint="--to messages can.")
    if system:
        target.lost["the system prompt"] += 1
    more = extras(sample, ("name", "prompt", "output"))
    task = more.pop("flamingo_task", None)
    row = {"id": sample.id, "name": target.name(sample.clips[0]), "prompt": prompt}
    return row | ({} if answer is None else {"output": answer}) | more, task
