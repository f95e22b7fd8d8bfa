"""The TSV of Mozilla's Common Voice: `client_id`, `path` (in the folder `clips` beside it), `sentence`, `locale`, more.

Quotation marks in it are as Common Voice writes them: a text with one may stand between quotation marks, doubled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hark.conversation.conversation import Conversation
from hark.data.formats.plain import one_turn
from hark.data.lines import table
from hark.data.rows import extras, fields
from hark.data.sample import Sample
from hark.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hark.data.peek import Peek
    from hark.data.source import Source
    from hark.data.target import Target

ABOUT = "Common Voice TSV: client_id, path, sentence, locale, ..."
_OWN = ("client_id", "path", "sentence", "locale")
_MORE = ("sentence_id", "sentence_domain", "up_votes", "down_votes", "age", "gender", "accents", "variant", "segment")
_CLIPS = "clips"


def fits(peek: Peek) -> bool:
    """Does it look so?"""
    return peek.tabs and {"client_id", "path", "sentence"} <= set(peek.columns)


def read(source: Source) -> Iterator[Sample]:
    """Read the samples; the id is the name of the recording."""
    folder = "" if source.moved else f"{_CLIPS}/"
    entries = table(source.path, "\t", quoted=False)
    return source.samples(entries, lambda _, row: _sample(source, folder, row))


def write(samples: Iterable[Sample], target: Target) -> int:
    """Write samples; returns how many. The recordings are copied to `clips`, or lie there already."""
    target.clips = _CLIPS
    count = 0
    with target.text() as file:
        file.write("\t".join((*_OWN, *_MORE)) + "\n")
        for count, row in enumerate(target.rows(samples, lambda sample: _row(target, sample)), 1):  # noqa: B007
            file.write("\t".join(_cell(str(row.get(name, ""))) for name in (*_OWN, *_MORE)) + "\n")
    return count


def _sample(source: Source, folder: str, row: dict[str, Any]) -> Sample:
    rest: dict[str, Any] = {name: _bare(value) for name, value in row.items()}
    name = rest.pop("path", "")
    if not name:
        raise DataError("It names no recording.", hint="The column is path.")
    conversation = Conversation.ask((source.clip(folder + name),)).reply(rest.pop("sentence", ""))
    rest["speaker"], rest["language"] = rest.pop("client_id", None), rest.pop("locale", None)
    return Sample(name, conversation, **fields(rest | {"task": "transcribe"}))


def _row(target: Target, sample: Sample) -> dict[str, Any]:
    system, prompt, text = one_turn(sample, target)
    if len(sample.clips) > 1:
        raise DataError("It has several recordings, which this format cannot hold.", hint="--to messages can.")
    folder, slash, name = target.name(sample.clips[0]).rpartition("/")
    if not slash or folder != _CLIPS:
        raise DataError("Its recording is not in the folder clips beside the table.", hint="Give --copy-audio.")
    more = extras(sample)
    row = {
        "client_id": more.pop("speaker", ""),
        "path": name,
        "sentence": text or "",
        "locale": more.pop("language", ""),
    }
    if more.pop("task", "transcribe") != "transcribe":
        target.lost["the task"] += 1
    if sample.id != name:
        target.lost["the id"] += 1
    said = {"the question": prompt, "the system prompt": system, **{k: v for k, v in more.items() if k not in _MORE}}
    for what, value in said.items():
        target.lost[what] += bool(value)
    return row | {key: value for key, value in more.items() if key in _MORE}


def _bare(cell: str) -> str:
    if len(cell) > 1 and cell.startswith('"') and cell.endswith('"'):
        return cell[1:-1].replace('""', '"')
    return cell


def _cell(text: str) -> str:
    text = " ".join(text.split()) if any(mark in text for mark in "\t\r\n") else text
    return '"' + text.replace('"', '""') + '"' if '"' in text else text
