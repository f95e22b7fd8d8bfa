"""Questions about more than a model hears at once: refused with a hint, or asked stretch by stretch."""

from __future__ import annotations

import itertools
import json
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import hark
from hark.engines.openai_server import OpenAIServer
from hark.errors import OptionError, UnsupportedError
from hark.tasks import long
from tiny.openai_server import CHAT, Exchange, LoopbackServer, chat_chunks, heard, seconds_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def standup(examples: Path) -> hark.Audio:
    return hark.Audio.of(examples / "standup.flac")


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[Exchange], str]], tuple[hark.Listener, LoopbackServer]]]:
    """A listener that hears 30 s, on a server that answers by a function."""
    made: list[Any] = []

    def start(answer: Callable[[Exchange], str]) -> tuple[hark.Listener, LoopbackServer]:
        server = LoopbackServer({CHAT: lambda ask: ask.stream(chat_chunks(answer(ask)))})
        engine = OpenAIServer(f"openai:m@{server.url}", timeout=5, backoff=0.01)
        engine.can = replace(engine.can, max_seconds=30.0)
        made.extend((hark.Listener(engine), server))
        return made[-2], server

    yield start
    for one in made:
        one.close()


def text_of(ask: Exchange) -> str:
    return "\n".join(part["text"] for part in ask.parts if part["type"] == "text")


# --- cutting ------------------------------------------------------------------------------------------------------


def test_stretches_are_the_whole_recording_cut_in_pauses(standup: hark.Audio) -> None:
    ends = long.cuts(standup, 30.0)
    pieces = list(long.stretches(standup, ends))
    assert np.array_equal(np.concatenate([one.audio.samples() for one in pieces]), standup.samples())
    assert [one.end for one in pieces] == pytest.approx(ends)
    assert all(one.end == other.start for one, other in itertools.pairwise(pieces))
    assert all(one.end - one.start <= 30.0 for one in pieces)
    samples = standup.samples()
    for end in ends[:-1]:  # quiet at each cut
        near = samples[int((end - 0.05) * 16000) : int((end + 0.05) * 16000)]
        assert np.abs(near).max() < 0.05 * np.abs(samples).max()


@pytest.mark.parametrize("seconds", [61.0, 100.0])
def test_what_has_no_pause_is_cut_in_equal_parts(seconds: float) -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, int(seconds * 8000)).astype(np.float32)
    clip = hark.Audio.of(noise, 8000)
    ends = long.cuts(clip, 30.0)
    sizes = np.diff([0.0, *ends])
    assert ends[-1] == pytest.approx(seconds)
    assert sizes.max() <= 30.0
    assert len(ends) == int(np.ceil(seconds / 30))


# --- refusing -----------------------------------------------------------------------------------------------------


def test_a_long_question_is_refused_before_anything_is_asked_and_the_hint_tells_the_way(
    serve: Any, standup: hark.Audio
) -> None:
    listener, server = serve(lambda ask: heard(ask.wavs))
    with pytest.raises(UnsupportedError, match=r"lasts 76 s.* hears 30 s") as refusal:
        listener.ask(standup, "Who speaks?")
    assert "--long split" in refusal.value.hint
    assert "4 passes" in refusal.value.hint
    assert server.asked == []


def test_what_fits_is_asked_at_once_whatever_long_says(serve: Any, order: hark.Audio) -> None:
    listener, server = serve(lambda ask: heard(ask.wavs))
    assert listener.ask(order, "Well?").text == listener.ask(order, "Well?", long="split").text
    assert [len(ask.wavs) for ask in server.asked] == [1, 1]
    assert "stretch" not in text_of(server.asked[1])


def test_several_recordings_or_turns_are_not_split(serve: Any, standup: hark.Audio, order: hark.Audio) -> None:
    listener, _ = serve(lambda _: "x")
    for about in ([standup, order], hark.Conversation.ask((standup,), "A?").reply("b").say("C?")):
        with pytest.raises(UnsupportedError, match="lasts 76 s") as refusal:
            listener.ask(about, None if isinstance(about, hark.Conversation) else "D?", long="split")
        assert "alone" in refusal.value.hint


@pytest.mark.parametrize("value", ["cut", 1, 0, -3.0, float("nan"), float("inf"), True, None])
def test_long_is_one_of_two_words_or_seconds(order: hark.Audio, value: Any) -> None:
    with hark.load("echo") as echo, pytest.raises(OptionError, match="long cannot be"):
        echo.ask(order, "What?", long=value)


def test_the_offline_default_hears_everything_and_is_given_no_stretches(order: hark.Audio) -> None:
    with hark.load("builtin") as builtin, pytest.raises(UnsupportedError, match="stretch by stretch"):
        builtin.ask(order, "What?", long=30)


# --- asking -------------------------------------------------------------------------------------------------------


def test_each_stretch_is_asked_and_the_answers_are_combined(serve: Any, standup: hark.Audio) -> None:
    def answer(ask: Exchange) -> str:
        if not ask.wavs:
            return "Money, in the end."
        return "NOTHING." if "stretch 2 of 3" in text_of(ask) else f"Money ({heard(ask.wavs)})."

    listener, server = serve(answer)
    found = listener.ask(standup, "What is missing?", long="split", system="Be brief.", seed=3)
    *stretches, last = server.asked
    stretches.sort(key=lambda ask: text_of(ask)[:30])  # all but the first are asked together
    assert sum(seconds_of(ask.wavs[0]) for ask in stretches) == pytest.approx(standup.duration, abs=0.001)
    for number, ask in enumerate(stretches, 1):
        assert f"This is stretch {number} of 3 of a longer recording, from" in text_of(ask)
        assert text_of(ask).endswith("What is missing?")
    assert all(ask.json["seed"] == 3 for ask in server.asked)
    assert all(ask.json["messages"][0]["role"] == "system" for ask in server.asked)
    assert last.wavs == []
    for segment in found.evidence:
        assert segment.text in text_of(last)
    assert "NOTHING" not in text_of(last)
    assert text_of(last).endswith("What is missing?")
    assert found.text == "Money, in the end."
    first, second, end = long.cuts(standup, 30.0)
    assert [(one.start, one.end) for one in found.evidence] == [(0.0, first), (second, end)]
    assert found.usage.audio_seconds == pytest.approx(standup.duration)
    assert found.usage.input_tokens == 4 * 7
    (split,) = [notice for notice in found.notices if notice.kind == "split"]
    assert "3 stretches" in split.text
    assert "4 passes" in split.text


def test_stretches_are_asked_together_and_their_answers_stay_in_order(serve: Any, standup: hark.Audio) -> None:
    together = threading.Barrier(2, timeout=5)

    def answer(ask: Exchange) -> str:
        if "stretch 1 of 3" not in text_of(ask) and ask.wavs:
            together.wait()  # is over when the other stretch has been asked, too
        return text_of(ask).partition(" of ")[0][-1] if ask.wavs else "whole"

    listener, _ = serve(answer)
    assert [one.text for one in listener.ask(standup, "What?", long="split").evidence] == ["1", "2", "3"]


def test_the_cost_is_told_before_the_work(serve: Any, standup: hark.Audio) -> None:
    listener, server = serve(lambda ask: heard(ask.wavs))
    steps = listener.stream(standup, "What?", long="split")
    first = next(steps)
    assert [notice.kind for notice in first.notices] == ["split"]
    assert server.asked == []
    steps.close()
    assert server.asked == []


@pytest.mark.parametrize("answers", [("NOTHING", "nothing.", "*Nothing*"), ("NOTHING", "Yes.", "NOTHING")])
def test_where_one_stretch_at_most_tells_something_nothing_is_combined(
    serve: Any, standup: hark.Audio, answers: tuple[str, ...]
) -> None:
    given = iter(answers)
    listener, server = serve(lambda _: next(given))
    found = listener.ask(standup, "Is there a dog?", long="split")
    assert len(server.asked) == 3
    yes = "Yes." in answers
    assert [one.text for one in found.evidence] == (["Yes."] if yes else [])
    assert found.text == "Yes." if yes else found.text.startswith("Nothing in the recording")


def test_a_schema_is_for_the_whole_and_stretches_are_answered_in_words(serve: Any, standup: hark.Audio) -> None:
    wanted = {"type": "object", "properties": {"people": {"type": "integer"}}, "required": ["people"]}
    listener, server = serve(lambda ask: "two people" if ask.wavs else json.dumps({"people": 2}))
    found = listener.ask(standup, "How many people?", long="split", schema=wanted)
    assert found.data == {"people": 2}
    assert ["response_format" in ask.json for ask in server.asked] == [False, False, False, True]
    assert "JSON" not in text_of(server.asked[0])
    assert "JSON" in text_of(server.asked[-1])


def test_seconds_may_be_given_where_it_is_not_known_how_much_is_heard(standup: hark.Audio) -> None:
    with hark.load("echo") as echo:
        found = echo.ask(standup, "What?", long=20)
    assert len(found.evidence) >= 4
    assert max(one.end - one.start for one in found.evidence) <= 20
    assert found.text.count("What?") >= 1


def test_many_answers_are_combined_in_groups(serve: Any, standup: hark.Audio) -> None:
    listener, server = serve(lambda ask: "word " * 1600 if ask.wavs else "short")
    found = listener.ask(standup, "What?", long=8)
    reading = [ask for ask in server.asked if not ask.wavs]
    assert found.text == "short"
    assert len(reading) >= 3
    assert all(len(text_of(ask)) < 30_000 for ask in reading)
    assert "[0:00 to" in text_of(reading[-1])
    assert "to 1:15]" in text_of(reading[-1])


def test_several_questions_are_each_asked_stretch_by_stretch(serve: Any, standup: hark.Audio) -> None:
    listener, server = serve(lambda ask: heard(ask.wavs))
    answers = listener.ask(standup, ["One?", "Two?"], long="split")
    assert [len(answer.evidence) for answer in answers] == [3, 3]
    assert len(server.asked) == 8


def test_a_model_of_transformers_is_asked_stretch_by_stretch(
    standup: hark.Audio, tmp_path_factory: pytest.TempPathFactory
) -> None:
    pytest.importorskip("transformers")
    from tiny.families import make

    with hark.load(str(make("qwen2_audio", tmp_path_factory.mktemp("long") / "tiny"))) as listener:
        greedy: dict[str, Any] = {"temperature": 0.0, "max_new_tokens": 4}
        found = listener.ask(standup, "What?", long="split", **greedy)
        pieces = list(long.stretches(standup, long.cuts(standup, 30.0)))
        alone = [
            listener.ask(one.audio, long.about("What?", one, number, 3), **greedy).text.strip()
            for number, one in enumerate(pieces, 1)
        ]
    assert [one.text for one in found.evidence] == [text for text in alone if text]
    assert found.text
