"""A transcript as text, subtitles (SubRip, WebVTT), a table or JSON.

The formats are those of openai/whisper (`whisper/utils.py`); WebVTT follows https://www.w3.org/TR/webvtt1/. Those of
OpenAI's API are in `openai_json.py`.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import unicodedata
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hark.answers.openai_json import diarized_json, verbose_json
from hark.errors import OptionError, OutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hark.answers.transcript import Segment, Transcript, Word

_SENTENCE_ENDS = tuple(".?!…。？！")  # noqa: RUF001 - full-width marks are meant
_CLAUSE_ENDS = tuple(",;:–—、，；：")  # noqa: RUF001
_QUOTES = "\"'”’»)]"  # noqa: RUF001
# Chinese and Japanese are written without spaces: a line may break before any character but a closing one.
_WIDE = "\u2e80-\u303f\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff01-\uff60"
_OPENING, _CLOSING = "「『（《【", "、。，．！？：；」』）》】…ー々"  # noqa: RUF001
_UNIT = re.compile(rf"\s*[{_OPENING}]*(?:[{_WIDE}]|[^\s{_WIDE}]+)[{_CLOSING}]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class SubtitleRules:
    """How a transcript is cut into cues; a segment without word times is wrapped but never cut.

    Attributes:
        max_line: characters in a line (Chinese and Japanese ones count twice); a longer word stands alone.
        lines: lines in a cue.
        min_seconds, max_seconds: how long a cue is shown; the next cue is never overlapped to reach the minimum.
        pause_seconds: a pause between words from which on a new cue begins.
        gap_seconds: how long nothing is shown, at least, between two cues.
    """

    max_line: int = 42
    lines: int = 2
    min_seconds: float = 1.0
    max_seconds: float = 7.0
    pause_seconds: float = 0.8
    gap_seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.max_line < 1 or self.lines < 1 or self.pause_seconds <= 0 or self.gap_seconds < 0:
            raise OptionError("A cue needs at least one line of one character, a pause above 0 s, no gap below 0 s.")
        if not 0 <= self.min_seconds <= self.max_seconds:
            raise OptionError("min_seconds must lie between 0 and max_seconds.")

    @classmethod
    def of(cls, **rules: Any) -> SubtitleRules:
        """Make rules from keywords.

        Raises:
            OptionError: there is no such rule, or its value is wrong.
        """
        try:
            return cls(**rules)
        except TypeError as error:
            known = ", ".join(cls.__dataclass_fields__)
            raise OptionError(f"A subtitle rule is wrong: {error}.", hint=f"Rules are {known}.") from error


@dataclass(frozen=True, slots=True)
class Cue:
    """What is shown at once: start and end in milliseconds, the lines, and who speaks."""

    start: int
    end: int
    lines: tuple[str, ...]
    speaker: str | None = None


def write(transcript: Transcript, form: str, **rules: Any) -> str:
    """The transcript in one of `FORMATS`, as text; `rules` are those of `SubtitleRules`.

    Raises:
        OptionError: no such format, no such rule, or a rule for a format without cues.
    """
    if form not in _WRITERS:
        raise OptionError(f"There is no format {form!r}.", hint=f"Formats are {', '.join(FORMATS)}.")
    if rules and form not in CUED:
        raise OptionError(f"{form} has no cues that {next(iter(rules))} could be for.", hint=f"{', '.join(CUED)} have.")
    return _WRITERS[form](transcript, SubtitleRules.of(**rules))


def save(transcript: Transcript, path: str | Path, form: str | None = None, **rules: Any) -> None:
    """Write the transcript to a file, in the format named or told by the file's ending.

    The file is replaced at once when all is written; whatever fails, an older file of that name stays as it was.

    Raises:
        OptionError: no such format, or none can be told from the ending.
        OutputError: the file cannot be written.
    """
    path = Path(path)
    form = form or path.suffix.lower().removeprefix(".")
    if not form:
        raise OptionError(f"{path} has no ending that tells a format.", hint=f"Formats are {', '.join(FORMATS)}.")
    content = write(transcript, form, **rules).encode("utf-8", errors="replace")
    try:
        _replace(path, content)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"{path} cannot be written: {reason}.", hint=_output_hint(path)) from error


def cues(transcript: Transcript, rules: SubtitleRules, *, named: bool = False) -> list[Cue]:
    """Cut a transcript into cues in order of time; `named` puts the speaker before the text, as `Name: text`.

    People who speak at the same time have cues at the same time; a speaker's cue ends where the next one begins.
    """
    total = transcript.duration or max((segment.end for segment in transcript.segments), default=0.0)
    raw: list[Cue] = []
    for segment in sorted(transcript.segments, key=lambda segment: segment.start):
        speaker = _line(segment.speaker or "") or None
        label = f"{speaker}: " if named and speaker else ""
        for text, start, end in _cut(segment, rules, label):
            first, last = _milliseconds(start, end, total)
            raw.append(Cue(first, last, tuple(_wrap(label + text, rules)), speaker))
    raw.sort(key=lambda cue: cue.start)
    return _shown(raw, rules, max(1, round(total * 1000)))


def _line(text: str) -> str:
    return " ".join(text.split())


def _milliseconds(start: float, end: float, total: float) -> tuple[int, int]:
    """Whole milliseconds inside the recording, the end after the start (WebVTT demands it)."""
    limit = max(1, round(total * 1000))
    first = min(max(0, round(start * 1000)), limit - 1)
    return first, min(max(first + 1, round(end * 1000)), limit)


def _shown(raw: list[Cue], rules: SubtitleRules, limit: int) -> list[Cue]:
    """Show each cue long enough to be read, as far as the next cue and the end of the recording allow."""
    shortest, gap = round(rules.min_seconds * 1000), round(rules.gap_seconds * 1000)
    shown: list[Cue] = []
    following: dict[str | None, int] = {}  # where the next cue of each speaker starts
    after = limit + gap
    for cue in reversed(raw):
        own = following.get(cue.speaker, limit + gap)
        end = own if cue.start < own < cue.end else cue.end
        end = max(end, min(cue.start + shortest, limit, after))
        if end + gap > own > cue.start:
            end = max(cue.start + 1, own - gap)
        shown.append(Cue(cue.start, min(end, limit), cue.lines, cue.speaker))
        after = following[cue.speaker] = cue.start
    return shown[::-1]


# --- where a cue ends


@dataclass(frozen=True, slots=True)
class _Timed:
    text: str
    start: float
    end: float


def _cut(segment: Segment, rules: SubtitleRules, label: str) -> Iterable[tuple[str, float, float]]:
    words = _timed(segment)
    if not words and _line(segment.text):
        yield _line(segment.text), segment.start, segment.end
    while words:
        count = _cue_length(words, rules, label)
        cue, words = words[:count], words[count:]
        start = cue[0].start
        yield _joined(cue), start, min(max(word.end for word in cue), start + rules.max_seconds)


def _cue_length(words: list[_Timed], rules: SubtitleRules, label: str) -> int:
    """How many words make the next cue: up to a pause, else the last punctuation mark in what fits."""
    count = 1
    while count < len(words):
        word = words[count]
        if word.start - words[count - 1].end >= rules.pause_seconds:
            return count
        if word.end - words[0].start > rules.max_seconds or not _fits(words[: count + 1], rules, label):
            break
        count += 1
    if count == len(words):
        return count
    for ends in (_SENTENCE_ENDS, _CLAUSE_ENDS):
        for length in range(count, count // 2, -1):
            if words[length - 1].text.rstrip(_QUOTES).endswith(ends):
                return length
    return count


def _fits(words: list[_Timed], rules: SubtitleRules, label: str) -> bool:
    lines = _greedy(label + _joined(words), rules.max_line)
    return len(lines) <= rules.lines


def _joined(words: list[_Timed]) -> str:
    return "".join(word.text for word in words).strip()


def _timed(segment: Segment) -> list[_Timed]:
    """Words with their times, spaced and punctuated as in the segment's text where that contains them all.

    Whatever stands between two words goes to the one before, up to the last space; that space starts the next.
    """
    words = [word for word in segment.words if word.text.strip()]
    text, at, starts = _line(segment.text), 0, list[int]()
    for word in words:
        found = text.find(_line(word.text), at)
        if found < 0:
            return [_Timed(" " + _line(word.text), word.start, word.end) for word in words]
        space = text.rfind(" ", at, found)
        starts.append(space if space >= 0 else found)
        at = found + len(_line(word.text))
    return _between(text, words, [0, *starts[1:], len(text)])


def _between(text: str, words: list[Word], bounds: list[int]) -> list[_Timed]:
    spans = zip(words, pairwise(bounds), strict=False)
    return [_Timed(text[first:last], word.start, word.end) for word, (first, last) in spans]


# --- where a line ends


def _wrap(text: str, rules: SubtitleRules) -> list[str]:
    """Lines of about the same length, no more of them than needed."""
    lines = _greedy(text, rules.max_line)
    if 1 < len(lines) <= rules.lines:
        for width in range(rules.max_line - 1, 0, -1):
            narrower = _greedy(text, width)
            if len(narrower) > len(lines):
                break
            lines = narrower
    return lines


def _greedy(text: str, width: int) -> list[str]:
    lines = [""]
    for unit in _UNIT.findall(text):
        if lines[-1] and _columns(lines[-1] + unit) > width:
            lines.append("")
        lines[-1] += unit if lines[-1] else unit.lstrip()
    return lines


def _columns(text: str) -> int:
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


# --- the formats


def _clock(milliseconds: int, mark: str) -> str:
    seconds, fraction = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{mark}{fraction:03}"


def _txt(transcript: Transcript, _rules: SubtitleRules) -> str:
    spoken = [segment for segment in transcript.segments if segment.text.strip()]
    return "".join(f"{_line(s.speaker) + ': ' if s.speaker else ''}{_line(s.text)}\n" for s in spoken)


def _srt(transcript: Transcript, rules: SubtitleRules) -> str:
    blocks = []
    for number, cue in enumerate(cues(transcript, rules, named=True), start=1):
        text = "\n".join(cue.lines).replace("-->", "->")
        blocks.append(f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n{text}\n")
    return "\n".join(blocks)


def _vtt(transcript: Transcript, rules: SubtitleRules) -> str:
    blocks = ["WEBVTT\n"]
    for cue in cues(transcript, rules):
        voice = f"<v {_escaped(cue.speaker)}>" if cue.speaker else ""
        text = _escaped("\n".join(cue.lines))
        blocks.append(f"{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n{voice}{text}\n")
    return "\n".join(blocks)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _tsv(transcript: Transcript, _rules: SubtitleRules) -> str:
    speakers = any(segment.speaker for segment in transcript.segments)
    rows = ["start\tend\ttext" + ("\tspeaker" if speakers else "")]
    for segment in transcript.segments:
        start = max(0, round(segment.start * 1000))
        row = f"{start}\t{max(start, round(segment.end * 1000))}\t{_line(segment.text)}"
        rows.append(row + (f"\t{_line(segment.speaker or '')}" if speakers else ""))
    return "\n".join(rows) + "\n"


def _json(transcript: Transcript, _rules: SubtitleRules) -> str:
    return json.dumps(transcript.to_dict(), ensure_ascii=False, indent=2) + "\n"


_WRITERS: dict[str, Callable[[Transcript, SubtitleRules], str]] = {
    "txt": _txt,
    "srt": _srt,
    "vtt": _vtt,
    "tsv": _tsv,
    "json": _json,
    "verbose_json": verbose_json,
    "diarized_json": diarized_json,
}
FORMATS = tuple(_WRITERS)
CUED = ("srt", "vtt")


# --- to a file


def _replace(path: Path, content: bytes) -> None:
    if path.exists() and not path.is_file() and not path.is_dir():
        path.write_bytes(content)  # a pipe or a device, such as /dev/stdout, must not become a file
        return
    path = Path(os.path.realpath(path))  # what a link leads to is replaced, not the link
    partial = path.with_name(f".hark-{secrets.token_hex(6)}")
    try:
        with partial.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if path.is_file():
            shutil.copymode(path, partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _output_hint(path: Path) -> str:
    if path.is_dir():
        return "It is a folder; name a file in it."
    if not path.parent.is_dir():
        return f"The folder {path.parent} does not exist; make it first."
    return "Check that there is space on the disk and that you may write to the folder, or name another file."
