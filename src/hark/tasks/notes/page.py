"""Notes as one page that holds everything: player, waveform, notes and transcript; it loads nothing from anywhere."""

from __future__ import annotations

import base64
import re
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING

from hark.tasks.notes.markdown import day, when
from hark.tasks.quotes import clock

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from hark.answers.transcript import Segment
    from hark.audio.audio import Audio
    from hark.tasks.notes.values import ActionItem, Chapter, Notes, Point
    from hark.tasks.quotes import Quote

_BARS, _HEIGHT = 240, 56
_COLOURS = 8


def page(notes: Notes, *, with_audio: bool = True) -> str:
    """The page as text. All that was heard or written is escaped; the page's policy forbids any other source.

    Raises:
        AudioError: the recording cannot be read any more.
    """
    segments = notes.transcript.segments if notes.transcript else ()
    speakers = {name: n % _COLOURS for n, name in enumerate(dict.fromkeys(s.speaker for s in segments if s.speaker))}
    player = _player(notes.audio, segments, speakers) if with_audio and notes.audio is not None else ""
    language = notes.transcript.language if notes.transcript else None
    filled = {
        "lang": escape(language or ""),
        "title": escape(notes.title),
        "about": _about(notes),
        "legend": _legend(speakers),
        "player": player,
        "body": "\n".join(_sections(notes, segments, speakers)),
        "notices": "\n".join(f"<p>{escape(notice.text)}</p>" for notice in notes.notices),
    }
    template = files("hark.tasks.notes").joinpath("page.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda found: filled[found[1]], template)


def _about(notes: Notes) -> str:
    names = "People named" if notes.quoted else "Participants"
    people = [f"{names}: {', '.join(notes.participants)}"] if notes.participants else []
    return escape(" · ".join([day(notes.date), clock(notes.duration), *people]))


def _legend(speakers: dict[str, int]) -> str:
    keys = "".join(f'<span class="key s{colour}">{escape(name)}</span>' for name, colour in speakers.items())
    return f'<p class="soft">{keys}</p>' if keys else ""


def _player(audio: Audio, segments: Sequence[Segment], speakers: dict[str, int]) -> str:
    from hark.tasks.notes.sound import compact

    sound, bars, seconds = compact(audio, _BARS)
    rects = []
    for number, bar in enumerate(bars):
        height = max(2.0, bar * _HEIGHT)
        colour = _speaker_at((number + 0.5) / _BARS * seconds, segments, speakers)
        kind = "" if colour is None else f' class="s{colour}"'
        rects.append(f'<rect{kind} x="{number * 4}" y="{(_HEIGHT - height) / 2:.1f}" width="3" height="{height:.1f}"/>')
    width = _BARS * 4
    return (
        f'<div class="player"><div>\n<svg class="wave" viewBox="0 0 {width} {_HEIGHT}" preserveAspectRatio="none" '
        f'data-seconds="{seconds:.3f}" data-width="{width}" role="img" aria-label="Waveform">'
        f'{"".join(rects)}<rect class="at" x="0" y="0" width="5" height="{_HEIGHT}"/></svg>\n'
        f'<audio controls preload="metadata" src="data:audio/mpeg;base64,{base64.b64encode(sound).decode()}"></audio>\n'
        "</div></div>"
    )


def _speaker_at(seconds: float, segments: Sequence[Segment], speakers: dict[str, int]) -> int | None:
    return next((speakers[s.speaker] for s in segments if s.speaker and s.start <= seconds < s.end), None)


def _sections(notes: Notes, segments: Sequence[Segment], speakers: dict[str, int]) -> Iterator[str]:
    yield from _section("Action items", "actions", (_action(one, speakers) for one in notes.actions))
    yield from _section("Decisions", "decisions", (_point(one, speakers) for one in notes.decisions))
    yield from _section("Open questions", "questions", (_point(one, speakers) for one in notes.open_questions))
    yield from _section("Summary", "summary", (_point(one, speakers) for one in notes.summary))
    yield from _section("Chapters", "chapters", (_chapter(one) for one in notes.chapters))
    yield from _section("Transcript", "transcript", (_said(one, speakers) for one in segments))


def _section(title: str, name: str, items: Iterable[str]) -> Iterator[str]:
    if found := "\n".join(f"<li>{item}</li>" for item in items):
        yield f'<section id="{name}">\n<h2>{title}</h2>\n<ul>\n{found}\n</ul>\n</section>'


def _action(action: ActionItem, speakers: dict[str, int]) -> str:
    owner = f'<span class="owner">{escape(action.owner)}</span>: ' if action.owner else ""
    said = f' title="{escape(action.due_said)}"' if action.due_said else ""
    due = ""
    if action.due:
        due = f' <span class="due"{said}>due <b>{escape(day(action.due))}</b></span>'
    elif action.due_said:
        due = f' <span class="due open">{escape(action.due_said)}</span>'
    return f'<div class="card">{owner}{escape(action.task)}{due}{_quote(action.quote, speakers)}</div>'


def _point(point: Point, speakers: dict[str, int]) -> str:
    if point.quote and point.text == point.quote.text:
        return _quote(point.quote, speakers)
    return f'<div class="card">{escape(point.text)}{_quote(point.quote, speakers)}</div>'


def _quote(quote: Quote | None, speakers: dict[str, int]) -> str:
    if quote is None:
        return ""
    tag = _tag("unsure") if quote.unsure else "" if quote.found else _tag("unchecked")
    text = f"{_who(quote.speaker, speakers)}\u201c{escape(quote.text)}\u201d{tag}"
    return _line(text, when(quote), quote.start, quote.end)


def _chapter(chapter: Chapter) -> str:
    shown = clock(chapter.start) if chapter.start is not None else ""
    return _line(escape(chapter.title), shown, chapter.start, chapter.end)


def _said(segment: Segment, speakers: dict[str, int]) -> str:
    text = _who(segment.speaker, speakers) + escape(segment.text) + (_tag("unsure") if segment.unsure else "")
    return _line(text, clock(segment.start), segment.start, segment.end)


def _line(inner: str, shown: str, start: float | None, end: float | None) -> str:
    """Something that is heard when it is clicked; plain text where its time is not known."""
    if start is None:
        return f'<span class="line">{inner}</span>'
    until = start if end is None else end
    return (
        f'<a class="line" href="#t={start:.2f}" data-start="{start:.2f}" data-end="{until:.2f}">'
        f"<time>{shown}</time><span>{inner}</span></a>"
    )


def _who(speaker: str | None, speakers: dict[str, int]) -> str:
    if not speaker:
        return ""
    colour = f" s{speakers[speaker]}" if speaker in speakers else ""
    return f'<span class="who{colour}">{escape(speaker)}</span>'


def _tag(text: str) -> str:
    return f' <span class="tag">{text}</span>'
