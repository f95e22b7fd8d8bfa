"""Patterns of schemas, which may come from strangers."""

from __future__ import annotations

import time
from typing import Any

import pytest

from hark.answers.schema import Schema
from hark.engines.echo_json import fitting
from hark.errors import ModelError, OptionError, UnsupportedError

EVIL = "^(a+)+$"
LONG = "a" * 50 + "b"


def fits(schema: Any, text: str) -> bool:
    from hark.answers.answer import Answer

    try:
        Schema.of(schema).checked_answer(Answer(text), "it", None)
    except ModelError:
        return False
    return True


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "pattern": EVIL},
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "string", "pattern": EVIL},
        {"$schema": "http://json-schema.org/draft-07/schema#", "type": "string", "pattern": EVIL},
        {"anyOf": [{"$schema": "http://json-schema.org/draft-07/schema#", "pattern": EVIL}]},
        {"$defs": {"a": {"pattern": EVIL}}, "$ref": "#/$defs/a"},
    ],
)
def test_no_pattern_takes_long(schema: dict[str, Any]) -> None:
    begun = time.perf_counter()
    assert not fits(schema, f'"{LONG}"')
    assert fits(schema, '"aaa"')
    assert time.perf_counter() - begun < 2


@pytest.mark.parametrize("rule", [False, {"type": "integer"}])
def test_no_pattern_of_names_takes_long(rule: Any) -> None:
    schema = {"type": "object", "patternProperties": {EVIL: {"type": "string"}}, "additionalProperties": rule}
    begun = time.perf_counter()
    assert not fits(schema, f'{{"{LONG}": "x"}}')
    assert fits(schema, '{"aa": "x"}')
    assert not fits(schema, '{"aa": 1}')
    assert fits(schema, f'{{"{LONG}": 1}}') == (rule is not False)
    assert fits({**schema, "properties": {"c": True}}, '{"c": []}')
    assert time.perf_counter() - begun < 2


def test_patterns_mean_what_they_mean() -> None:
    day = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"}
    assert fits(day, '"2026-11-21"')
    assert not fits(day, '"2026-11-2"')
    assert fits({"pattern": "b"}, '"abc"')
    assert fits({"pattern": "b"}, "7")


@pytest.mark.parametrize("pattern", ["(?=a)b", r"(a)\1", "((a{1,1000}){1,1000}){1,1000}"])
def test_patterns_without_a_bound_are_refused(pattern: str) -> None:
    for schema in ({"pattern": pattern}, {"items": [{"x": {"patternProperties": {pattern: True}}}]}):
        with pytest.raises(OptionError, match="pattern"):
            Schema.of({"type": "object", "properties": {"a": {"anyOf": [schema]}}} if "pattern" in schema else schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "minLength": 10**9},
        {"type": "array", "minItems": 10**9, "items": {"type": "integer"}},
        {"type": "array", "minItems": 10**5, "items": {"type": "array", "minItems": 10**5}},
        {"type": "integer", "minimum": 10**400},
    ],
)
def test_the_fake_writes_no_endless_answers(schema: dict[str, Any]) -> None:
    begun = time.perf_counter()
    with pytest.raises(UnsupportedError):
        fitting(Schema.of(schema), "heard")
    assert time.perf_counter() - begun < 2
