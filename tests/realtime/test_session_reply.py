"""What is said without any text is answered: the task `reply`, by every kind of model."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
from talking import RATE, quiet, talking

import hark
from hark.conversation.conversation import Conversation
from hark.engines.builtin.dialogue import NOBODY, turn
from hark.engines.builtin.router import asks
from hark.errors import UnsupportedError
from serving import serving
from tiny.openai_server import CHAT, Exchange, LoopbackServer, chat_chunks
from tiny.whisper import tiny_whisper

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def repeat(ask: Exchange) -> None:
    """A text model that tells what it was given."""
    said = " | ".join(
        f"{message['role']}: {''.join(part.get('text', '[sound]') for part in message['content'])}"
        for message in ask.json["messages"]
    )
    ask.stream(chat_chunks(*re.findall(r"\S+\s*", said)))


@pytest.fixture(scope="module")
def writer() -> Iterator[LoopbackServer]:
    made = LoopbackServer({CHAT: repeat})
    yield made
    made.close()


@pytest.fixture(scope="module")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_whisper(tmp_path_factory.mktemp("models") / "tiny")


def replied(listener: hark.Listener, conversation: Conversation) -> str:
    return hark.Answer.of(listener.answer(conversation, task="reply")).text


def test_a_model_that_hears_is_given_the_sound_alone(writer: LoopbackServer, order: hark.Audio) -> None:
    with hark.load(f"openai:m@{writer.url}") as listener:
        assert replied(listener, Conversation().say(order)) == "user: [sound]"
    with hark.load("echo") as listener:
        told = replied(listener, Conversation().say(order))
        assert re.fullmatch(r"echo heard user: \[3\.\d s, 16000 Hz, sha256 \w{8}\]", told)
        assert listener.ask(order, task="reply").text == told


def test_a_text_model_reads_the_words_as_what_the_user_says(
    writer: LoopbackServer, order: hark.Audio, hesitant: hark.Audio
) -> None:
    with hark.load("builtin", answer_with=f"openai:writer@{writer.url}") as listener:
        talk = Conversation().say(order).reply("Sugar?").say(hesitant)
        told = replied(listener, talk)
        assert told.startswith("user: please make me a large coffee with two sugars | assistant: Sugar? | user: ")
        assert "Recording" not in told


def test_who_only_writes_down_refuses(order: hark.Audio, whisper: Path) -> None:
    with hark.load(str(whisper)) as listener, pytest.raises(UnsupportedError) as refused:
        replied(listener, Conversation().say(order))
    assert "'reply'" in refused.value.message
    assert "transcribe" in refused.value.message


SAID = {
    "please make me a large coffee with two sugars": False,
    "the meeting with robert is on friday at nine": False,
    "i think we should buy the red one": False,
    "what did the customer order": True,
    "when is the meeting": True,
    "can you summarize this": True,
    "give me a summary please": True,
    "what else": True,
    "and then": True,
    "thank you": True,
    "who has to write the letter": True,
    "": False,
}


@pytest.mark.parametrize(("said", "asked"), SAID.items())
def test_questions_are_told_from_what_is_told(said: str, asked: bool) -> None:
    assert asks(said) is asked


def test_the_offline_default_answers_about_what_was_told(order: hark.Audio, hesitant: hark.Audio) -> None:
    silence = hark.Audio.of(np.zeros(RATE, np.float32), RATE)
    with hark.load("builtin") as listener:
        talk = Conversation().say(order)
        told = replied(listener, talk)
        assert told == 'I heard: "please make me a large coffee with two sugars"'
        talk = talk.reply(told).say("How many sugars are in the coffee?")
        answer = replied(listener, talk)
        assert "two sugars" in answer
        assert replied(listener, talk.reply(answer).say("What else?")).startswith("Nothing else")
        assert replied(listener, talk.reply(answer).say(silence)) == NOBODY
        assert "[0:0" in replied(listener, talk.reply(answer).say(hesitant).reply("Yes.").say("Summarize that."))


def test_spoken_questions_are_about_all_that_was_told_before(order: hark.Audio, hesitant: hark.Audio) -> None:
    question = hark.Audio.of(quiet(1.0), RATE)
    words = {order.id: "the coffee is cold", hesitant.id: "the tea is hot", question.id: "what is cold"}
    talk = Conversation().say(order).reply("I see.").say(hesitant).reply("I see.").say(question)
    read = turn(talk, words)
    assert read.text == ""
    assert read.conversation.prompt == "what is cold"
    assert read.conversation.clips == (order, hesitant)
    assert read.request.every
    # A question that nothing came before is confirmed, and is no news to later questions.
    first = Conversation().say(question)
    assert turn(first, words).text == 'I heard: "what is cold"'
    later = turn(first.reply("I heard.").say(order).reply("I see.").say(question), words)
    assert later.conversation.clips == (order,)
    words[question.id] = "translate it into french"
    refused = turn(talk, words)
    assert refused.request.refusal
    assert refused.text.startswith(refused.request.refusal.reason)


def test_a_folder_is_not_named_to_clients(order: hark.Audio, whisper: Path) -> None:
    with serving(f"mine={whisper}") as server, talking(server, "mine") as talk:
        talk.say(quiet(0.5), order.samples(RATE), quiet(1.0))
        failed = talk.until("response.done")[-1].response
        assert failed.status == "failed"
        assert "mine cannot do the task 'reply'" in failed.status_details.error.message
        assert not any(str(whisper) in event.to_json() for event in talk.events)
