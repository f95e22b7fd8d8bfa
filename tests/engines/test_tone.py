"""Intent, sentiment and uncertainty, judged by words."""

from __future__ import annotations

import pytest
from spoken import said

from hark.engines.builtin.sentences import sentences
from hark.engines.builtin.tone import intents, sentiment, uncertainty

INTENTS = {
    "turn on the lights in the kitchen": ("order", "turn on", "the lights in the kitchen"),
    "please play some jazz": ("order", "play", "some jazz"),
    "Stop the music.": ("order", "Stop", "the music"),
    "could you open the window please": ("request", "open", "the window"),
    "can i have a large cappuccino with milk": ("request", "can i have", "a large cappuccino with milk"),
    "i would like to order two pizzas": ("request", "order", "two pizzas"),
    "where is the station": ("question", "", ""),
    "Is it raining?": ("question", "", ""),
    "thank you very much": ("thanks", "", ""),
    "good morning everybody": ("greeting", "", ""),
    "i am sorry for the delay": ("apology", "", ""),
    "my order has not arrived": ("complaint", "", ""),
    "i will call you back": ("promise", "", ""),
    "let's meet at noon": ("suggestion", "", ""),
    "i'm not sure i can finish this on time": ("uncertainty", "", ""),
    "the sky is blue": ("statement", "", ""),
    "i will not sign this": ("refusal", "", ""),
}
SENTIMENTS = {
    "positive": ("this is a wonderful day", "the food was not bad", "i love it", "we are very happy with the result"),
    "negative": ("this is terrible", "i am not happy with it",
                 "the phone is broken and i am angry", "it never worked and it is awful"),
    "neutral": ("the train leaves at nine", "good morning", "there are five chairs"),
    "mixed": ("the food was great but the service was terrible",),
}  # fmt: skip
CERTAINTY = {
    "unsure": (("i'm not sure i can finish this on time",), ("um maybe it is the red one",), ("i don't know",)),
    "unsure in places": (("the house is old", "it has a red roof", "it might be empty"),),
    "sure": (("we will definitely win", "there is a lot of time"), ("i am certain of it",)),
    "no sign": (("the house is old", "it has a red roof"),),
}


@pytest.mark.parametrize(("text", "wanted"), INTENTS.items(), ids=INTENTS)
def test_intent_with_verb_and_object(text: str, wanted: tuple[str, str, str]) -> None:
    (found,) = intents(sentences(said(text)))
    assert (found.kind, found.verb, found.object) == wanted


@pytest.mark.parametrize(
    ("label", "text"), [(label, text) for label, texts in SENTIMENTS.items() for text in texts]
)  # fmt: skip
def test_sentiment(label: str, text: str) -> None:
    found = sentiment(sentences(said(text)))
    assert found.label == label
    assert bool(found.evidence) == (label != "neutral")


def test_sentiment_names_the_words_that_count() -> None:
    found = sentiment(sentences(said("it was not good", "really wonderful weather")))
    assert {one.text: words for one, words in found.evidence} == {
        "it was not good": ("not good",),
        "really wonderful weather": ("wonderful",),
    }


@pytest.mark.parametrize(
    ("label", "texts"), [(label, texts) for label, several in CERTAINTY.items() for texts in several]
)
def test_uncertainty(label: str, texts: tuple[str, ...]) -> None:
    found = uncertainty(sentences(said(*texts)))
    assert found.label == label
    assert bool(found.evidence) == (label != "no sign")


def test_nothing_said_shows_nothing() -> None:
    assert sentiment(()).label == "neutral"
    assert uncertainty(()).label == "no sign"
    assert intents(()) == ()
