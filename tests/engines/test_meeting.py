"""Decisions and action items, measured on labelled meetings; ordinary talk yields none."""

from __future__ import annotations

from dataclasses import replace

import pytest
from spoken import HEARD, ORDINARY, PLAIN, WRITTEN, Line, said

from hark.answers.transcript import Transcript
from hark.engines.builtin.deadlines import deadline
from hark.engines.builtin.meeting import actions, decisions
from hark.engines.builtin.sentences import sentences


def spoken_at(meeting: tuple[Line, ...]) -> dict[float, Line]:
    """The line that starts at each time."""
    transcript = said(*(line.text for line in meeting))
    return dict(zip((segment.start for segment in transcript.segments), meeting, strict=True))


def line_at(lines: dict[float, Line], start: float) -> Line:
    return lines[max(at for at in lines if at <= start)]


def found_decisions(meeting: tuple[Line, ...]) -> list[Line]:
    lines = spoken_at(meeting)
    found = decisions(sentences(said(*(line.text for line in meeting))))
    return [line_at(lines, item.sentence.start) for item in found]


def found_actions(meeting: tuple[Line, ...]) -> list[tuple[Line, str, str]]:
    lines = spoken_at(meeting)
    found = actions(sentences(said(*(line.text for line in meeting))))
    return [
        (
            line_at(lines, item.sentence.start),
            item.owner if item.named or item.owner[0] == "I" or item.owner in ("we", "everyone") else "",
            item.deadline,
        )
        for item in found
    ]


def rates(hits: int, found: int, wanted: int) -> tuple[float, float]:
    return hits / max(found, 1), hits / max(wanted, 1)


@pytest.mark.parametrize("group", [HEARD, WRITTEN, PLAIN], ids=["heard", "written", "plain"])
def test_decisions_are_found(group: dict[str, tuple[Line, ...]]) -> None:
    hits = found = wanted = 0
    for meeting in group.values():
        lines = found_decisions(meeting)
        found += len(lines)
        hits += sum(line.decided for line in lines)
        wanted += sum(line.decided for line in meeting)
    precision, recall = rates(hits, found, wanted)
    assert precision >= 0.9
    assert recall >= 0.9


@pytest.mark.parametrize("group", [HEARD, WRITTEN, PLAIN], ids=["heard", "written", "plain"])
def test_actions_are_found_with_owner_and_deadline(group: dict[str, tuple[Line, ...]]) -> None:
    hits = owners = dates = found = wanted = 0
    for meeting in group.values():
        given = found_actions(meeting)
        found += len(given)
        wanted += sum(len(line.todo) for line in meeting)
        for line, owner, due in given:
            hits += bool(line.todo)
            owners += any(owner.removesuffix(" (the speaker)") == who for who, _ in line.todo)
            dates += any(due == when for _, when in line.todo)
    precision, recall = rates(hits, found, wanted)
    assert precision >= 0.9
    assert recall >= 0.85
    assert owners / found >= 0.85
    assert dates / found >= 0.85


@pytest.mark.parametrize("talk", ORDINARY.values(), ids=ORDINARY)
def test_ordinary_talk_holds_no_decisions_and_no_actions(talk: tuple[str, ...]) -> None:
    found = sentences(said(*talk))
    assert [item.sentence.text for item in decisions(found)] == []
    assert [(item.owner, item.task) for item in actions(found)] == []


DECIDED = (
    "the directors voted in favour of the new building",
    "we've agreed on a price of ten euros",
    "the vote is seven to two so the proposal is accepted",
    "okay then we'll go with option b",
    "management decided against the merger",
    "the launch is postponed until september",
    "let's keep the old logo",
    "we settled on blue",
    "the budget has been approved",
    "we concluded that the test was a success",
    "so it's decided we leave at six",
    "The deadline was moved to Friday.",
    "We're dropping support for version two.",
    "It was decided to hire two more people.",
)
NOTHING = (
    "we decided nothing",
    "it was agreed upon by nobody",
    "you will find the key under the mat",
    "the shop will close at eight",
    "did we decide anything yesterday",
    "we could not agree on a date",
    "nothing was decided",
    "we should decide this soon",
    "I wish we had decided earlier.",
    "has the plan been approved",
    "the plan has not been approved yet",
    "let's talk about the budget",
    "let's take a break",
    "let's hear what bob has to say",
    "we'll see what happens",
    "we will discuss this tomorrow",
    "they may have agreed",
    "the decision is still open",
    "no decision has been made",
    "bob will be late today",
    "julia has to leave early",
    "he will never finish",
    "i need to sleep",
    "i have to go now",
    "tom should know that",
    "will anna come",
    "mary will not send the letter",
    "james doesn't have to pay",
    "the machine will stop by itself",
    "the bus has to stop here",
    "it will take two hours",
    "this needs to change",
    "people have to work",
    "you will like it",
    "if paul will send it i will read it",
    "i asked whether karen will send the email",
    "the water will reach the house by tomorrow",
    "i was going to call him",
    "they had to cancel the concert",
    "who will write the report",
    "children must learn to read",
    "prices will rise next year",
    "i would love to help",
    "paul must be tired",
)
TO_DO = {
    "somebody needs to water the flowers": ("somebody", "water the flowers", ""),
    "rachel and tim have to clean the kitchen tomorrow": ("Rachel and Tim", "clean the kitchen", "tomorrow"),
    "bob you should call the bank tomorrow": ("Bob", "call the bank", "tomorrow"),
    "i can do that by friday": ("I (the speaker)", "do that", "by friday"),
    "tina is supposed to deliver the boxes by five pm": ("Tina", "deliver the boxes", "by five pm"),
    "action item for frank update the website": ("Frank", "update the website", ""),
    "peter's going to write the tests this week": ("Peter", "write the tests", "this week"),
    "Claire: send the contract to the lawyer by Tuesday.": ("Claire", "send the contract to the lawyer", "by Tuesday"),
    "Mark will finish the slides by Thursday.": ("Mark", "finish the slides", "by Thursday"),
    "the sales team must contact every customer this week": (
        "the sales team",
        "contact every customer",
        "this week",
    ),
    "our lawyer will check the contract by next week": ("our lawyer", "check the contract", "by next week"),
    "don't forget to lock the door tonight": ("you", "lock the door", "tonight"),
    "Ben takes care of the music.": ("Ben", "the music", ""),
    "we need someone to test the app by monday": ("someone", "test the app", "by monday"),
    "i want sarah to prepare the agenda until wednesday": ("Sarah", "prepare the agenda", "until wednesday"),
    "before lunch on thursday martha will call the printer": ("Martha", "call the printer", "on thursday"),
}


@pytest.mark.parametrize("text", DECIDED)
def test_ways_to_say_that_something_is_decided(text: str) -> None:
    assert decisions(sentences(said(text)))


@pytest.mark.parametrize("text", NOTHING)
def test_what_only_sounds_like_a_decision_or_a_duty(text: str) -> None:
    found = sentences(said(text))
    assert not decisions(found)
    assert not actions(found)


@pytest.mark.parametrize(("text", "wanted"), TO_DO.items(), ids=TO_DO)
def test_owner_task_and_deadline(text: str, wanted: tuple[str, str, str]) -> None:
    (found,) = actions(sentences(said(text)))
    assert (found.owner, found.task, found.deadline) == wanted


def test_two_actions_in_one_sentence() -> None:
    text = "anna will book the hall by tuesday and victor has to print the flyers before the weekend"
    assert [(item.owner, item.task, item.deadline) for item in actions(sentences(said(text)))] == [
        ("Anna", "book the hall", "by tuesday"),
        ("Victor", "print the flyers", "before the weekend"),
    ]


def test_a_known_speaker_owns_what_i_promise() -> None:
    segment = replace(said("i will send the invoice").segments[0], speaker="Speaker 2")
    (found,) = actions(sentences(Transcript((segment,), 3.0)))
    assert found.owner == "Speaker 2"


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("send it by the twenty first of june", "by the twenty first of june"),
        ("do it within the next two weeks", "within the next two weeks"),
        ("finish in half an hour", "in half an hour"),
        ("the plan for monday is due on friday afternoon", "due on friday afternoon"),
        ("call them no later than 5 pm", "no later than 5 pm"),
        ("before the end of next month", "before the end of next month"),
        ("put it in the box", ""),
        ("he may come in", ""),
    ],
)
def test_deadlines_are_spans_of_the_words(text: str, span: str) -> None:
    found = deadline(text)
    assert (found.group() if found else "") == span
