"""Chat messages as transformers takes them, on JSON lines: `{"messages": [...]}` and what else there is to say.

The content of a message is text, or a list of `{"type": "audio", "path": ...}` and `{"type": "text", "text": ...}`; a
part with audio may have `start` and `end`, in seconds. It holds all that a sample can say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hark.conversation.conversation import Text
from hark.conversation.messages import read_messages
from hark.data.lines import objects
from hark.data.place import place_of
from hark.data.rows import extras, fields, row_id
from hark.data.sample import Sample
from hark.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hark.audio.audio import Audio
    from hark.data.peek import Peek
    from hark.data.source import Source
    from hark.data.target import Target

ABOUT = "JSON lines of chat messages, as transformers takes them; holds everything"
_NAMES = ("path", "url", "audio")


def fits(peek: Peek) -> bool:
    """Does it look so?"""
    return "messages" in peek.keys


def read(source: Source) -> Iterator[Sample]:
    """Read the samples."""
    return source.samples(objects(source.path), lambda number, row: read_row(source, number, row))


def write(samples: Iterable[Sample], target: Target) -> int:
    """Write samples; returns how many."""
    return target.lines(samples, lambda sample: write_row(target, sample))


def read_row(source: Source, number: int, row: Any) -> Sample:
    """Make a sample of one object with `messages`.

    Raises:
        DataError: it has none. ConversationError: the messages cannot be read.
    """
    if not isinstance(row, dict) or not isinstance(row.get("messages"), list):
        raise DataError("It has no list of messages.", hint='{"messages": [{"role": "user", "content": [...]}, ...]}')
    rest = dict(row)
    messages = [_opened(source, message) for message in rest.pop("messages")]
    said = [message.get("loss") for message in messages if message.get("role") == "assistant"]
    if any(loss is not None for loss in said):
        rest["loss"] = [loss is not False for loss in said]
    conversation = read_messages(messages, lambda given, rate=None, **_: source.clip(_named(given, rate)))
    return Sample(row_id(rest, number), conversation, **fields(rest))


def write_row(target: Target, sample: Sample) -> dict[str, Any]:
    """Make an object with `messages` of a sample."""
    messages = []
    answers = iter(sample.loss)
    for message in sample.conversation.messages:
        parts = [
            {"type": "text", "text": part.text} if isinstance(part, Text) else _part(target, part.audio)
            for part in message.parts
        ]
        content: Any = message.text if len(parts) == 1 and not message.clips else parts
        written = {"role": message.role, "content": content}
        if message.role == "assistant" and (loss := next(answers, None)) is not None:
            written["loss"] = loss
        messages.append(written)
    return {"id": sample.id, "messages": messages} | extras(_without_loss(sample), ("messages",))


def _without_loss(sample: Sample) -> Sample:
    from dataclasses import replace

    return replace(sample, loss=())


def _part(target: Target, audio: Audio) -> dict[str, Any]:
    place = place_of(audio)
    if target.copy or not place.cut or place.data is not None or place.offset is not None:
        return {"type": "audio", "path": target.name(audio)}
    times = {"start": place.start, "end": place.stop}
    return {"type": "audio", "path": target.written(place)} | {k: v for k, v in times.items() if v is not None}


def _opened(source: Source, message: Any) -> dict[str, Any]:
    """A message with the recordings it names opened, so that stretches can be named as well."""
    if not isinstance(message, dict):
        raise DataError("A message is no object.", hint='{"role": "user", "content": [...]}')
    content = message.get("content")
    if not isinstance(content, list):
        return message
    return message | {"content": [_with_audio(source, part) for part in content]}


def _with_audio(source: Source, part: Any) -> Any:
    if not isinstance(part, dict) or part.get("type", "audio") != "audio" or part.get("text") is not None:
        return part
    given = [name for name in _NAMES if part.get(name) is not None]
    if len(given) != 1 or not isinstance(part[given[0]], str | dict):
        return part
    try:
        start, end = (None if part.get(key) is None else float(part[key]) for key in ("start", "end"))
    except (TypeError, ValueError) as error:
        raise DataError(f"A recording has the times {part.get('start')!r} and {part.get('end')!r}.") from error
    return {"type": "audio", "audio": source.clip(part[given[0]], start, end)}


def _named(given: Any, rate: Any) -> Any:
    """What `read_messages` hands over: an opened Audio, base64 bytes, samples with their rate, or a name."""
    return given if rate is None else {"array": given, "sampling_rate": rate}
