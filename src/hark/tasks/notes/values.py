"""What notes of a meeting are made of: frozen values, each with the words it rests on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import date

    from hark.answers.answer import Notice
    from hark.answers.transcript import Transcript
    from hark.audio.audio import Audio
    from hark.tasks.quotes import Quote


@dataclass(frozen=True, slots=True)
class Point:
    """Something that was said, and the words it rests on; where it is quoted, `text` is the quote itself."""

    text: str
    quote: Quote | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"text": self.text, "quote": self.quote.to_dict() if self.quote else None}


class Decision(Point):
    """Something that was decided."""

    __slots__ = ()


class OpenQuestion(Point):
    """Something that was asked, or left to be settled."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class ActionItem:
    """Something somebody is to do.

    `owner` is None where no name was said. `due_said` are the words that tell by when, `due` the day they mean, None
    where they name none ("soon").
    """

    task: str
    owner: str | None = None
    due: date | None = None
    due_said: str | None = None
    quote: Quote | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; the day as `2026-11-27`."""
        return {
            "task": self.task,
            "owner": self.owner,
            "due": self.due.isoformat() if self.due else None,
            "due_said": self.due_said,
            "quote": self.quote.to_dict() if self.quote else None,
        }


@dataclass(frozen=True, slots=True)
class Chapter:
    """A part of the recording: what it is about, and where it begins, in seconds; None where that is not known."""

    title: str
    start: float | None = None
    end: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        times = {"start": self.start, "end": self.end}
        return {"title": self.title} | {key: value and round(value, 2) for key, value in times.items()}


@dataclass(frozen=True, slots=True)
class Notes:
    """The notes of a meeting.

    Attributes:
        date: the day of the meeting, which deadlines are counted from.
        duration: of the recording, in seconds.
        participants: who was there as far as it was said; with `quoted`, names that were said.
        quoted: they are quotes chosen by rule; else a model wrote them.
        transcript: what was said, where it was written down; quotes have their times from it.
        audio: the recording, for the page.
    """

    title: str
    date: date
    duration: float
    participants: tuple[str, ...] = ()
    summary: tuple[Point, ...] = ()
    decisions: tuple[Decision, ...] = ()
    actions: tuple[ActionItem, ...] = ()
    open_questions: tuple[OpenQuestion, ...] = ()
    chapters: tuple[Chapter, ...] = ()
    quoted: bool = False
    notices: tuple[Notice, ...] = ()
    transcript: Transcript | None = field(default=None, repr=False)
    audio: Audio | None = field(default=None, repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: times in seconds, days as `2026-11-27`; the transcript with its segments."""
        return {
            "title": self.title,
            "date": self.date.isoformat(),
            "duration": self.duration,
            "participants": list(self.participants),
            "summary": [point.to_dict() for point in self.summary],
            "decisions": [point.to_dict() for point in self.decisions],
            "actions": [action.to_dict() for action in self.actions],
            "open_questions": [point.to_dict() for point in self.open_questions],
            "chapters": [chapter.to_dict() for chapter in self.chapters],
            "quoted": self.quoted,
            "notices": [notice.to_dict() for notice in self.notices],
            "transcript": self.transcript.to_dict() if self.transcript else None,
        }

    def to_markdown(self) -> str:
        """The notes as Markdown, action items first."""
        from hark.tasks.notes.markdown import markdown

        return markdown(self)

    def to_html(self, *, audio: bool = True) -> str:
        """One page that holds everything, the recording (MP3, 24 kbit/s, 11 MB an hour) included unless `audio=False`.

        Raises:
            AudioError: the recording cannot be read any more.
        """
        from hark.tasks.notes.page import page

        return page(self, with_audio=audio)
