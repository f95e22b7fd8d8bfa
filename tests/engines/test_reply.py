"""Replies: every quote occurs in the recording with its time, sections, several clips, silence, follow-ups."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spoken import HEARD, WRITTEN, said

from hark.answers.transcript import Segment, Transcript
from hark.engines.builtin.prompts import JOBS
from hark.engines.builtin.reply import Reply, reply
from hark.engines.builtin.router import Request, route
from hark.engines.builtin.sentences import sentences

MEETINGS = {**HEARD, **WRITTEN}
QUOTE = re.compile(r'^(?:.*?)\[(\d+):(\d\d)\] "(.*)"(?: \(.*\))?$')


def meeting(name: str) -> Transcript:
    return said(*(line.text for line in MEETINGS[name]))


def ask(prompt: str, *names: str, earlier: tuple[tuple[str, str], ...] = ()) -> Reply:
    return reply(route(prompt), [(f"{name}.flac", meeting(name)) for name in names], earlier=earlier)


def quotes(text: str) -> list[tuple[int, str]]:
    found = (QUOTE.match(line) for line in text.splitlines())
    return [(60 * int(match[1]) + int(match[2]), match[3]) for match in found if match]


@pytest.mark.parametrize("name", MEETINGS)
@pytest.mark.parametrize(
    "prompt",
    ["Summarize", "List the decisions", "Action items", "What is the intent?", "How does the speaker feel?",
     "Is the speaker sure?", "What about the new search?", "Who has to do something by monday?"],
)  # fmt: skip
def test_every_quote_is_in_the_recording_at_its_time(name: str, prompt: str) -> None:
    transcript = meeting(name)
    answer = ask(prompt, name)
    given_quotes = quotes(answer.text)
    assert len(given_quotes) == sum('] "' in line for line in answer.text.splitlines())
    for second, text in given_quotes:
        assert text in transcript.text
        starts = {word.start for word in transcript.words if word.text == text.split()[0]}
        assert any(int(start) == second for start in starts)
    for segment in answer.evidence:
        assert segment.text in transcript.text
        assert [word.text for word in segment.words] == segment.text.split()
        assert segment.start == segment.words[0].start
    json.dumps(answer.data)


@given(st.lists(st.text("abcdeinotwl' ,.?!\n", max_size=60), max_size=8), st.sampled_from(JOBS), st.integers(1, 2))
@settings(max_examples=150, deadline=None)
def test_quotes_are_never_invented(texts: list[str], job: str, clips: int) -> None:
    transcript = said(*texts)
    words = " ".join(transcript.text.split())
    answer = reply(route("what about it then", job), [(f"{n}.wav", transcript) for n in range(clips)])
    for segment in answer.evidence:
        assert " ".join(segment.text.split()) in words
    every = [one.text for one in sentences(transcript)]
    assert " ".join(every) == words


def test_an_action_item_is_one_line() -> None:
    answer = ask("Action items", "club")
    assert (
        '- James: pay the rent (on the fifth of june) [0:25] "james has to pay the rent on the fifth of june"'
        in answer.text.splitlines()
    )
    assert answer.data[-1] == {
        "owner": "James",
        "said_owner": "James",
        "task": "pay the rent",
        "deadline": "on the fifth of june",
        "quote": "james has to pay the rent on the fifth of june",
        "start": answer.evidence[-1].start,
        "end": answer.evidence[-1].end,
    }


def test_an_owner_who_is_not_named_is_not_made_up() -> None:
    answer = ask("Action items", "kitchen")
    assert "someone (no name given): clean the storage room" in answer.text
    assert answer.data[-1]["owner"] is None


def test_sections_carry_titles_only_where_there_are_several() -> None:
    both = ask("Summarize key decisions and list action items with assignees.", "build")
    assert both.text.startswith("Decisions:\n- ")
    assert "\n\nAction items:\n- Kevin: " in both.text
    assert set(both.data) == {"decisions", "actions"}
    assert "Decisions:" not in ask("List the decisions", "build").text


def test_nothing_found_is_said() -> None:
    talk = [("a.wav", said("the sky is blue", "the sea is deep"))]
    assert reply(route("List the decisions"), talk).text == "No decision was recognised."
    assert reply(route("List the action items"), talk).text == "No action item was recognised."
    assert reply(route("What about the dragon?"), talk).text == "Nothing in the recording answers this."
    near = reply(route("What did the tall captain shout from the blue mountain?"), talk)
    assert near.text.startswith("Nothing in the recording answers this closely; the nearest is:\n[0:00]")


def test_silence_is_said_once() -> None:
    empty = Transcript((), 12.0)
    for prompt in ("", "Summarize", "What did they decide about the release?", "List decisions and action items"):
        answer = reply(route(prompt), [("a.wav", empty)])
        assert answer.text.count("Nobody speaks") == 1
        assert answer.evidence == ()
        assert [(notice.kind, notice.text) for notice in answer.notices] == [
            ("silence", "No speech was found in a.wav.")
        ]
    assert reply(route("How long is the recording?"), [("a.wav", empty)]).text == "12.0 s"
    blank = Transcript((Segment("  ", 0.0, 1.0),), 1.0)
    assert "Nobody speaks" in reply(route("Summarize"), [("a.wav", blank)]).text


def test_doubted_words_are_marked() -> None:
    transcript = said("we decided to sell the boat", "anna will paint it on friday", unsure=frozenset({0}))
    answer = reply(route("List decisions and action items"), [("a.wav", transcript)])
    assert '[0:00] "we decided to sell the boat" (unsure)' in answer.text
    assert '"anna will paint it on friday"\n' in answer.text + "\n"
    assert [segment.unsure for segment in answer.evidence] == [True, False]


def test_a_transcript_is_the_text_and_its_segments() -> None:
    transcript = meeting("school")
    answer = reply(route("Transcribe this"), [("a.wav", transcript)])
    assert answer.text == transcript.text
    assert answer.evidence == transcript.segments
    timed = reply(route("Transcribe with timestamps"), [("a.wav", transcript)])
    assert timed.text.splitlines()[0] == f"[0:00] {transcript.segments[0].text}"


def test_several_clips_are_named() -> None:
    answer = ask("What did they decide about the menu?", "school", "kitchen")
    assert answer.text == 'kitchen.flac [0:06] "we agreed to change the menu in october"'
    assert answer.data[0]["clip"] == "kitchen.flac"
    assert ask("Transcribe", "school", "kitchen").text.startswith("school.flac:\nwe need to talk")
    mixed = reply(route("Summarize"), [("a.wav", meeting("club")), ("b.wav", Transcript((), 3.0))])
    assert [notice.text for notice in mixed.notices] == ["No speech was found in b.wav."]


def test_clips_are_compared_side_by_side() -> None:
    one = said("the river flooded the village", "the river is deep", "the boat sank")
    other = said("the river froze", "the ice is thick on the river", "the ice cracked")
    answer = reply(route("Compare these."), [("a.wav", one), ("b.wav", other)])
    first, second, last = answer.text.split("\n\n")
    assert re.match(r"a\.wav: \d\.\d s\n", first)
    assert "- only here: ice" in second
    assert last == "In all: river"
    assert len(answer.evidence) == 4
    assert "only one recording" in reply(route("Compare these."), [("a.wav", one)]).text


def test_pairs_that_say_the_same_or_share_words_are_told() -> None:
    one, other = said("the river flooded the village", "the boat sank"), said("the boat won", "the race was long")
    clips = [("a.wav", one), ("b.wav", other), ("c.wav", one), ("d.wav", Transcript((), 75.2))]
    answer = reply(route("Compare these."), clips)
    assert answer.text.splitlines()[-3:] == [
        "a.wav and b.wav: both say boat",
        "a.wav and c.wav: the same words",
        "b.wav and c.wav: both say boat",
    ]
    assert "d.wav: 1:15, nobody speaks" in answer.text
    assert answer.text.count("only here: river") == 2
    assert [pair["same"] for pair in answer.data["pairs"]] == [False, True, False]


def test_a_doubted_owner_is_marked() -> None:
    every = said("charge will send the report by friday", "anna will paint the fence")
    (first, *rest) = every.segments
    words = tuple(replace(word, unsure=word.text == "charge") for word in first.words)
    transcript = replace(every, segments=(replace(first, words=words), *rest))
    answer = reply(route("List the action items"), [("a.wav", transcript)])
    assert answer.text.splitlines()[0].startswith("- Charge (unsure): send the report (by friday) [0:00]")
    assert "Anna: paint" in answer.text
    assert [item.get("unsure") for item in answer.data] == [True, None]


def test_a_quote_is_unsure_where_a_third_of_its_words_is() -> None:
    (segment,) = said("we decided to sell the boat").segments
    for doubted, marked in ((1, False), (2, True)):
        words = tuple(replace(word, unsure=i < doubted) for i, word in enumerate(segment.words))
        answer = reply(route("List the decisions"), [("a.wav", Transcript((replace(segment, words=words),), 3.0))])
        assert answer.text.endswith(" (unsure)") is marked
        assert ("unsure" in answer.data[0]) is marked


def test_what_was_measured_has_its_section() -> None:
    measured = {"music": ("G major, 120 beats a minute", {"key": "G major", "tempo": 120})}
    clips = [("a.wav", meeting("club"))]
    request = route("Transcribe this and tell me the tempo")
    assert reply(request, clips, measured=measured).text.endswith("\n\nMusic:\nG major, 120 beats a minute")
    alone = reply(route("What is the tempo?"), clips, measured=measured)
    assert (alone.text, alone.data) == measured["music"]


def test_limits_become_notices() -> None:
    answer = reply(route("Give me the action items as a table"), [("a.wav", meeting("club"))])
    assert [notice.kind for notice in answer.notices] == ["partly"]


def test_and_then_goes_on_after_the_answer() -> None:
    first = ask("What did they decide about the train?", "school")
    earlier = (("What did they decide about the train?", first.text),)
    then = ask("And then?", "school", earlier=earlier)
    assert quotes(then.text)[0][1] == "laura will put the tickets by monday"
    further = ask("and then?", "school", earlier=(*earlier, ("And then?", then.text)))
    assert quotes(further.text)[0][0] > quotes(then.text)[-1][0]
    last = ask("And then?", "school", earlier=(("Who thanked everybody? thanks everybody", ""),))
    assert last.text == "Nothing is said after that."


def test_when_and_who_ask_about_the_same_thing() -> None:
    earlier = (("What about the rent?", ""),)
    assert ask("when?", "club", earlier=earlier).text.startswith("on the fifth of june - ")
    assert ask("And who?", "club", earlier=earlier).text.startswith("James - ")
    assert ask("When is it due?", "club", earlier=(*earlier, ("And who?", ""))).text.startswith(
        "on the fifth of june - "
    )


def test_what_else_gives_other_sentences() -> None:
    earlier = (("Summarize in one sentence", ""),)
    first = quotes(ask("Summarize in one sentence", "build").text)
    other = quotes(ask("What else?", "build", earlier=earlier).text)
    assert other
    assert not set(first) & set(other)


@pytest.mark.parametrize("prompt", ["And then?", "What else?", "When?"])
@pytest.mark.parametrize("earlier", [(), (("Translate it", ""),), (("And then?", ""),)])
def test_a_follow_up_to_nothing_says_so(prompt: str, earlier: tuple[tuple[str, str], ...]) -> None:
    assert ask(prompt, "club", earlier=earlier).text == "There is no earlier answer to go on from."


@pytest.mark.parametrize("prompt", ["And then?", "What else?", "When?"])
def test_a_follow_up_to_an_answer_without_a_quote_says_so(prompt: str) -> None:
    answer = ask(prompt, "club", earlier=(("What sounds are there?", "A steady tone."),))
    assert answer.text == "The earlier answer quotes nothing that could be gone on from."


def test_what_somebody_has_to_do_is_theirs_alone() -> None:
    talk = [("a.wav", said("susan will write the guide", "daniel has to test the build by friday", "daniel was late"))]
    assert reply(route("What does Susan have to do?"), talk).text == (
        '- Susan: write the guide [0:00] "susan will write the guide"'
    )
    for prompt in ("What will Daniel do and when?", "What is Daniel going to do?"):
        assert reply(route(prompt), talk).text.startswith("- Daniel: test the build (by friday)")
    assert reply(route("What will Peter do?"), talk).text.startswith("Nothing in the recording")


def test_a_question_finds_the_kind_of_thing_it_asks_for() -> None:
    talk = [("a.wav", said("good morning", "the coffee machine is broken again", "i am afraid the repair takes weeks",
                           "can i have a tea with milk please"))]  # fmt: skip
    assert reply(route("When did they talk about the coffee machine?"), talk).text.startswith("0:01 - [0:01] ")
    why = reply(route("Why is the coffee machine broken?"), talk).text
    assert why.startswith("No reason is given; nearest:\n[0:01]")
    assert '"i am afraid' in reply(route("What is the speaker worried about?"), talk).text
    for prompt in ("What does the person want to drink?", "What does she order?"):
        assert '"can i have a tea' in reply(route(prompt), talk).text
    assert len(ask("What does she order?", "kitchen").evidence) == 1
    assert reply(route("Thank you"), talk).text.startswith("Nothing was asked;")


def test_a_refusal_or_no_clip_is_the_callers_mistake() -> None:
    with pytest.raises(ValueError, match="translate"):
        reply(route("Translate it"), [("a.wav", meeting("club"))])
    with pytest.raises(ValueError, match="no recording"):
        reply(Request(("summary",)), [])
