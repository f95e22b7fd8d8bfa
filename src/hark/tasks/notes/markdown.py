"""Notes as Markdown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hark.tasks.quotes import clock

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date

    from hark.tasks.notes.values import ActionItem, Chapter, Notes, Point
    from hark.tasks.quotes import Quote

# What would be read as markup: in the middle of a line, and at its beginning.
_MARKUP = re.compile(r"([\\`*_<\[\]|~]|^[#>+=-]|^\d+(?=[.)]))")


def markdown(notes: Notes) -> str:
    """The notes as Markdown; text that was heard or written is escaped."""
    parts = [f"# {plain(notes.title)}", _head(notes)]
    parts += _section("Action items", (_action(action) for action in notes.actions))
    parts += _section("Decisions", (_point(point) for point in notes.decisions))
    parts += _section("Open questions", (_point(point) for point in notes.open_questions))
    parts += _section("Summary", (_point(point) for point in notes.summary))
    parts += _section("Chapters", (_chapter(chapter) for chapter in notes.chapters))
    if len(parts) == 2:
        parts.append("Nothing was found to note.")
    return "\n\n".join(parts) + "\n"


def day(value: date) -> str:
    """A day for people: `Fri 27 November 2026`."""
    return f"{value:%a} {value.day} {value:%B %Y}"


def _head(notes: Notes) -> str:
    names = "People named" if notes.quoted else "Participants"
    people = f"; {names}: {', '.join(map(plain, notes.participants))}" if notes.participants else ""
    return f"{day(notes.date)}, {clock(notes.duration)}{people}"


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    found = [f"- {line}" for line in lines]
    if found:
        yield f"## {title}\n\n" + "\n".join(found)


def _action(action: ActionItem) -> str:
    when = f" (said: {plain(action.due_said)})" if action.due_said else ""
    when = f", due **{day(action.due)}**{when}" if action.due else f", due {plain(action.due_said or '')}" * bool(when)
    owner = f"**{plain(action.owner)}**: " if action.owner else ""
    return f"[ ] {owner}{plain(action.task)}{when}{quoted(action.quote)}"


def _point(point: Point) -> str:
    if point.quote and point.text == point.quote.text:
        return quoted(point.quote).strip()
    return f"{plain(point.text)}{quoted(point.quote)}"


def _chapter(chapter: Chapter) -> str:
    return (f"[{clock(chapter.start)}] " if chapter.start is not None else "") + plain(chapter.title)


def quoted(quote: Quote | None) -> str:
    """A quote with its time, marked where it is doubtful."""
    if quote is None:
        return ""
    speaker = f"{plain(quote.speaker)}: " if quote.speaker else ""
    mark = "" if quote.found else " (unchecked)"
    mark = " (unsure)" if quote.unsure else mark
    return f' [{when(quote)}] {speaker}"{plain(quote.text)}"{mark}' if when(quote) else f' "{plain(quote.text)}"{mark}'


def when(quote: Quote) -> str:
    """`0:12`; `0:00 to 10:00` where only the stretch is known; nothing without a time."""
    if quote.start is None:
        return ""
    return clock(quote.start) if quote.found or quote.end is None else f"{clock(quote.start)} to {clock(quote.end)}"


def plain(text: str) -> str:
    """Text on one line that Markdown takes as it is."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))
