"""Intent, sentiment, emotion, certainty: by rule from words, or by a model that hears the voice."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import hark
from hark.engines.openai_server import OpenAIServer
from hark.errors import UnsupportedError
from hark.tasks.speech import EMOTIONS
from hark.tasks.understand import ASPECTS, CERTAINTIES, INTENTS, SENTIMENTS, by_rule
from tiny.openai_server import CHAT, Exchange, LoopbackServer, chat_chunks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ALLOWED = dict(zip(ASPECTS, (INTENTS, SENTIMENTS, EMOTIONS, CERTAINTIES), strict=True))


def said(text: str, language: str = "en") -> hark.Transcript:
    return hark.Transcript((hark.Segment(text, 0.0, 3.0),) if text else (), 3.0, language)


@pytest.fixture(scope="module")
def doubt(hesitant: hark.Audio) -> Any:
    with hark.load("builtin") as builtin:
        return builtin.understand(hesitant)


def test_the_hesitant_sentence_comes_out_as_doubt(doubt: Any) -> None:
    assert doubt.certainty.value == "doubt"
    assert doubt.certainty.signs == ("not sure",)
    assert [quote.text for quote in doubt.certainty.quotes] == ["I'm not sure I can finish this on time"]
    assert doubt.intent.value == "doubt"
    assert doubt.basis == "words"
    assert doubt.emotion.value == "unknown"
    assert any("not the voice" in notice.text for notice in doubt.notices)
    assert '- **Certainty**: doubt: [0:00] "I\'m not sure I can finish this on time" (not sure)' in doubt.to_markdown()
    assert json.loads(json.dumps(doubt.to_dict()))["certainty"]["value"] == "doubt"


@pytest.mark.parametrize(
    ("text", "intent", "sentiment", "certainty"),
    [
        ("Please make me a large coffee.", "order", "neutral", "unknown"),
        ("I am absolutely sure that this works great.", "statement", "positive", "sure"),
        ("This is terrible, it does not work.", "complaint", "negative", "unknown"),
        ("Where is the station?", "question", "neutral", "unknown"),
        ("I am so sorry, my fault.", "apology", "negative", "unknown"),
        ("Maybe it rains.", "doubt", "neutral", "doubt"),
        ("", "unknown", "unknown", "unknown"),
    ],
)
def test_what_words_tell(text: str, intent: str, sentiment: str, certainty: str) -> None:
    found = by_rule(said(text), "clip")
    assert (found.intent.value, found.sentiment.value, found.certainty.value) == (intent, sentiment, certainty)
    for name in ASPECTS:
        assert getattr(found, name).value in ALLOWED[name]


def test_rules_are_english() -> None:
    with pytest.raises(UnsupportedError, match="language 'fr'"):
        by_rule(said("Je ne suis pas sûr.", "fr"), "clip")


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[Exchange], str]], tuple[hark.Listener, LoopbackServer]]]:
    made: list[Any] = []

    def start(answer: Callable[[Exchange], str]) -> tuple[hark.Listener, LoopbackServer]:
        server = LoopbackServer({CHAT: lambda ask: ask.stream(chat_chunks(answer(ask)))})
        made.extend((hark.Listener(OpenAIServer(f"openai:m@{server.url}", timeout=5, backoff=0.01)), server))
        return made[-2], server

    yield start
    for one in made:
        one.close()


def test_a_model_that_hears_is_asked_for_all_four_and_its_quotes_are_looked_up(serve: Any, hesitant: Any) -> None:
    def one(value: str, *words: str, heard_in: str = "") -> dict[str, Any]:
        return {"value": value, "words": list(words), "heard_in": heard_in}

    told = {
        "meaning": "She may be late.",
        "intent": one("statement"),
        "sentiment": one("negative", "words that nobody said"),
        "emotion": one("afraid", heard_in="a low,\n slow voice"),
        "certainty": one("doubt", "not sure", heard_in="a pause"),
    }
    listener, server = serve(lambda _: json.dumps(told))
    heard = said("I'm not sure I can finish this on time.")
    found = listener.understand(hesitant, transcript=heard, temperature=0.0)
    (ask,) = server.asked
    form = ask.json["response_format"]["json_schema"]["schema"]["properties"]
    for name in ASPECTS:
        assert form[name]["properties"]["value"]["enum"] == list(ALLOWED[name])
    assert ask.json["temperature"] == 0.0
    prompt = "".join(part.get("text", "") for part in ask.parts)
    assert all(value in prompt for values in ALLOWED.values() for value in values)
    assert (found.basis, found.meaning) == ("voice", "She may be late.")
    assert (found.certainty.value, found.certainty.heard_in) == ("doubt", "a pause")
    assert (found.certainty.quotes[0].found, found.certainty.quotes[0].start) == (True, 0.0)
    assert not found.sentiment.quotes[0].found
    assert [notice.text for notice in found.notices if notice.kind == "unsure"] == [
        "1 of the quotes are not in the transcript."
    ]
    assert "- **Emotion**: afraid; heard in: a low, slow voice" in found.to_markdown()


def test_a_tiny_random_model_gives_what_the_schema_allows(
    hesitant: hark.Audio, tmp_path_factory: pytest.TempPathFactory
) -> None:
    pytest.importorskip("transformers")
    pytest.importorskip("llguidance")
    from tiny.families import make

    with hark.load(str(make("qwen2_audio", tmp_path_factory.mktemp("understand") / "tiny"))) as listener:
        found = listener.understand(hesitant, transcript=said("I'm not sure."), temperature=0.0, max_new_tokens=4000)
    for name in ASPECTS:
        assert getattr(found, name).value in ALLOWED[name]


def test_options_are_honoured_or_refused(hesitant: hark.Audio) -> None:
    with hark.load("builtin") as builtin, pytest.raises(UnsupportedError, match="option temperature"):
        builtin.understand(hesitant, temperature=0.3)
