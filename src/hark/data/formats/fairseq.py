"""Manifests of fairseq S2T, the toolkit of Speech2Text: a TSV with `id`, `audio`, `n_frames`, `tgt_text`, `speaker`.

`audio` is a file, or `archive.zip:offset:size` for a file stored in a zip as it is. Further columns are `src_text`,
`src_lang`, `tgt_lang`. Source: fairseq/data/audio/speech_to_text_dataset.py and audio_utils.py.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hark.conversation.conversation import Conversation
from hark.data.formats.plain import one_turn
from hark.data.lines import table
from hark.data.place import place_of
from hark.data.rows import extras, fields
from hark.data.sample import Sample
from hark.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hark.audio.audio import Audio
    from hark.data.peek import Peek
    from hark.data.source import Source
    from hark.data.target import Target

ABOUT = "fairseq S2T TSV: id, audio (also in a zip), n_frames, tgt_text, speaker, ..."
_COLUMNS = ("id", "audio", "n_frames", "tgt_text", "speaker", "src_text", "src_lang", "tgt_lang")
_PART = re.compile(r"(.+):(\d+):(\d+)$", re.DOTALL)


def fits(peek: Peek) -> bool:
    """Does it look so?"""
    return peek.tabs and {"id", "audio", "tgt_text"} <= set(peek.columns)


def read(source: Source) -> Iterator[Sample]:
    """Read the samples; `about["src_text"]` is what was said, where the target is a translation."""
    return source.samples(table(source.path, "\t", quoted=False), lambda _, row: _sample(source, row))


def write(samples: Iterable[Sample], target: Target) -> int:
    """Write samples; returns how many. `n_frames` are samples of the recording, as for fairseq's raw audio."""
    count = 0
    with target.text() as file:
        file.write("\t".join(_COLUMNS) + "\n")
        for count, row in enumerate(target.rows(samples, lambda sample: _row(target, sample)), 1):  # noqa: B007
            file.write("\t".join(_cell(target, row.get(name)) for name in _COLUMNS) + "\n")
    return count


def _sample(source: Source, row: dict[str, Any]) -> Sample:
    rest = dict(row)
    clip = _clip(source, rest.pop("audio", ""))
    if "n_frames" in rest:
        if not rest["n_frames"].isdigit():
            raise DataError(f"n_frames is {rest['n_frames']!r}.", hint="It is a whole number.")
        rest["n_frames"] = int(rest["n_frames"])
    conversation = Conversation.ask((clip,)).reply(rest.pop("tgt_text", ""))
    rest["language"], rest["to"] = rest.pop("src_lang", None), rest.pop("tgt_lang", None)
    translated = rest["to"] is not None and rest["to"] != rest["language"]
    rest["task"] = "translate" if translated else "transcribe"
    if not rest.get("id"):
        raise DataError("It has no id.")
    return Sample(rest.pop("id"), conversation, **fields(rest))


def _clip(source: Source, named: str) -> Audio:
    part = _PART.match(named)
    path = part[1] if part else named
    if path.endswith(".npy"):
        raise DataError(f"{path} holds features, which cannot be heard.", hint="Name the recordings themselves.")
    clip = source.clip(path)
    if part is None:
        return clip
    return replace(place_of(clip), offset=int(part[2]), size=int(part[3])).audio()


def _row(target: Target, sample: Sample) -> dict[str, Any]:
    system, prompt, text = one_turn(sample, target)
    if len(sample.clips) > 1:
        raise DataError("It has several recordings, which this format cannot hold.", hint="--to messages can.")
    clip, more = sample.clips[0], extras(sample)
    place = place_of(clip)
    inside = place.offset is not None and not place.cut and not target.copy
    named = f"{target.written(place)}:{place.offset}:{place.size}" if inside else target.name(clip)
    row = {"id": sample.id, "audio": named, "tgt_text": text or "", "speaker": more.pop("speaker", None)}
    row["src_lang"], row["tgt_lang"] = more.pop("language", None), more.pop("to", None)
    row["n_frames"] = more.pop("n_frames", None) or round(clip.duration * clip.rate)
    row["src_text"] = more.pop("src_text", None)
    told = "translate" if row["tgt_lang"] not in (None, row["src_lang"]) else "transcribe"
    if more.pop("task", told) != told:
        target.lost["the task"] += 1
    if text is None:
        target.lost["that an answer is unknown, not empty"] += 1
    for what, value in {"the question": prompt, "the system prompt": system, **more}.items():
        target.lost[what] += bool(value)
    return row


def _cell(target: Target, value: Any) -> str:
    text = "" if value is None else str(value)
    if any(mark in text for mark in "\t\r\n"):
        target.lost["tabs and line breaks in text"] += 1
        text = " ".join(text.split())
    return text
