"""Tasks that bring a JSON Schema along: emotion, speaker, prosody, and labels that a model is asked for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import hark
from hark.answers.schema import Schema
from hark.engines.asking import prepared
from hark.engines.engine import Options
from hark.errors import OptionError, UnsupportedError
from hark.tasks import TASKS

if TYPE_CHECKING:
    from collections.abc import Iterator

SPEECH = ("emotion", "speaker", "prosody")


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[hark.Listener]:
    """A tiny model that can be held to a schema."""
    pytest.importorskip("transformers")
    pytest.importorskip("llguidance")
    from tiny.families import make

    with hark.load(str(make("qwen2_audio", tmp_path_factory.mktemp("speech") / "tiny"))) as loaded:
        yield loaded


def asked(can: hark.Capabilities, task: str, **options: Any) -> tuple[hark.Conversation, Options]:
    conversation = hark.Conversation.ask((hark.Audio.of(b"\0"),))
    return prepared("model", can, conversation, Options.of(task=task, **options))


@pytest.mark.parametrize("task", SPEECH)
def test_every_field_may_be_unknown_and_none_asks_who_somebody_is(task: str) -> None:
    schema = TASKS[task].schema
    assert schema is not None
    Schema.of(schema)
    for name, kind in schema["properties"].items():
        if "enum" in kind:
            assert "unknown" in kind["enum"], name
            assert [value for value in kind["enum"] if value not in TASKS[task].prompt] == []
    assert "nknown" in TASKS[task].prompt
    assert not {"name", "gender", "sex", "ethnicity", "identity"} & set(schema["properties"])


@pytest.mark.parametrize("task", SPEECH)
def test_a_model_that_can_is_held_to_the_schema_and_the_others_get_the_prompt(task: str) -> None:
    words = hark.Capabilities(free_prompt=True, options=frozenset({"stop"}))
    conversation, options = asked(words, task)
    assert (conversation.prompt, options.schema, options.task) == (TASKS[task].prompt, None, None)
    able = hark.Capabilities(free_prompt=True, options=frozenset({"schema", "stop"}))
    conversation, options = asked(able, task)
    assert options.schema == Schema.of(TASKS[task].schema)
    assert conversation.prompt.startswith(TASKS[task].prompt)
    assert asked(able, task, stop="}")[1].schema is None
    own = {"type": "object", "properties": {"mood": {"type": "string"}}}
    assert asked(able, task, schema=own)[1].schema == Schema.of(own)
    assert asked(able, "summary")[1].schema is None


def test_the_answer_is_the_json_and_its_values(qwen: hark.Listener, order: hark.Audio) -> None:
    answer = qwen.ask(order, task="prosody", temperature=0.0, max_new_tokens=900)
    assert answer.data == json.loads(answer.text)
    assert answer.data["pace"] in ("slow", "normal", "fast", "varying", "unknown")
    assert set(answer.data) == set((TASKS["prosody"].schema or {})["properties"])


@pytest.mark.parametrize("task", SPEECH)
def test_the_offline_default_says_that_it_judges_no_voice(task: str, order: hark.Audio) -> None:
    with hark.load("builtin") as builtin, pytest.raises(UnsupportedError, match="cannot judge a voice"):
        builtin.ask(order, task=task)


def test_a_model_that_is_asked_chooses_one_of_the_labels(qwen: hark.Listener, order: hark.Audio) -> None:
    labels = ["angry", "happy", "neutral"]
    answer = qwen.classify(order, labels)
    assert answer.text in labels
    assert answer.data == [{"label": answer.text}]
    assert answer.usage.audio_seconds == pytest.approx(order.duration, abs=0.01)
    assert qwen.classify(order, ["a bell", "a siren"]).text in ("a bell", "a siren")
    with pytest.raises(OptionError, match="no scores"):
        qwen.classify(order, labels, top=2)
    with pytest.raises(UnsupportedError, match="no labels of its own") as refusal:
        qwen.classify(order)
    assert refusal.value.hint.startswith("Give the labels")
