"""The JSON lines that ms-swift is trained on: `messages`, in which `<audio>` marks recordings, and `audios`.

An assistant's message may have `loss`. Source: docs/source_en/Customization/Custom-dataset.md of modelscope/ms-swift.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hark.data.formats.chat_rows import named_clips, none_of, turns_of
from hark.data.lines import objects
from hark.data.marks import Marks
from hark.data.rows import extras, fields, row_id
from hark.data.sample import Sample
from hark.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hark.data.peek import Peek
    from hark.data.source import Source
    from hark.data.target import Target

ABOUT = "ms-swift: JSON lines with messages and audios"
MARKS = Marks(r"<audio>", "<audio>", "<audio>", "")
_ROLES = {role: role for role in ("user", "assistant", "system")}


def fits(peek: Peek) -> bool:
    """Does it look so?"""
    return {"messages", "audios"} <= peek.keys


def read(source: Source) -> Iterator[Sample]:
    """Read the samples."""
    return source.samples(objects(source.path), lambda number, row: _sample(source, number, row))


def write(samples: Iterable[Sample], target: Target) -> int:
    """Write samples; returns how many."""
    return target.lines(samples, lambda sample: _row(target, sample))


def _sample(source: Source, number: int, row: Any) -> Sample:
    if not isinstance(row, dict):
        raise DataError(f"This is no entry but {type(row).__name__}.")
    rest = dict(row)
    none_of(rest, "images", "videos", "tools", "rejected_response", "rejected_messages")
    clips = [source.clip(name) for name in named_clips(rest.pop("audios", None))]
    messages = rest.pop("messages", None)
    conversation = MARKS.read(turns_of(messages, "role", "content", _ROLES), clips)
    said = [message.get("loss") for message in messages or () if message["role"] == "assistant"]
    if any(loss is not None for loss in said):
        rest["loss"] = [loss is not False for loss in said]
    return Sample(row_id(rest, number), conversation, **fields(rest))


def _row(target: Target, sample: Sample) -> dict[str, Any]:
    turns, clips = MARKS.write(sample.conversation)
    answers = iter(sample.loss)
    messages: list[dict[str, Any]] = []
    for role, text in turns:
        loss = next(answers, None) if role == "assistant" else None
        messages.append({"role": role, "content": text} | ({} if loss is None else {"loss": loss}))
    row: dict[str, Any] = {"id": sample.id, "messages": messages, "audios": [target.name(clip) for clip in clips]}
    return row | extras(replace(sample, loss=()), ("messages", "audios"))
