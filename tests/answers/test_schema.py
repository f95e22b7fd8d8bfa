"""Schemas in every form they are given in, and the check that every answer passes."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import socket
from typing import TYPE_CHECKING, Any, Literal

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, field_validator

import hark
from hark.answers.answer import Answer, Delta, Notice
from hark.answers.narrow import closed, strict
from hark.answers.schema import Schema
from hark.engines.echo_json import fitting
from hark.errors import CutOffError, ModelError, OptionError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LIMIT = Notice("limit", "The text broke off at the limit of tokens.")


class Duty(BaseModel):
    what: str
    owner: str | None = None
    due: dt.date | None = None


class Meeting(BaseModel):
    mood: Literal["good", "bad"]
    people: int = Field(ge=1, le=20)
    duties: list[Duty] = Field(max_length=3)


class Tree(BaseModel):
    size: int
    parts: list[Tree] = []


@dataclasses.dataclass
class Point:
    x: int
    y: bool


def answer(schema: Schema, text: str, *notices: Notice, limit: int | None = None) -> Answer:
    def steps() -> Iterator[Delta]:
        yield from (Delta(letter) for letter in text)
        yield Delta(notices=notices)

    return Answer.of(schema.checked(steps(), "m", limit))


# --- what a schema may be -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "text", "value"),
    [
        (Meeting, '{"mood": "good", "people": 2, "duties": []}', Meeting(mood="good", people=2, duties=[])),
        (Tree, '{"size": 1, "parts": [{"size": 2}]}', Tree(size=1, parts=[Tree(size=2)])),
        (Point, '{"x": 1, "y": true}', Point(1, y=True)),
        (list[int], "[1, 2]", [1, 2]),
        (dt.date, '"2026-03-01"', dt.date(2026, 3, 1)),
        ({"type": "array", "items": {"enum": ["a"]}}, '["a"]', ["a"]),
        ('{"type": "object", "required": ["a"]}', '{"a": {"b": null}}', {"a": {"b": None}}),
        ({"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"n": {"type": "integer"}},
          "items": {"$ref": "#/definitions/n"}}, "[3]", [3]),
    ],
)  # fmt: skip
def test_a_schema_may_be_a_class_a_type_a_dict_or_json(given: Any, text: str, value: Any) -> None:
    found = answer(Schema.of(given), text)
    assert found.data == value
    assert type(found.data) is type(value)
    assert json.loads(json.dumps(found.to_dict()))["data"] is not None


def test_a_schema_may_be_a_file_but_text_is_never_taken_for_one(tmp_path: Path) -> None:
    file = tmp_path / "schema.json"
    file.write_text('\ufeff{"type": "integer"}', encoding="utf-8")
    assert answer(Schema.of(file), "5").data == 5
    with pytest.raises(OptionError, match="not JSON"):
        Schema.of(str(file))
    with pytest.raises(OptionError, match="No such file"):
        Schema.of(tmp_path / "none.json")
    file.write_text("secret")
    with pytest.raises(OptionError) as error:
        Schema.of(file)
    assert "secret" not in error.value.message + error.value.hint


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({"properties": {"a": {"type": "intger"}}}, r"\$\.properties\.a\.type: 'intger'"),
        ({"type": "array", "minItems": -1}, r"\$\.minItems"),
        ({"pattern": "("}, r"\$\.pattern"),
        ({"items": {"$ref": "#/$defs/none"}}, r"'#/\$defs/none', which is not in it"),
        ({"$ref": "#"}, "without end"),
        ({"$schema": 5}, "schema"),
        ({"a": {1}}, "not JSON"),
        ({"const": float("nan")}, "not JSON"),
        ("no JSON", "not JSON"),
        ("[]", "is an object"),
        ("true", "is an object"),
        (7, "cannot be 7"),
        ([int], "cannot be"),
        (object(), "cannot be made of"),
        (type, "cannot be made of"),
    ],
)
def test_what_is_no_schema_is_refused_with_the_place(given: Any, place: str) -> None:
    with pytest.raises(OptionError, match=place) as error:
        Schema.of(given)
    assert "pydantic class" in error.value.hint
    assert len(error.value.message) < 600


def test_a_schema_that_nests_without_end_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(3000):
        deep = {"items": deep}
    with pytest.raises(OptionError):
        Schema.of(deep)


def test_nothing_outside_the_schema_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    for place in ("https://example.org/schema.json", "file:///etc/passwd", "other.json"):
        with pytest.raises(OptionError, match="not in it"):
            Schema.of({"properties": {"a": {"$ref": place}}})
    inside = {"$id": "https://example.org/a", "$defs": {"b": {"$id": "b", "type": "integer"}}, "$ref": "b"}
    assert answer(Schema.of(inside), "1").data == 1


def test_options_take_all_forms_and_refuse_stop_beside_a_schema() -> None:
    options = hark.Options.of(schema=Meeting)
    assert isinstance(options.schema, Schema)
    assert hash(options) == hash(hark.Options.of(schema=Meeting))
    with pytest.raises(OptionError, match="stop cannot be used with a schema"):
        hark.Options.of(schema=Meeting, stop="x")
    with pytest.raises(OptionError, match="schema"):
        hark.Options(schema=Meeting)  # type: ignore[arg-type]


# --- the check ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("I think it went well.", "not JSON"),
        ("", "not JSON"),
        ('```json\n{"mood": "good", "people": 2, "duties": []}\n```', "not JSON"),
        ('{"mood": "good", "people": NaN, "duties": []}', "NaN is no JSON"),
        ('{"mood": "good", "people": 1e999, "duties": []}', "too large"),
        ("[" * 100_000, "nested too deeply"),
        ('{"mood": "good", "people": 2}', r"fit the schema: \$: 'duties' is a required property"),
        ('{"mood": "good", "people": 99, "duties": []}', r"\$\.people: 99 is greater than the maximum of 20"),
        ('{"mood": "good", "people": "2", "duties": []}', r"\$\.people: '2' is not of type 'integer'"),
        ('{"mood": "good", "people": 2, "duties": [{"what": "a", "due": "2026-02-31"}]}', r"\$\.duties\.0\.due"),
    ],
)
def test_an_answer_that_does_not_fit_is_an_error_that_shows_it(text: str, why: str) -> None:
    with pytest.raises(ModelError, match=why) as error:
        answer(Schema.of(Meeting), text)
    assert ("It wrote: " if text else "It wrote nothing") in error.value.hint
    assert len(error.value.hint) < 250


@pytest.mark.parametrize("text", ['{"mood": "go', '{"mood": "good", "people": 2, "duties": [', "", "{"])
def test_json_that_broke_off_is_an_error_that_names_the_limit(text: str) -> None:
    with pytest.raises(CutOffError, match="broke off at the limit of 5 tokens") as error:
        answer(Schema.of(Meeting), text, LIMIT, limit=5)
    assert "max_new_tokens" in error.value.hint
    assert isinstance(error.value.answer, Answer)
    assert (error.value.answer.text, error.value.answer.notices) == (text, (LIMIT,))
    with pytest.raises(ModelError, match="the model's own limit"):
        answer(Schema.of(Meeting), text, LIMIT)


def test_json_that_is_whole_at_the_limit_is_no_error_and_not_told_to_be_cut() -> None:
    found = answer(Schema.of({"type": "array"}), "[1]", LIMIT, Notice("unsure", "Hm."))
    assert found.data == [1]
    assert [notice.kind for notice in found.notices] == ["unsure"]


def test_a_number_at_the_limit_may_lack_digits() -> None:
    with pytest.raises(ModelError, match="broke off"):
        answer(Schema.of(int), "12", LIMIT, limit=2)
    assert answer(Schema.of(bool), "true", LIMIT).data is True
    assert answer(Schema.of(int), "12").data == 12


def test_a_rule_that_only_the_class_knows_is_kept() -> None:
    class Even(BaseModel):
        n: int

        @field_validator("n")
        @classmethod
        def even(cls, n: int) -> int:
            if n % 2:
                raise ValueError("is odd")
            return n

    assert answer(Schema.of(Even), '{"n": 4}').data.n == 4
    with pytest.raises(ModelError, match=r"\$\.n: .*is odd"):
        answer(Schema.of(Even), '{"n": 3}')


def test_steps_come_before_the_check_and_closing_closes_the_model() -> None:
    closed_by: list[str] = []

    def steps() -> Iterator[Delta]:
        try:
            yield Delta("{")
            yield Delta("oops")
        finally:
            closed_by.append("check")

    checked = Schema.of({}).checked(steps(), "m", None)
    assert next(checked).text == "{"
    checked.close()  # type: ignore[attr-defined]
    assert closed_by == ["check"]
    checked = Schema.of({}).checked(steps(), "m", None)
    assert [next(checked).text, next(checked).text] == ["{", "oops"]
    with pytest.raises(ModelError, match="not JSON"):
        next(checked)


def test_a_complete_answer_is_checked_likewise() -> None:
    whole = Answer('{"a": 1}', notices=(LIMIT,), language="en")
    found = Schema.of({"required": ["a"]}).checked_answer(whole, "m", None)
    assert (found.data, found.text, found.language, found.notices) == ({"a": 1}, whole.text, "en", ())
    with pytest.raises(ModelError, match="required"):
        Schema.of({"required": ["b"]}).checked_answer(whole, "m", None)


# --- every door -----------------------------------------------------------------------------------------------------


def test_every_door_checks(order: hark.Audio, hesitant: hark.Audio) -> None:
    with hark.load("echo") as listener:
        asked = listener.ask(order, "Who does what?", schema=Meeting)
        assert isinstance(asked.data, Meeting)
        assert asked.to_dict()["data"] == json.loads(asked.text)
        assert Answer.of(listener.stream(order, "Who does what?", schema=Meeting)) == asked
        values = Meeting.model_json_schema()
        request = {"inputs": {"audio": order, "text": "Who?"}, "parameters": {"schema": values}}
        assert listener.respond(request).data == json.loads(listener(request)[0]["generated_text"])
        jsonschema.validate(listener.respond(request).data, values)
        chat = listener.chat()
        assert chat.say(order, "How many?", schema=int).data != chat.say(hesitant, "And now?", schema=int).data
        assert chat.conversation.turns == 2
        with pytest.raises(ModelError, match="broke off at the limit of 1 tokens"):
            chat.say("Once more?", schema=Meeting, max_new_tokens=1)
        assert chat.conversation.turns == 2
        with pytest.raises(OptionError, match="transcript"):
            listener.transcribe(order, schema=Meeting)


def test_the_model_is_told_the_schema_after_the_question_or_the_task(order: hark.Audio) -> None:
    from hark.engines.asking import prepared

    options = hark.Options.of(schema={"type": "integer"})
    can = hark.load("echo").can
    for conversation, start in (
        (hark.Conversation.ask((order,), "How many?"), "How many?"),
        (hark.Conversation.ask((order,)), ""),
    ):
        told, chosen = prepared("echo", can, conversation, options)
        assert chosen.task is None
        assert told.prompt.startswith(start)
        assert '{"type": "integer"}' in told.prompt
    task = dataclasses.replace(options, task="transcribe")
    told, chosen = prepared("echo", can, hark.Conversation.ask((order,)), task)
    assert chosen.task is None
    assert "Transcribe" in told.prompt


def test_a_model_that_cannot_refuses_before_anything_is_loaded(order: hark.Audio) -> None:
    with pytest.raises(hark.HarkError, match="cannot honour the option schema"):
        hark.load("builtin").ask(order, "Well?", schema=Meeting)


# --- narrower forms -------------------------------------------------------------------------------------------------

SCHEMAS = [
    Meeting.model_json_schema(),
    Tree.model_json_schema(),
    {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["b"]},
    {"allOf": [{"properties": {"a": {"type": "integer"}}}, {"properties": {"b": {"type": "null"}}, "required": ["b"]}]},
    {"anyOf": [{"type": "object", "properties": {"a": {"const": 1}}}, {"type": "array", "items": {"type": "null"}}]},
    {"type": "object", "properties": {"a": {"type": "object", "additionalProperties": {"type": "integer"}}}},
    {"type": "object", "properties": {"a": {"type": "string", "default": "x"}, "b": {"type": ["integer", "null"]}}},
    {"type": "array", "prefixItems": [{"type": "boolean"}], "items": {"type": "object", "properties": {"a": True}}},
]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(SCHEMAS), st.text(min_size=1))
def test_what_fits_a_narrower_form_fits_the_schema(schema: dict[str, Any], heard: str) -> None:
    for narrower in (closed(schema), strict(schema)[0]):
        jsonschema.validate(json.loads(fitting(Schema.of(narrower), heard)), schema)


def test_objects_are_closed_where_that_forbids_nothing_that_is_named() -> None:
    assert closed(SCHEMAS[0])["additionalProperties"] is False
    assert closed(SCHEMAS[0])["$defs"]["Duty"]["additionalProperties"] is False
    for schema in (SCHEMAS[2], SCHEMAS[3]):
        assert closed(schema) == schema


def test_the_strict_form_keeps_openais_rules() -> None:
    form, whole = strict(Meeting.model_json_schema())
    assert whole
    assert form["$defs"]["Duty"]["required"] == ["what", "owner", "due"]
    assert "default" not in json.dumps(form)
    optional = {"type": "object", "properties": {"a": {"type": "string"}}}
    assert strict(optional) == ({**optional, "required": [], "additionalProperties": False}, False)
    assert not strict({"type": "array", "items": {"type": "integer"}})[1]
    assert not strict(SCHEMAS[5])[1]
    assert strict(SCHEMAS[6])[1]
