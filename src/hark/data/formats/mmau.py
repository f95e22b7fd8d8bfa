"""Multiple choice as MMAU publishes it (JSON), and MMAR: `id`, `audio_id`, `question`, `choices`, `answer`, `task`.

Source: Sakshi113/MMAU on GitHub; MMAR names the recording `audio_path`. MMAU's `task` is the domain (sound, music,
speech), kept as `about["domain"]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hark.conversation.conversation import Conversation
from hark.data.formats.plain import one_turn
from hark.data.lines import objects
from hark.data.rows import extras, fields, row_id
from hark.data.sample import Sample
from hark.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hark.data.peek import Peek
    from hark.data.source import Source
    from hark.data.target import Target

ABOUT = "MMAU and MMAR: JSON with question, choices and answer"


def fits(peek: Peek) -> bool:
    """Does it look so?"""
    return {"question", "choices"} <= peek.keys and bool({"audio_id", "audio_path"} & peek.keys)


def read(source: Source) -> Iterator[Sample]:
    """Read the samples."""
    return source.samples(objects(source.path), lambda number, row: _sample(source, number, row))


def write(samples: Iterable[Sample], target: Target) -> int:
    """Write samples; returns how many."""
    return target.array(samples, lambda sample: _row(target, sample))


def _sample(source: Source, number: int, row: Any) -> Sample:
    if not isinstance(row, dict) or not isinstance(row.get("question"), str):
        raise DataError(f"This is no question: {row!r:.80}.", hint="It needs audio_id, question, choices and answer.")
    rest = dict(row)
    named = next((rest.pop(name) for name in ("audio_id", "audio_path") if rest.get(name)), None)
    conversation = Conversation.ask((source.clip(named),), rest.pop("question"))
    answer = rest.pop("answer", None)
    if answer is not None:
        conversation = conversation.reply(str(answer))
    if "task" in rest:
        rest["domain"] = rest.pop("task")
    return Sample(row_id(rest, number), conversation, **fields(rest | {"task": rest.pop("hark_task", None)}))


def _row(target: Target, sample: Sample) -> dict[str, Any]:
    system, question, answer = one_turn(sample, target)
    if not sample.choices or len(sample.clips) > 1:
        raise DataError("It is no choice about one recording, as this format needs.", hint="--to messages can hold it.")
    if system:
        target.lost["the system prompt"] += 1
    more = extras(sample, ("audio_id", "audio_path", "question", "answer"))
    task, domain = more.pop("task", None), more.pop("domain", None)
    row = {"id": sample.id, "audio_id": target.name(sample.clips[0]), "question": question, "answer": answer}
    row |= {name: value for name, value in {"task": domain, "hark_task": task}.items() if value is not None}
    return {name: value for name, value in row.items() if value is not None} | more
