"""`listener.notes`: what a meeting leaves behind, by the way that the model is able to go."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from hark.answers.answer import Answer, Delta, Notice
from hark.answers.schema import Schema
from hark.answers.transcript import Transcript
from hark.audio.audio import Audio
from hark.conversation.conversation import Conversation
from hark.engines.engine import Options
from hark.errors import OptionError, UnsupportedError
from hark.tasks.notes.values import Notes

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from hark.engines.engine import Capabilities, Engine
    from hark.listener import Listener
    from hark.tasks.long import Stretch
    from hark.tasks.notes.written import Written

_TOKENS = 4096  # the notes of a stretch; what is bounded by the schema is longer than anybody writes
_WHO = ("speakers", "diarize_with")
_HEARING = ("language", "align_with", *_WHO)  # options of the transcript; all others are of the model that writes
_BY_RULE = Notice(
    "method",
    "The notes are quotes, chosen by rule from what was recognised (English). A model that can be asked anything "
    "writes better ones.",
)


@dataclass(frozen=True, slots=True)
class Wish:
    """What notes are wanted: of which recording, on which day, with which options.

    `transcript` is one that there is already; `check` says whether one is made, where a model writes, to find the
    quotes in it.
    """

    clip: Audio
    today: date
    transcript: Transcript | None
    check: bool
    options: dict[str, Any]

    @classmethod
    def of(
        cls, audio: Any, day: date | str | None, transcript: Transcript | None, check: bool, options: dict[str, Any]
    ) -> Wish:
        """Take the day as text, too; without one it is today.

        Raises:
            OptionError: it is no day.
        """
        return cls(Audio.of(audio), _day(day), transcript, check, options)

    @property
    def hearing(self) -> dict[str, Any]:
        """The options of the transcript."""
        return {name: value for name, value in self.options.items() if name in _HEARING and value is not None}

    def writing(self, engine: Engine) -> dict[str, Any]:
        """The options of the model that writes."""
        from hark.tasks.long import room

        return room(engine, _TOKENS) | _of_writer(self.options)


def _of_writer(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name not in (*_HEARING, "long") and value is not None}


def writes(can: Capabilities) -> bool:
    """Can a model be asked for notes? The others only write down, and rules choose from it."""
    return can.free_prompt and "schema" in can.options


def refuse(listener: Listener, options: dict[str, Any]) -> None:
    """Refuse what the model cannot do, before anything is loaded.

    Raises:
        UnsupportedError: it neither takes a schema nor transcribes, or cannot honour an option.
        OptionError: there is no such option.
    """
    from hark.engines.asking import prepared

    wish = Wish(Audio.of(b"\0"), date.min, None, True, options)  # it does not depend on the recording
    if writes(listener.can):
        given = Options.of(**_of_writer(options))
        prepared(listener.engine.name, listener.can, Conversation.ask((wish.clip,), "?"), given)
    else:
        if other := sorted(_of_writer(options)):
            raise UnsupportedError(
                f"{listener.engine.name} cannot honour the option {other[0]} in notes: they are chosen by rule.",
                hint=f"Leave out {', '.join(other)}.",
            )
    if writes(listener.can) and "transcribe" not in listener.can.tasks:
        return
    heard = {name: value for name, value in wish.hearing.items() if name != "speakers"}
    prepared(listener.engine.name, listener.can, Conversation.ask((wish.clip,)), Options.of(task="transcribe", **heard))


def steps(listener: Listener, wish: Wish) -> Generator[Delta, None, Notes]:
    """Take the notes; the steps tell how far the model has come, and their cost, and the notes are returned.

    Raises:
        UnsupportedError: rules know no notes in the language spoken; or see `refuse`.
    """
    refuse(listener, wish.options)
    by_model = writes(listener.can)
    transcript, timed = wish.transcript, True
    if transcript is None and (wish.check or not by_model) and "transcribe" in listener.can.tasks:
        transcript, timed = yield from _heard(listener, wish)
    notices = () if transcript is None else transcript.notices
    if transcript is not None and not transcript.text.strip():
        silence = Notice("silence", f"Nobody speaks in {wish.clip.name}, so there is nothing to note.")
        notes = Notes(wish.clip.name, wish.today, transcript.duration, notices=(*notices, silence))
    elif by_model:
        notes = yield from _written(listener, wish, transcript, timed)
    elif transcript is None:
        raise UnsupportedError(
            f"{listener.engine.name} gives no transcript, and takes no schema.", hint="See `hark models`."
        )
    else:
        notes = _chosen(listener, wish, transcript)
    unique = tuple(dict.fromkeys((*notices, *notes.notices)))
    return replace(notes, notices=unique, transcript=transcript if timed else None, audio=wish.clip)


def notes(listener: Listener, wish: Wish) -> Notes:
    """The notes, when all steps are over."""
    made = steps(listener, wish)
    while True:
        try:
            next(made)
        except StopIteration as over:
            return over.value  # type: ignore[no-any-return]


def _day(given: date | str | None) -> date:
    if given is None:
        return datetime.now().astimezone().date()
    try:
        day = date.fromisoformat(given) if isinstance(given, str) else given
        return day.date() if isinstance(day, datetime) else date(day.year, day.month, day.day)
    except (ValueError, AttributeError) as error:
        raise OptionError(f"{given!r} is no day.", hint="Write it as 2026-11-20.") from error


def _heard(listener: Listener, wish: Wish) -> Generator[Delta, None, tuple[Transcript, bool]]:
    """What is said, and whether its times are known."""
    if "align_with" in wish.hearing:
        return listener.transcribe(wish.clip, **wish.hearing), True
    language = {name: value for name, value in wish.hearing.items() if name == "language"}
    if any(wish.hearing.get(name) for name in _WHO):
        from hark.speakers.transcribe import transcribe

        who, folder = (wish.hearing.get(name) for name in _WHO)
        heard = transcribe(listener, wish.clip, who, folder, **language)
    else:
        heard = listener.stream(wish.clip, task="transcribe", **language)
    found = []
    with contextlib.closing(heard) as deltas:  # type: ignore[type-var]
        for delta in deltas:
            found.append(delta)
            yield Delta(heard=delta.heard)
    answer = Answer.of(found)
    return Transcript.of(answer, wish.clip), bool(answer.evidence)


def _chosen(listener: Listener, wish: Wish, transcript: Transcript) -> Notes:
    from hark.tasks.notes.quoted import quoted_notes

    spoken = transcript.language or wish.hearing.get("language")
    if spoken and not spoken.lower().startswith("en"):
        raise UnsupportedError(
            f"{wish.clip.name} is in the language {spoken!r}, and rules for notes are there for English alone.",
            hint=f"Let a text model write them: --model {listener.engine.name} --answer-with MODEL.",
        )
    return replace(quoted_notes(transcript, wish.clip.name, wish.today), notices=(_BY_RULE,))


def _written(
    listener: Listener, wish: Wish, transcript: Transcript | None, timed: bool
) -> Generator[Delta, None, Notes]:
    """Ask the model, stretch by stretch where it has to be, and join what it writes."""
    from hark.tasks.notes.markdown import day
    from hark.tasks.notes.written import PROMPT, SCHEMA, STRETCH, Written, summary_of
    from hark.tasks.quotes import Finder, clock

    made = Written(wish.today, Finder(transcript) if transcript else None, timed)
    prompt, options = PROMPT.format(day=day(wish.today)), {**wish.writing(listener.engine), "schema": SCHEMA}
    notices = dict[Notice, None]()
    pieces, cost = _pieces(listener, wish)
    if cost:
        notices[cost] = None
        yield Delta(notices=(cost,))
    for number, (stretch, count) in enumerate(pieces, 1):
        begin = ""
        if stretch:
            times = {"start": clock(stretch.start), "end": clock(stretch.end)}
            begin = STRETCH.format(number=number, count=count, **times)
        answer = listener.ask(stretch.audio if stretch else wish.clip, begin + prompt, **options)
        notices.update(dict.fromkeys(answer.notices))
        made.add(answer.data, stretch)
        yield Delta(heard=stretch.end if stretch else None)
    title, summary = made.heads[0][1:] if len(made.heads) == 1 else _head(listener, wish, made)
    notices.update(dict.fromkeys(_unchecked(made, listener.engine.name)))
    duration = transcript.duration if transcript else wish.clip.duration
    return Notes(
        title=title or wish.clip.name,
        date=wish.today,
        duration=duration,
        participants=tuple(made.participants.values()),
        summary=summary_of(summary),
        decisions=tuple(made.decisions),
        actions=tuple(made.actions),
        open_questions=tuple(made.open_questions),
        chapters=made.ended(duration),
        notices=tuple(notices),
    )


def _pieces(listener: Listener, wish: Wish) -> tuple[Iterator[tuple[Stretch | None, int]], Notice | None]:
    """The recording in stretches that the model hears, with how many there are; it alone where it hears all of it."""
    from hark.tasks import long

    how = long.way(wish.options.get("long", "split"), listener.engine)
    most = long.limit(listener.can, how)
    if most is None or wish.clip.duration <= most:
        return iter([(None, 1)]), None
    if how == "refuse":
        raise long.refused(listener.engine, wish.clip, most)
    ends = long.cuts(wish.clip, most)
    return ((one, len(ends)) for one in long.stretches(wish.clip, ends)), long.cost(
        listener.engine.name, wish.clip, len(ends), most
    )


def _head(listener: Listener, wish: Wish, made: Written) -> tuple[str, str]:
    """One title and one summary from those of the stretches."""
    from hark.tasks import long
    from hark.tasks.notes.written import HEAD, WHOLE

    schema = Schema.of(HEAD)
    options = Options.of(**{**wish.writing(listener.engine), "schema": schema})
    lines = [f"[{stretch.times}] {title}: {summary}" for stretch, title, summary in made.heads if stretch]
    engine = listener.engine
    deltas = schema.checked(long.combined(engine, lines, WHOLE, options), engine.name, options.max_new_tokens)
    data = Answer.of(deltas).data
    return data["title"], data["summary"]


def _unchecked(made: Written, name: str) -> list[Notice]:
    """What is to be known about the quotes."""
    lost = sum(not quote.found for quote in made.quotes)
    if not lost:
        return []
    if made.finder is None:
        return [Notice("unsure", f"The quotes are what {name} says it heard; there is no transcript to check them.")]
    text = f"{lost} of {len(made.quotes)} quotes are not in the transcript of {name}; they are marked unchecked."
    return [Notice("unsure", text)]
