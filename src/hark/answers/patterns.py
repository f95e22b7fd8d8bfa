"""Patterns of JSON Schemas, matched in time that grows with the text alone.

A schema may come from a stranger's request, and Python's `re` takes time exponential in the text for patterns such as
`(a+)+$`, in which nothing else of the process runs. The regex engine in pydantic (Rust's) does not backtrack, at the
price of look-around and back-references, which hark refuses.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from hark.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Iterator

_HOW = "Patterns have no look-around and no back-references, and do not repeat without measure."


def refuse(schema: Any) -> None:
    """Refuse patterns that cannot be matched so.

    Raises:
        OptionError: there is such a pattern anywhere in the schema.
    """
    if isinstance(schema, list):
        for item in schema:
            refuse(item)
    if not isinstance(schema, dict):
        return
    named = schema.get("patternProperties")
    patterns = [schema.get("pattern"), *(named if isinstance(named, dict) else ())]
    for pattern in patterns:
        if isinstance(pattern, str):
            _matcher(pattern)
    if named and "unevaluatedProperties" in schema:
        raise OptionError("A schema cannot have both patternProperties and unevaluatedProperties.", hint=_HOW)
    for inner in schema.values():
        refuse(inner)


def plain(schema: Any) -> Any:
    """A schema without `$schema`, at which `jsonschema` would change to a class of validators that is not bounded."""
    if isinstance(schema, list):
        return [plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: value if key in ("enum", "const") else plain(value)
        for key, value in schema.items()
        if key != "$schema" or not isinstance(value, str)
    }


def bounded(kind: Any) -> Any:
    """A class of validators (of `jsonschema`) that matches patterns so."""
    from jsonschema.validators import extend

    rules = {"pattern": _pattern, "patternProperties": _named, "additionalProperties": _additional}
    return extend(kind, rules)


@functools.lru_cache(256)
def _matcher(pattern: str) -> Any:
    from pydantic_core import SchemaError, SchemaValidator, core_schema

    try:
        return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))
    except SchemaError:
        raise OptionError(f"The pattern {pattern[:80]!r} cannot be used.", hint=_HOW) from None


def _found(pattern: str, text: str) -> bool:
    found: bool = _matcher(pattern).isinstance_python(text)
    return found


def _pattern(_: Any, pattern: str, value: Any, __: Any) -> Iterator[Any]:
    from jsonschema import ValidationError

    if isinstance(value, str) and not _found(pattern, value):
        yield ValidationError(f"{value!r} does not match {pattern!r}")


def _named(validator: Any, patterns: dict[str, Any], value: Any, _: Any) -> Iterator[Any]:
    for pattern, inner in patterns.items() if isinstance(value, dict) else ():
        for name, item in value.items():
            if _found(pattern, name):
                yield from validator.descend(item, inner, path=name, schema_path=pattern)


def _additional(validator: Any, rule: Any, value: Any, schema: dict[str, Any]) -> Iterator[Any]:
    from jsonschema import ValidationError

    if not isinstance(value, dict):
        return
    patterns = schema.get("patternProperties", {})
    extra = [
        name
        for name in value
        if name not in schema.get("properties", {}) and not any(_found(pattern, name) for pattern in patterns)
    ]
    if isinstance(rule, dict):
        for name in extra:
            yield from validator.descend(value[name], rule, path=name)
    elif not rule and extra:
        yield ValidationError(f"Additional properties are not allowed: {', '.join(map(repr, extra))}")
