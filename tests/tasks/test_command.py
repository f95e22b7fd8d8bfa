"""Spoken commands on every kind of engine: one with a way of its own, one that is asked, one that writes down."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import hark
from hark import Capabilities, Delta, Engine, Segment
from hark.errors import ModelError, OptionError, UnsupportedError
from hark.tasks.command.command import Command
from hark.tasks.command.grammar import Grammar
from tiny.openai_server import CHAT, LoopbackServer, chat_chunks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hark import Conversation, Options

ORDER = {"size": "large", "drink": "coffee", "sugar": "two sugars"}


@pytest.fixture(scope="module")
def builtin() -> Iterator[hark.Listener]:
    with hark.load("builtin") as loaded:
        yield loaded


@pytest.fixture(scope="module")
def grammar(examples: Path) -> Grammar:
    return Grammar.of(examples / "coffee_maker.yaml")


def test_an_order_is_understood_offline(builtin: hark.Listener, order: hark.Audio, grammar: Grammar) -> None:
    found = builtin.command(order, grammar)
    assert found
    assert (found.intent, found.slots) == ("order", ORDER)
    assert found.text.replace(" an ", " a ") == "please make me a large coffee with two sugars"
    assert 0.5 <= (found.confidence or 0) <= 1
    assert 0 <= found.start < 0.5 < 2.5 < found.end <= order.duration
    assert str(found) == "order(size=large, drink=coffee, sugar=two sugars)"


def test_the_same_recording_gives_the_same_command(
    builtin: hark.Listener, order: hark.Audio, hesitant: hark.Audio, grammar: Grammar
) -> None:
    first = builtin.command(order, grammar)
    builtin.command(hesitant, grammar)
    assert builtin.command(order, grammar) == first


def test_a_grammar_decides_what_can_be_heard(builtin: hark.Listener, order: hark.Audio) -> None:
    jsgf = "#JSGF V1.0;\npublic <want> = [please] make me a large (coffee | tea) {what} with (one | two {n=2}) sugars;"
    assert builtin.command(order, jsgf).slots == {"what": "coffee", "n": "2"}


@pytest.mark.parametrize("name", ["hesitant.flac", "sounds/noise.flac", "sounds/silence.flac", "sounds/siren.flac"])
def test_what_is_no_command_is_not_understood(
    builtin: hark.Listener, examples: Path, grammar: Grammar, name: str
) -> None:
    found = builtin.command(examples / name, grammar)
    assert not found
    assert (found.understood, found.intent, found.slots) == (False, None, {})
    assert (found.confidence or 0) < 0.35


def test_sounds_without_speech_and_clicks_are_no_commands(builtin: hark.Listener, grammar: Grammar) -> None:
    noise = np.random.default_rng(0).standard_normal(16000 * 3).astype(np.float32) * 0.1
    for samples in (noise, np.zeros(160, np.float32), np.ones(1, np.float32), noise[:2000] * 1e-6):
        assert not builtin.command(hark.Audio.of(samples, 16000), grammar)


def test_a_word_nobody_can_pronounce_is_told_with_words_like_it(builtin: hark.Listener, order: hark.Audio) -> None:
    with pytest.raises(OptionError, match="'capuccino'") as caught:
        builtin.command(order, "context: {expressions: {order: ['make me a capuccino']}}")
    assert "cappuccino" in caught.value.hint


def test_plurals_and_compounds_are_pronounced(builtin: hark.Listener, order: hark.Audio) -> None:
    grammar = "context: {expressions: {a: ['please make-me a large coffee with two sugars', \"kubernetes's logs\"]}}"
    with pytest.raises(OptionError, match="kubernetes"):
        builtin.command(order, grammar)
    grammar = grammar.replace("kubernetes", "elevator")
    assert builtin.command(order, grammar).text == "please make-me a large coffee with two sugars"


def test_command_and_grammar_go_together(builtin: hark.Listener, order: hark.Audio, grammar: Grammar) -> None:
    for options in ({"task": "command"}, {"grammar": grammar}, {"task": "summary", "grammar": grammar}):
        with pytest.raises(OptionError, match="go together"):
            builtin.ask(order, **options)  # type: ignore[arg-type]
    with pytest.raises(UnsupportedError):
        builtin.ask([order, order], task="command", grammar=grammar)
    with pytest.raises(UnsupportedError, match="'de'"):
        builtin.command(order, grammar, language="de")
    assert builtin.ask(order, task="command", grammar=grammar).data["slots"] == ORDER


def test_commands_as_values() -> None:
    found = Command(True, "order", {"size": "a|b"}, 0.9, "a b")
    assert json.loads(json.dumps(found.to_dict()))["slots"] == {"size": "a|b"}
    assert found.to_markdown() == "**order**\n\n| slot | value |\n|---|---|\n| size | a\\|b |\n"
    assert "Not understood" in Command(False, text="hello").to_markdown()
    assert str(Command(False)) == "not understood"


@pytest.fixture
def served() -> Iterator[tuple[LoopbackServer, dict[str, Any]]]:
    said: dict[str, Any] = {}
    server = LoopbackServer({CHAT: lambda ask: ask.stream(chat_chunks(json.dumps(said)))})
    yield server, said
    server.close()


def answered(understood: bool, intent: str | None, **slots: str | None) -> dict[str, Any]:
    every = {"size": None, "strength": None, "drink": None, "sugar": None, **slots}
    return {"heard": "words", "understood": understood, "intent": intent, "slots": every}


def test_a_model_that_is_asked_chooses_from_the_grammar(
    served: tuple[LoopbackServer, dict[str, Any]], order: hark.Audio, grammar: Grammar
) -> None:
    server, said = served
    with hark.load(f"openai:audio-chat@{server.url}") as listener:
        said |= answered(True, "order", size="large", drink="coffee")
        found = listener.command(order, grammar)
        (asked,) = server.asked
        sent = json.dumps(asked.json)
        assert all(word in sent for word in ("two sugars", "hot chocolate", "order: size, strength, drink, sugar"))
        assert len(asked.wavs) == 1
        assert (found.intent, found.slots, found.confidence) == ("order", {"size": "large", "drink": "coffee"}, None)
        said |= answered(True, "stop", size="large")
        assert listener.command(order, grammar).slots == {}
        said |= answered(False, None)
        assert not listener.command(order, grammar)
        said |= answered(True, "order", size="huge")
        with pytest.raises(ModelError, match="huge"):
            listener.command(order, grammar)


class Scribe(Engine):
    """A transcriber that writes what it is told to."""

    name = "scribe"
    can = Capabilities(free_prompt=False, timestamps="segment")
    text, confidence = "", None

    def generate(self, conversation: Conversation, options: Options) -> Iterator[Delta]:
        assert options.task == "transcribe"
        yield Delta(self.text, (Segment(self.text, 0.5, 2.5, confidence=self.confidence),) if self.text else ())


def test_what_a_transcriber_writes_is_read_by_the_grammar(order: hark.Audio, grammar: Grammar) -> None:
    scribe = Scribe()
    listener = hark.Listener(scribe)
    scribe.text = "Please make me a large coffee, with 2 sugars."
    found = listener.command(order, grammar)
    assert (found.intent, found.slots, found.text, found.confidence) == ("order", ORDER, scribe.text, 1.0)
    assert (found.start, found.end) == (0.5, 2.5)
    scribe.confidence = 0.4
    assert listener.command(order, grammar).confidence == 0.4
    for scribe.text in ("I'm not sure I can finish this on time.", ""):
        found = listener.command(order, grammar)
        assert (found.understood, found.slots, found.text) == (False, {}, scribe.text)
