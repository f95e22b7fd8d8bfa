"""The JSON that NVIDIA's Audio Flamingo 3 is trained on: `id`, `sound`, `duration`, `conversations`.

`sound` is a path or a list of them; the first message of `human` marks it by `<sound>`, several by `<sound-1>`,
`<sound-2>`. Source: README of the branch audio_flamingo_3 of NVIDIA/audio-flamingo.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hark.data.formats.chat_rows import named_clips, turns_of
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

ABOUT = "NVIDIA Audio Flamingo 3 (AF-Think, AudioSkills): JSON with sound and conversations"
THINK = "Please think and reason about the input audio before you respond."
MARKS = Marks(r"<sound(?:-(\d+))?>", "<sound>", "<sound-{}>", "\n")
_ROLES = {"human": "user", "gpt": "assistant", "system": "system"}
_NAMES = {hark: theirs for theirs, hark in _ROLES.items()}


def fits(peek: Peek) -> bool:
    """Does it look so?"""
    return "conversations" in peek.keys and "audios" not in peek.keys


def read(source: Source) -> Iterator[Sample]:
    """Read the samples; `about["thinking"]` tells those that are asked to reason first."""
    return source.samples(objects(source.path), lambda number, row: _sample(source, number, row))


def write(samples: Iterable[Sample], target: Target) -> int:
    """Write samples; returns how many."""
    return target.array(samples, lambda sample: _row(target, sample))


def _sample(source: Source, number: int, row: Any) -> Sample:
    if not isinstance(row, dict):
        raise DataError(f"This is no entry but {type(row).__name__}.")
    rest = dict(row)
    clips = [source.clip(name) for name in named_clips(rest.pop("sound", None))]
    conversation = MARKS.read(turns_of(rest.pop("conversations", None), "from", "value", _ROLES), clips)
    if any(message.role == "user" and message.text.rstrip().endswith(THINK) for message in conversation.messages):
        rest.setdefault("thinking", True)
    return Sample(row_id(rest, number), conversation, **fields(rest))


def _row(target: Target, sample: Sample) -> dict[str, Any]:
    turns, clips = MARKS.write(sample.conversation)
    names = [target.name(clip) for clip in clips]
    row: dict[str, Any] = {"id": sample.id}
    if names:
        row["sound"] = names[0] if len(names) == 1 else names
    row["conversations"] = [{"from": _NAMES[role], "value": text} for role, text in turns]
    return row | extras(sample, ("sound", "conversations"))
