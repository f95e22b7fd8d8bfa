"""A recording and its text in one row, whatever the columns are called: what the simple formats share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hark.conversation.conversation import Clip, Conversation, Message, Text
from hark.data.place import place_of
from hark.data.rows import extras, fields, row_id
from hark.data.sample import Sample
from hark.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hark.audio.audio import Audio
    from hark.data.source import Source
    from hark.data.target import Target

# Their own name first, then those of NeMo's manifests, Hugging Face's folders and others.
AUDIO = ("audio", "audio_filepath", "file_name", "audio_path", "wav", "sound", "file", "path")
TEXT = ("text", "transcription", "sentence", "transcript")
TAKEN = frozenset({*AUDIO, *TEXT, "start", "end", "offset", "prompt", "system", "messages"})


def read_row(source: Source, number: int, row: Any) -> Sample:
    """Make a sample of a row: `audio` (one or a list), `text`, `start` and `end` in seconds, `prompt`, `system`, more.

    Raises:
        DataError: it names no recording, or has a value of another kind.
    """
    if not isinstance(row, dict):
        raise DataError(f"This is no row but {type(row).__name__}.", hint='{"audio": "clip.flac", "text": "..."}')
    rest = dict(row)
    named = next((name for name in AUDIO if rest.get(name)), None)
    if named is None:
        raise DataError("It names no recording.", hint=f"The column is one of {', '.join(AUDIO)}.")
    start, stop = _stretch(rest)
    given = rest.pop(named)
    clips = [source.clip(each, start, stop) for each in (given if isinstance(given, list) else [given])]
    text = next((rest.pop(name) for name in TEXT if rest.get(name) is not None), None)
    prompt, system = rest.pop("prompt", None), rest.pop("system", None)
    for value in (text, prompt, system):
        if not isinstance(value, str | None):
            raise DataError(f"The text is {value!r:.60}.", hint="It is a string.")
    conversation = Conversation.ask(tuple(clips), prompt, system)
    return Sample(row_id(rest, number), _answered(conversation, text), **_with_task(fields(rest), text, prompt))


def write_row(
    target: Target, sample: Sample, *, stretches: bool = True, named: Callable[[Audio], Any] | None = None
) -> dict[str, Any]:
    """Make a row of a sample; `stretches` says whether it may have `start` and `end`, `named` how a clip is called.

    Raises:
        DataError: it has several turns, or stretches of several recordings.
    """
    system, prompt, text = one_turn(sample, target)
    row: dict[str, Any] = {"id": sample.id}
    clips = sample.clips
    cut = [(clip.start, clip.stop) for clip in clips if clip.start or clip.stop is not None]
    if cut and stretches and not target.copy:
        if len(clips) > 1:
            raise DataError("It has stretches of several recordings.", hint="--to messages can say that.")
        row["audio"] = whole_name(target, sample)
        row["start"], row["end"] = cut[0]
        if row["end"] is None:
            del row["end"]
    else:
        names = [(named or target.name)(clip) for clip in clips]
        row["audio"] = names[0] if len(names) == 1 else names
    row |= {name: value for name, value in {"system": system, "prompt": prompt, "text": text}.items() if value}
    if text == "":
        row["text"] = ""
    return row | extras(sample, TAKEN)


def whole_name(target: Target, sample: Sample) -> str:
    """The name of the recording that the only clip of a sample is a stretch of."""
    place = place_of(sample.clips[0])
    if place.data is not None or place.offset is not None:
        return target.name(sample.clips[0])
    return target.written(place)


def one_turn(sample: Sample, target: Target) -> tuple[str, str, str | None]:
    """System prompt, question and answer of a sample with one question.

    Raises:
        DataError: it has several turns, or no recording.
    """
    asked = sample.asked
    if asked.turns != 1:
        raise DataError(f"It has {asked.turns} turns, which this format cannot hold.", hint="--to messages can.")
    if not sample.clips:
        raise DataError("It has no recording, which this format needs.", hint="--to messages does not.")
    user = next(message for message in asked.messages if message.role == "user")
    first_text = next((n for n, part in enumerate(user.parts) if isinstance(part, Text)), len(user.parts))
    if any(isinstance(part, Clip) for part in user.parts[first_text:]):
        target.lost["that text stands before a recording"] += 1
    return asked.system, user.text, sample.target


def _answered(conversation: Conversation, text: str | None) -> Conversation:
    if text is None:
        return conversation
    return Conversation((*conversation.messages, Message("assistant", (Text(text),))))


def _with_task(values: dict[str, Any], text: str | None, prompt: str | None) -> dict[str, Any]:
    """What is asked is told from what there is, where nobody says it."""
    if values["task"] is None and not prompt:
        if "intent" in values["about"]:
            values["task"] = "command"
        elif text is not None:
            translated = values["to"] is not None and values["to"] != values["language"]
            values["task"] = "translate" if translated else "transcribe"
    return values


def _stretch(rest: dict[str, Any]) -> tuple[float | None, float | None]:
    """The times of a stretch: `start` and `end`, or `offset` and `duration` of NeMo's manifests."""
    start, end, offset = (_seconds(rest, name) for name in ("start", "end", "offset"))
    if offset is not None:
        if start is not None or end is not None:
            raise DataError("It has both offset and start or end.", hint="Give start and end.")
        duration = _seconds(rest, "duration")
        return offset, None if duration is None else offset + duration
    return start, end


def _seconds(rest: dict[str, Any], name: str) -> float | None:
    value = rest.pop(name, None)
    if value in (None, ""):
        return None
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} is {value!r:.60}.", hint="It is a number of seconds.") from error
