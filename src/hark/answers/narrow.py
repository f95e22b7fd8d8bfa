"""Narrower forms of a JSON Schema, for those that write an answer: what fits them fits the schema that was given.

By the standard an object may hold any further properties beside those that are named. Nobody who names some means that,
and a model that is held to the letter of it rambles.
"""

from __future__ import annotations

from typing import Any

# With these, an object is described in several places at once: to close one of them would forbid what the others name.
_JOINED = frozenset(
    {"allOf", "not", "if", "dependentSchemas", "dependencies", "unevaluatedProperties", "patternProperties",
     "propertyNames", "$dynamicRef", "$recursiveRef"}
)  # fmt: skip
_BESIDE = frozenset({"anyOf", "oneOf", "$ref"})
_LISTS = ("anyOf", "oneOf", "prefixItems")
_MAPS = ("properties", "$defs", "definitions")
_ANNOTATIONS = frozenset({"default", "description", "examples", "title"})


def closed(schema: Any) -> Any:
    """A schema whose objects hold only the properties it names, where that can be said safely."""
    return _each(schema, _close) if _plain(schema) else schema


def strict(schema: Any) -> tuple[Any, bool]:
    """A schema in the form of OpenAI's strict mode, and whether all of it could be put so.

    Objects are closed, and properties that may be left out are required where they have a default or may be null, as
    the model can then write that. Annotations beside `$ref`, and defaults, are left out: the API refuses them.
    Source: https://platform.openai.com/docs/guides/structured-outputs (supported schemas).
    """
    if not _plain(schema):
        return schema, False
    required = _each(schema, _require)  # first, as it looks at the defaults
    narrowed = _each(required, lambda part: _bare(_close(part)))
    return narrowed, _is_strict(narrowed) and narrowed.get("type") == "object"


def _plain(part: Any) -> bool:
    """Is each object described in one place only?"""
    if not isinstance(part, dict):
        return True
    if _JOINED & set(part) or ("properties" in part and _BESIDE & set(part)):
        return False
    return all(_plain(inner) for inner in _inner(part))


def _inner(part: dict[str, Any]) -> list[Any]:
    found = [inner for key in _LISTS for inner in part.get(key) or ()]
    found += [inner for key in _MAPS for inner in (part.get(key) or {}).values()]
    items = part.get("items")
    return found + (items if isinstance(items, list) else [items])


def _each(part: Any, change: Any) -> Any:
    """A schema with each of its parts changed, the inner ones first."""
    if not isinstance(part, dict):
        return part
    made = dict(part)
    for key in _LISTS:
        if isinstance(part.get(key), list):
            made[key] = [_each(inner, change) for inner in part[key]]
    for key in _MAPS:
        if isinstance(part.get(key), dict):
            made[key] = {name: _each(inner, change) for name, inner in part[key].items()}
    if isinstance(items := part.get("items"), list):
        made["items"] = [_each(inner, change) for inner in items]
    elif items is not None:
        made["items"] = _each(items, change)
    return change(made)


def _close(part: dict[str, Any]) -> dict[str, Any]:
    named = part.get("properties") or {}
    if named and "additionalProperties" not in part and set(part.get("required") or ()) <= set(named):
        return {**part, "additionalProperties": False}
    return part


def _require(part: dict[str, Any]) -> dict[str, Any]:
    if "properties" not in part:
        return part
    named, required = part["properties"], part.get("required") or []
    must = [name for name, inner in named.items() if name in required or _may_be_empty(inner)]
    return {**part, "required": [*must, *(name for name in required if name not in named)]}


def _may_be_empty(part: Any) -> bool:
    if not isinstance(part, dict):
        return False
    kind = part.get("type")
    null = kind == "null" or (isinstance(kind, list) and "null" in kind)
    return "default" in part or null or any(_may_be_empty(inner) for inner in part.get("anyOf") or ())


def _bare(part: dict[str, Any]) -> dict[str, Any]:
    away = _ANNOTATIONS if "$ref" in part else {"default"}
    return {key: value for key, value in part.items() if key not in away}


def _is_strict(part: Any) -> bool:
    if not isinstance(part, dict):
        return True
    names = set(part.get("properties") or ())
    open_ended = (part.get("type") == "object" or names) and part.get("additionalProperties") is not False
    return (
        not open_ended
        and "oneOf" not in part
        and names == set(part.get("required") or ())
        and all(_is_strict(inner) for inner in _inner(part))
    )
