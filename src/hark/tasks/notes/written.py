"""Notes that a model writes: the prompt, the schema, and what is made of its JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any, TypeVar

from hark.tasks.notes.dates import due
from hark.tasks.notes.values import ActionItem, Chapter, Decision, OpenQuestion, Point
from hark.tasks.quotes import Quote, tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hark.tasks.long import Stretch
    from hark.tasks.quotes import Finder

_T = TypeVar("_T")
_SAME = 0.8  # how alike two entries are that mean the same

PROMPT = (
    "Take the notes of this meeting, which took place on {day}. Give a short title; the participants, as far as their "
    "names are said; a summary of a few sentences; the decisions; the action items, each with the task, its owner "
    "(null if no name is said), the deadline in the words that were said and as a date (null if there is none); the "
    "questions that were left open; and chapters, each with a title and the first words that are said in it. For each "
    "decision, action item and open question quote the words it rests on, exactly as they were said. Leave a list "
    "empty where there is nothing for it. Write in the language of the meeting, and invent nothing."
)
STRETCH = "This is stretch {number} of {count} of a longer recording, from {start} to {end}; note what is in it alone. "
WHOLE = "Give the whole meeting a short title, and a summary of a few sentences."


def _text(most: int) -> dict[str, Any]:
    return {"type": "string", "maxLength": most}


def _maybe(most: int) -> dict[str, Any]:
    return {"type": ["string", "null"], "maxLength": most}


def _object(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _list(items: dict[str, Any], most: int) -> dict[str, Any]:
    return {"type": "array", "items": items, "maxItems": most}


HEAD = _object(title=_text(120), summary=_text(2000))
SCHEMA = _object(
    title=_text(120),
    participants=_list(_text(80), 40),
    summary=_text(2000),
    decisions=_list(_object(decision=_text(400), quote=_text(400)), 40),
    actions=_list(
        _object(task=_text(400), owner=_maybe(80), due_said=_maybe(80), due_date=_maybe(10), quote=_text(400)), 60
    ),
    open_questions=_list(_object(question=_text(400), quote=_text(400)), 40),
    chapters=_list(_object(title=_text(120), first_words=_text(200)), 20),
)


@dataclass
class Written:
    """Notes as they are put together from the JSON about one stretch after the other."""

    today: date
    finder: Finder | None = None
    timed: bool = True  # whether the transcript that quotes are looked up in has times
    heads: list[tuple[Stretch | None, str, str]] = field(default_factory=list)  # stretch, title, summary
    participants: dict[str, str] = field(default_factory=dict)
    decisions: list[Decision] = field(default_factory=list)
    actions: list[ActionItem] = field(default_factory=list)
    open_questions: list[OpenQuestion] = field(default_factory=list)
    chapters: list[Chapter] = field(default_factory=list)

    def add(self, data: dict[str, Any], stretch: Stretch | None = None) -> None:
        """Add what a model wrote about the recording, or about a stretch of it; what is there already is left out."""
        self.heads.append((stretch, _line(data["title"]), _line(data["summary"])))
        for name in map(_line, data["participants"]):
            if name:
                self.participants.setdefault(name.casefold(), name)

        def quoted(item: dict[str, Any]) -> Quote | None:
            return self._quote(item["quote"], stretch)

        new = (Decision(_line(item["decision"]), quoted(item)) for item in data["decisions"])
        _join(self.decisions, new, lambda one: one.text)
        asked = (OpenQuestion(_line(item["question"]), quoted(item)) for item in data["open_questions"])
        _join(self.open_questions, asked, lambda one: one.text)
        to_do = (self._action(item, quoted(item)) for item in data["actions"])
        _join(self.actions, to_do, lambda one: f"{one.owner or ''} {one.task}")
        self._chapters(data["chapters"], stretch)

    def _quote(self, text: str, stretch: Stretch | None) -> Quote | None:
        """A quote at its time; where it is not in the transcript, somewhere in its stretch."""
        text = _line(text).strip('"\u201c\u201d')
        if not text:
            return None
        found = self.finder.find(text, (stretch.start, stretch.end) if stretch else None) if self.finder else None
        if found and self.timed:
            return found
        start, end = (stretch.start, stretch.end) if stretch else (None, None)
        return Quote(text, start, end, found=found is not None)

    def _action(self, item: dict[str, Any], quote: Quote | None) -> ActionItem:
        said = _line(item["due_said"] or "") or None
        day = (due(said, self.today) if said else None) or _day(item["due_date"])
        return ActionItem(_line(item["task"]), _line(item["owner"] or "") or None, day, said, quote)

    def _chapters(self, items: list[dict[str, Any]], stretch: Stretch | None) -> None:
        for number, item in enumerate(items):
            quote = self._quote(item["first_words"], stretch)
            start = quote.start if quote and quote.found and self.timed else None
            if stretch and start is None and number == 0:
                start = stretch.start
            if title := _line(item["title"]):
                self.chapters.append(Chapter(title, start))

    @property
    def quotes(self) -> list[Quote]:
        """Every quote there is."""
        said = [item.quote for item in (*self.decisions, *self.open_questions)]
        return [quote for quote in (*said, *(item.quote for item in self.actions)) if quote is not None]

    def ended(self, duration: float) -> tuple[Chapter, ...]:
        """The chapters, each up to the next; those of unknown time stay where the model put them."""
        known = [chapter.start for chapter in self.chapters if chapter.start is not None]
        order = self.chapters
        if len(known) == len(order):
            order = sorted(order, key=lambda chapter: chapter.start or 0.0)
        ends = [*(chapter.start for chapter in order[1:]), duration]
        return (
            tuple(
                Chapter(one.title, one.start, end if one.start is not None else None)
                for one, end in zip(order, ends, strict=True)
            )
            if order
            else ()
        )


def _join(kept: list[_T], new: Iterable[_T], text: Callable[[_T], str]) -> None:
    for item in new:
        words = tokens(text(item))
        if words and all(_alike(words, tokens(text(other))) < _SAME for other in kept):
            kept.append(item)


def _alike(one: list[str], other: list[str]) -> float:
    return SequenceMatcher(None, one, other, autojunk=False).ratio()


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        return None


def _line(text: str) -> str:
    return " ".join(text.split())


def summary_of(text: str) -> tuple[Point, ...]:
    """What a model wrote as a summary."""
    return (Point(_line(text)),) if text.strip() else ()
