"""Puts the answer to a request together: a section for each job, every sentence of content a quote with its time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hark.answers.answer import Notice
from hark.engines.builtin.followups import Earlier, answer
from hark.engines.builtin.quoting import Recordings, Section
from hark.engines.builtin.reports import REPORTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hark.answers.transcript import Segment, Transcript
    from hark.engines.builtin.prompts import Job
    from hark.engines.builtin.router import Request

_TITLES: dict[Job, str] = {
    "transcribe": "Transcript",
    "question": "Answer",
    "summary": "Summary",
    "decisions": "Decisions",
    "actions": "Action items",
    "intent": "Intent",
    "sentiment": "Sentiment",
    "uncertainty": "Certainty",
    "music": "Music",
    "sound": "Sound",
    "keywords": "Key words",
    "compare": "Comparison",
    "duration": "Duration",
}
_WORDLESS: tuple[Job, ...] = ("compare", "duration")  # these say something of a recording in which nobody speaks
_SILENT = "Nobody speaks in the recording."
_SILENT_ALL = "Nobody speaks in any of the recordings."


@dataclass(frozen=True)
class Reply:
    """An answer: text to read, the stretches of the recording it quotes, the same as plain data, and notices."""

    text: str
    evidence: tuple[Segment, ...] = ()
    data: Any = None
    notices: tuple[Notice, ...] = ()


def reply(
    request: Request,
    clips: Sequence[tuple[str, Transcript]],
    *,
    earlier: Earlier = (),
    measured: Mapping[Job, tuple[str, Any]] | None = None,
) -> Reply:
    """Answer a request from transcripts, given with the name of their clip.

    `earlier` holds the prompts and answers before, oldest first, for questions that lean on them. `measured` holds
    text and data of the jobs that are not about words (`music`, `sound`). A job of these that is not measured is left
    out. Sections carry titles where there are several.

    Raises:
        ValueError: the request is a refusal, or there is no clip.
    """
    if request.refusal is not None:
        raise ValueError(request.refusal.reason)
    if not clips:
        raise ValueError("There is no recording to answer from.")
    heard = Recordings.of(clips)
    sections: dict[Job, Section] = {}
    for job in request.jobs:
        section = _section(heard, request, job, earlier, measured or {})
        if section is not None:
            sections[job] = section
    return _joined(sections, (*_limits(request), *_silence(heard)))


def _section(
    heard: Recordings, request: Request, job: Job, earlier: Earlier, measured: Mapping[Job, tuple[str, Any]]
) -> Section | None:
    if job in ("music", "sound"):
        return Section(measured[job][0], data=measured[job][1]) if job in measured else None
    if not heard.sentences and job not in _WORDLESS:
        return Section(_SILENT if len(heard.heard) == 1 else _SILENT_ALL, data=[])
    return answer(heard, request, earlier) if job == "question" else REPORTS[job](heard, request)


def _joined(sections: dict[Job, Section], notices: tuple[Notice, ...]) -> Reply:
    if len(sections) == 1:
        ((_, only),) = sections.items()
        text, data = only.text, only.data
    else:
        texts: dict[str, list[str]] = {}
        for job, section in sections.items():
            texts.setdefault(section.text, []).append(_TITLES[job])
        # What is said of several jobs at once (nobody speaks) is said once.
        text = "\n\n".join(f"{', '.join(titles)}:\n{text}" for text, titles in texts.items())
        data = {job: section.data for job, section in sections.items()}
    every = [segment for section in sections.values() for segment in _evidence(section)]
    return Reply(text, tuple(dict.fromkeys(every)), data, notices)


def _evidence(section: Section) -> tuple[Segment, ...]:
    return section.evidence or tuple(sentence.segment() for sentence in section.quoted)


def _limits(request: Request) -> tuple[Notice, ...]:
    return tuple(Notice("partly", text) for text in request.limits)


def _silence(heard: Recordings) -> tuple[Notice, ...]:
    silent = [one.name for one in heard.heard if not one.sentences]
    return (Notice("silence", f"No speech was found in {', '.join(silent)}."),) if silent else ()
