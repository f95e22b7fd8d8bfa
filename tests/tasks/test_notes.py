"""Notes of a meeting: by rule from a transcript, or written by a model, with quotes at their times."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

import hark
from hark.engines.openai_server import OpenAIServer
from hark.errors import OptionError, UnsupportedError
from hark.tasks.notes.chapters import chapters
from hark.tasks.notes.quoted import quoted_notes
from hark.tasks.quotes import Finder
from tiny.openai_server import CHAT, TRANSCRIBE, Exchange, LoopbackServer, chat_chunks, verbose

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DAY = date(2026, 11, 20)


@pytest.fixture(scope="module")
def standup(examples: Path) -> hark.Audio:
    return hark.Audio.of(examples / "standup.flac")


@pytest.fixture(scope="module")
def script(examples: Path) -> hark.Transcript:
    """What is said in the recording, by its script, five seconds a line."""
    lines = (examples / "standup.txt").read_text(encoding="utf-8").splitlines()
    return transcript(*(line.partition(": ")[2] for line in lines), speakers=[line[:3] for line in lines])


@pytest.fixture(scope="module")
def builtin() -> Iterator[hark.Listener]:
    with hark.load("builtin") as loaded:
        yield loaded


@pytest.fixture(scope="module")
def part(standup: hark.Audio) -> hark.Audio:
    """Seven seconds: "Daniel knows that part of the code. Daniel will fix the payment page by Friday."."""
    return standup[19.4:26.4]


def transcript(*lines: str, speakers: list[str] | None = None, seconds: float = 5.0) -> hark.Transcript:
    segments = tuple(
        hark.Segment(line, n * seconds, (n + 1) * seconds, speaker=speakers[n] if speakers else None)
        for n, line in enumerate(lines)
    )
    return hark.Transcript(segments, len(lines) * seconds, "en")


# --- by rule ------------------------------------------------------------------------------------------------------


def test_the_script_of_the_example_gives_what_was_agreed(script: hark.Transcript) -> None:
    notes = quoted_notes(script, "standup.flac", DAY)
    found = [(one.owner, one.task, str(one.due)) for one in notes.actions]
    assert found == [
        ("Daniel", "fix the payment page", "2026-11-27"),
        ("Martha", "send the report to the customers", "2026-11-23"),
        ("Susan", "write the release notes", "2026-11-25"),
    ]
    assert [one.text for one in notes.decisions] == [
        "We decided to move the release to the end of next week.",
        "We agreed that two people will check every change before the release.",
    ]
    assert [one.text for one in notes.open_questions] == ["Where do we get the money for the new computer?"]
    assert notes.participants == ("Daniel", "Martha", "Susan")
    assert notes.quoted
    assert notes.title == "Standup"


def test_every_point_is_a_quote_at_its_time(script: hark.Transcript) -> None:
    notes = quoted_notes(script, "standup.flac", DAY)
    points = [*notes.summary, *notes.decisions, *notes.open_questions]
    quotes = [one.quote for one in points] + [one.quote for one in notes.actions]
    assert all(point.quote is not None and point.text == point.quote.text for point in points)
    for quote in quotes:
        assert quote is not None
        assert quote.found
        (home,) = [segment for segment in script.segments if quote.text in segment.text]
        assert quote.start is not None
        assert home.start <= quote.start < home.end
        assert quote.speaker == home.speaker


@pytest.mark.parametrize(
    ("lines", "open_"),
    [
        (("Who pays for the hotel?", "I do not know yet.", "Let us go on."), ["Who pays for the hotel?"]),
        (("Who pays for the hotel?", "The company pays for it.", "Good."), []),
        (("It is still open whether we move.", "Good."), ["It is still open whether we move."]),
        (("Good morning, all.", "Any questions?"), []),
        (("Good morning, all.", "So where do we meet the next time?"), ["So where do we meet the next time?"]),
        (("We need to find out why it fails.", "Yes."), ["We need to find out why it fails."]),
    ],
)
def test_a_question_is_open_where_nobody_answers_it(lines: tuple[str, ...], open_: list[str]) -> None:
    assert [one.text for one in quoted_notes(transcript(*lines), "a", DAY).open_questions] == open_


def test_who_has_no_name_owns_nothing() -> None:
    notes = quoted_notes(transcript("Somebody must call the printer by Monday.", "Yes."), "a", DAY)
    (action,) = notes.actions
    assert action.owner is None
    assert str(action.due) == "2026-11-23"
    said = transcript("I will call the printer tomorrow.", speakers=["Speaker 2"])
    assert quoted_notes(said, "a", DAY).actions[0].owner == "Speaker 2"


def test_chapters_begin_where_the_subject_changes() -> None:
    subjects = (
        ("The garden needs water.", "The roses in the garden grow.", "We plant more roses and trees.",
         "The trees need water in summer.", "Water the garden and the roses.", "The garden has old trees."),
        ("The budget is small this year.", "We spend money on rent.", "Rent takes half of the budget.",
         "The bank gives no money.", "Money for the rent is short.", "The budget has no money for more."),
    )  # fmt: skip
    from hark.engines.builtin.sentences import sentences

    every = sentences(transcript(*subjects[0], *subjects[1], seconds=10.0))
    found = chapters(every)
    assert [part[0].start for _, part in found] == [0.0, 60.0]
    assert "garden" in found[0][0].lower()
    assert "money" in found[1][0].lower()
    assert [one for _, part in found for one in part] == list(every)
    assert chapters(()) == []


# --- quotes -------------------------------------------------------------------------------------------------------


def test_quotes_are_found_although_words_differ() -> None:
    words = tuple(hark.Word(f"w{n}", n * 1.0, n + 0.9) for n in range(100))
    said = hark.Transcript((hark.Segment(" ".join(word.text for word in words), 0.0, 100.0, words),), 100.0)
    finder = Finder(said)
    exact = finder.find("w20 w21 w22 w23 w24")
    assert exact is not None
    assert (exact.start, exact.end) == (20.0, 24.9)
    for text in ("w20, W21 w22 other w24", "w20 w21 w22 w24 w25", "w20 w21 extra w22 w23 w24"):
        near = finder.find(text)
        assert near is not None
        assert near.start == 20.0
        assert near.text == text
    for text in ("w20 w50 w80 w10", "nothing of this was said", "", "...", "w1 x"):
        assert finder.find(text) is None
    assert finder.find("w20 w21 w22", within=(50.0, 100.0)) is None


def test_of_two_places_the_one_that_is_wanted_is_found_and_segments_give_their_own_times() -> None:
    said = transcript("We meet on Monday.", "Something else is said.", "We meet on Monday.", "日本語の会議です。")
    finder = Finder(said)
    first, later = finder.find("we meet on monday"), finder.find("we meet on monday", within=(9.0, 20.0))
    assert first is not None
    assert later is not None
    assert (first.start, first.end, later.start) == (0.0, 5.0, 10.0)
    asian = finder.find("会議です")
    assert asian is not None
    assert asian.start == 15.0


# --- engines ------------------------------------------------------------------------------------------------------


def test_the_offline_default_quotes_the_recording(builtin: hark.Listener, part: hark.Audio) -> None:
    notes = builtin.notes(part, date="2026-11-20")
    (action,) = notes.actions
    assert (action.owner, action.task, str(action.due)) == ("Daniel", "fix the payment page", "2026-11-27")
    assert action.quote is not None
    assert action.quote.start == pytest.approx(3.0, abs=1.0)
    assert notes.duration == pytest.approx(7.0)
    assert json.loads(json.dumps(notes.to_dict()))["actions"][0]["due"] == "2026-11-27"
    said = "- [ ] **Daniel**: fix the payment page, due **Fri 27 November 2026** (said: by friday) [0:0"
    assert said in notes.to_markdown()
    assert {notice.kind for notice in notes.notices} == {"method"}


def test_where_nobody_speaks_nothing_is_noted_and_no_model_is_asked(
    serve: Any, builtin: hark.Listener, examples: Path
) -> None:
    silence = examples / "sounds" / "silence.flac"
    notes = builtin.notes(silence)
    assert (notes.actions, notes.decisions, notes.summary) == ((), (), ())
    assert "silence" in {notice.kind for notice in notes.notices}
    assert "Nothing was found to note." in notes.to_markdown()
    listener, server = serve(lambda _: "{}")
    assert listener.notes(silence, transcript=hark.Transcript((), 3.0)).actions == ()
    assert server.asked == []


def test_rules_are_english(builtin: hark.Listener, standup: hark.Audio) -> None:
    german = hark.Transcript((hark.Segment("Daniel macht das bis Freitag.", 0.0, 3.0),), 3.0, "de")
    with pytest.raises(UnsupportedError, match="language 'de'") as refusal:
        builtin.notes(standup, transcript=german)
    assert "--answer-with" in refusal.value.hint


@pytest.mark.parametrize("day", ["2026-13-01", "tomorrow", "", 5])
def test_what_is_no_day_is_refused(builtin: hark.Listener, standup: hark.Audio, day: Any) -> None:
    with pytest.raises(OptionError, match="is no day"):
        builtin.notes(standup, date=day)


def test_options_are_honoured_or_refused(builtin: hark.Listener, standup: hark.Audio) -> None:
    for options in ({"temperature": 0.5}, {"seed": 1}):
        with pytest.raises(UnsupportedError, match="cannot honour the option"):
            builtin.notes(standup, **options)
    with hark.load("echo") as echo, pytest.raises(OptionError, match="no option 'temprature'"):
        echo.notes(standup, temprature=0.5)


@pytest.fixture
def serve() -> Iterator[Callable[..., tuple[hark.Listener, LoopbackServer]]]:
    made: list[Any] = []

    def start(answer: Callable[[Exchange], str], said: str = "", **can: Any) -> tuple[hark.Listener, LoopbackServer]:
        routes: dict[str, Any] = {CHAT: lambda ask: ask.stream(chat_chunks(answer(ask)))}
        if said:
            routes[TRANSCRIBE] = lambda ask: ask.reply(verbose(ask.wavs[0], said))
        server = LoopbackServer(routes)
        engine = OpenAIServer(f"openai:m@{server.url}", timeout=5, backoff=0.01)
        engine.can = replace(engine.can, **can)
        made.extend((hark.Listener(engine), server))
        return made[-2], server

    yield start
    for one in made:
        one.close()


def written(**parts: Any) -> str:
    empty = {"participants": [], "decisions": [], "actions": [], "open_questions": [], "chapters": []}
    return json.dumps({"title": "Standup", "summary": "They met.", **empty, **parts})


def text_of(ask: Exchange) -> str:
    return "\n".join(part["text"] for part in ask.parts if part["type"] == "text")


ACTION = {
    "task": "Fix the payment page", "owner": "Daniel", "due_said": "by Friday", "due_date": "2026-12-24",
    "quote": "Daniel will fix the payment page by Friday",
}  # fmt: skip


def test_a_model_is_asked_with_the_day_and_the_schema_and_its_quotes_get_their_times(
    serve: Any, standup: hark.Audio, script: hark.Transcript
) -> None:
    told = written(
        participants=["Daniel", " daniel "],
        decisions=[{"decision": "The release moves.", "quote": "they never said a thing like this"}],
        actions=[ACTION, {**ACTION, "task": "Rest", "owner": None, "due_said": None, "due_date": None, "quote": ""}],
        chapters=[{"title": "Release", "first_words": "Good morning, everybody"}],
    )
    listener, server = serve(lambda _: told)
    notes = listener.notes(standup, date=DAY, transcript=script, seed=4)
    (ask,) = server.asked
    assert "which took place on Fri 20 November 2026" in text_of(ask)
    assert ask.json["response_format"]["json_schema"]["schema"]["properties"]["actions"]
    assert (ask.json["seed"], len(ask.wavs)) == (4, 1)
    assert "max_completion_tokens" not in ask.json  # a server knows how much its context leaves
    action, other = notes.actions
    assert (action.owner, str(action.due), action.due_said) == ("Daniel", "2026-11-27", "by Friday")
    assert action.quote is not None
    assert (action.quote.found, action.quote.start) == (True, 20.0)
    assert (other.owner, other.due, other.quote) == (None, None, None)
    lost = notes.decisions[0].quote
    assert lost is not None
    assert (lost.found, lost.start) == (False, None)
    assert "(unchecked)" in notes.to_markdown()
    assert [notice.text for notice in notes.notices if notice.kind == "unsure"] == [
        f"1 of 2 quotes are not in the transcript of {listener.engine.name}; they are marked unchecked."
    ]
    assert notes.participants == ("Daniel",)
    assert [(one.title, one.start, one.end) for one in notes.chapters] == [("Release", 0.0, 75.0)]
    assert not notes.quoted


def test_a_deadline_that_rules_do_not_know_is_the_date_of_the_model(serve: Any, standup: hark.Audio) -> None:
    german = {**ACTION, "due_said": "bis Heiligabend"}
    wrong = {**german, "task": "Something else", "due_date": "soon"}
    listener, _ = serve(lambda _: written(actions=[german, wrong]))
    notes = listener.notes(standup, date=DAY, check=False)
    assert [str(one.due) for one in notes.actions] == ["2026-12-24", "None"]
    assert any("no transcript to check them" in notice.text for notice in notes.notices)


def test_long_meetings_are_asked_stretch_by_stretch_and_joined(serve: Any, standup: hark.Audio) -> None:
    def answer(ask: Exchange) -> str:
        if not ask.wavs:
            return json.dumps({"title": "The whole", "summary": "All of it."})
        number = int(text_of(ask).split("This is stretch ")[1][0])
        again = {**ACTION, "task": "fix the payment page."}
        return written(
            title=f"Part {number}",
            participants=["Daniel", f"Person {number}"],
            actions=[again if number > 1 else ACTION, {**ACTION, "owner": f"Person {number}", "task": f"Do {number}"}],
            decisions=[{"decision": f"Decision {'abc'[number - 1] * 3}", "quote": "not to be found"}],
            chapters=[{"title": f"Chapter {number}", "first_words": "none of this"}],
        )

    listener, server = serve(answer, "a few words that were said in it", max_seconds=30.0)
    notes = listener.notes(standup, date=DAY)
    asked = [ask for ask in server.asked if ask.path == CHAT]
    assert [len(ask.wavs) for ask in asked] == [1, 1, 1, 0]
    for number, ask in enumerate(asked[:-1], 1):
        assert f"This is stretch {number} of 3 of a longer recording" in text_of(ask)
        assert "which took place on Fri 20 November 2026" in text_of(ask)
        assert f"Part {number}: They met." in text_of(asked[-1])
    assert (notes.title, notes.summary[0].text) == ("The whole", "All of it.")
    assert notes.participants == ("Daniel", "Person 1", "Person 2", "Person 3")
    assert [one.task for one in notes.actions] == ["Fix the payment page", "Do 1", "Do 2", "Do 3"]
    assert len(notes.decisions) == 3
    starts = [one.start for one in notes.chapters]
    assert [one.end for one in notes.chapters] == [*starts[1:], pytest.approx(standup.duration)]
    assert starts[0] == 0.0
    quote = notes.decisions[1].quote
    assert quote is not None
    assert (quote.found, quote.start, quote.end) == (False, starts[1], starts[2])  # somewhere in its stretch
    (split,) = [notice for notice in notes.notices if notice.kind == "split"]
    assert "4 passes" in split.text
    with pytest.raises(UnsupportedError, match="hears 30 s"):
        listener.notes(standup, long="refuse", check=False)


def test_a_transcriber_and_a_text_model_take_notes_together(
    serve: Any, builtin: hark.Listener, part: hark.Audio
) -> None:
    from hark.engines.cascade import Cascade

    writer, server = serve(lambda _: written(actions=[ACTION]))
    notes = hark.Listener(Cascade(builtin.engine, writer.engine)).notes(part, date=DAY)
    (ask,) = server.asked
    assert "daniel will fix the payment page by friday" in text_of(ask)
    assert ask.wavs == []
    quote = notes.actions[0].quote
    assert quote is not None
    assert quote.found
    assert quote.start == pytest.approx(3.0, abs=1.0)


def test_any_model_that_takes_a_schema_gives_notes_that_fit(standup: hark.Audio) -> None:
    with hark.load("echo") as echo:
        notes = echo.notes(standup, date=DAY)
    assert len(notes.actions) == 1
    assert notes.transcript is not None
    assert notes.to_dict()["actions"][0]["quote"]["found"] in (True, False)
