"""JSON that fits a schema: what a structured answer must look like, and the check that every model's answer passes.

A schema is given as a pydantic class, any other type that pydantic knows, a JSON Schema as a dict or as JSON text, or
the `Path` of a file that holds one. Text is never taken for a path: it may come from a stranger's request.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from hark.answers.answer import Answer, Delta
from hark.answers.patterns import bounded, plain, refuse
from hark.errors import CutOffError, ModelError, OptionError

if TYPE_CHECKING:
    from collections.abc import Iterator

_HOW = "Give a pydantic class, a JSON Schema as a dict or JSON text, or the Path of a file that holds one."


@dataclass(frozen=True, slots=True)
class Schema:
    """What a structured answer must look like.

    Attributes:
        text: a JSON Schema (draft 2020-12 where it names no other), as one line of JSON; it refers to nothing outside.
        kind: the type that pydantic makes of the answer; None leaves plain values (dicts, lists, ...).
    """

    text: str
    kind: Any = field(default=None, compare=False)

    @classmethod
    def of(cls, given: Any) -> Schema:
        """Take a schema in any of the forms there are.

        Raises:
            OptionError: it is no schema; the message names the place.
        """
        if isinstance(given, cls):
            return given
        if isinstance(given, os.PathLike):
            return cls(_text(_parsed_file(given)))
        if isinstance(given, str):
            return cls(_text(_parsed_text(given)))
        if isinstance(given, dict):
            return cls(_text(given))
        return cls(_text(_of_type(given)), given)

    @property
    def values(self) -> dict[str, Any]:
        """The JSON Schema as plain values, a new copy each time."""
        found: dict[str, Any] = json.loads(self.text)
        return found

    @property
    def words(self) -> str:
        """The wish put into words: a model that is only held to the form does not know what the fields mean."""
        return f"Answer about what you hear with nothing but JSON that fits this JSON Schema: {self.text}"

    def checked(self, deltas: Iterator[Delta], name: str, limit: int | None) -> Iterator[Delta]:
        """The steps of an answer as they come, then one with the value as its `data`.

        `limit` is the `max_new_tokens` that was asked for. A notice that the text broke off is left out: either the
        JSON is whole all the same, or this raises.

        Raises:
            CutOffError: when the steps are over: the JSON broke off.
            ModelError: it is none, or does not fit.
        """
        steps: list[Delta] = []
        with contextlib.closing(deltas):  # type: ignore[type-var]
            for delta in deltas:
                steps.append(delta)
                yield replace(delta, notices=tuple(one for one in delta.notices if one.kind != "limit"))
        yield Delta(data=self._value(Answer.of(steps), name, limit))

    def checked_answer(self, answer: Answer, name: str, limit: int | None) -> Answer:
        """Like `checked`, for an answer that is complete.

        Raises:
            CutOffError: the JSON broke off.
            ModelError: it is none, or does not fit.
        """
        step = Delta(answer.text, answer.evidence, answer.notices, usage=answer.usage, language=answer.language)
        return Answer.of(self.checked((one for one in (step,)), name, limit))

    def _value(self, answer: Answer, name: str, limit: int | None) -> Any:
        text, cut = answer.text, any(notice.kind == "limit" for notice in answer.notices)
        try:
            plain = _parsed(text)
        except ValueError as error:
            if cut:
                raise _broke_off(name, limit, answer) from None
            raise ModelError(f"{name} answered with something that is not JSON: {error}.", hint=_wrote(text)) from None
        # A number has no end of its own: one that lacks digits still reads as one.
        if cut and isinstance(plain, int | float) and not isinstance(plain, bool):
            raise _broke_off(name, limit, answer)
        if misfit := self._misfit(plain):
            raise ModelError(f"The JSON of {name} does not fit the schema: {misfit}.", hint=_wrote(text))
        return plain if self.kind is None else self._made(text, name)

    def _misfit(self, plain: Any) -> str | None:
        """Where and why a value does not fit, in one line; None where it does."""
        from jsonschema.exceptions import best_match

        try:
            error = best_match(_validator(self.values).iter_errors(plain))
        except RecursionError:
            return "the schema refers to itself without end"
        return None if error is None else f"{error.json_path}: {_short(error.message)}"

    def _made(self, text: str, name: str) -> Any:
        from pydantic import TypeAdapter, ValidationError

        try:
            return TypeAdapter(self.kind).validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(str(part) for part in ("$", *first["loc"]))
            raise ModelError(
                f"The JSON of {name} does not fit the schema: {place}: {_short(first['msg'])}.", hint=_wrote(text)
            ) from error


def _broke_off(name: str, limit: int | None, answer: Answer) -> CutOffError:
    at = f"the limit of {limit} tokens" if limit else "the model's own limit of tokens"
    return CutOffError(
        f"The JSON of {name} broke off at {at}.",
        hint="Raise max_new_tokens, or bound the schema with maxLength and maxItems.",
        answer=answer,
    )


def _parsed(text: str) -> Any:
    """Like `json.loads`, but what JSON does not have, such as NaN, is refused, and so is what overflows."""

    def constant(name: str) -> None:
        raise ValueError(f"{name} is no JSON")

    def number(digits: str) -> float:
        if not math.isfinite(found := float(digits)):
            raise ValueError("a number in it is too large")
        return found

    try:
        return json.loads(text, parse_constant=constant, parse_float=number)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _parsed_text(text: str) -> Any:
    try:
        return _parsed(text)
    except ValueError as error:
        raise OptionError(f"The schema is not JSON: {error}.", hint=_HOW) from error


def _parsed_file(path: os.PathLike[str]) -> Any:
    try:
        with open(path, encoding="utf-8-sig") as file:
            return _parsed(file.read())
    except OSError as error:
        raise OptionError(f"The schema {path} cannot be read: {error.strerror or error}.", hint=_HOW) from error
    except ValueError as error:
        raise OptionError(f"The schema {path} is not JSON: {error}.", hint=_HOW) from error


def _of_type(given: Any) -> dict[str, Any]:
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticUserError

    if isinstance(given, list | tuple | int | float | bytes) or given is None:
        raise OptionError(f"The schema cannot be {_short(repr(given))}.", hint=_HOW)
    try:
        found: dict[str, Any] = TypeAdapter(given).json_schema()
    except (PydanticUserError, TypeError, ValueError, NameError) as error:
        why = str(error).splitlines()[0].rstrip(".")
        raise OptionError(f"The schema cannot be made of {_short(repr(given))}: {_short(why)}.", hint=_HOW) from error
    return found


def _text(values: Any) -> str:
    """A schema as one line of JSON, with its properties in their order.

    Raises:
        OptionError: it is no JSON Schema, it refers to something that is not in it, or a pattern cannot be bounded.
    """
    if not isinstance(values, dict):
        raise OptionError("A JSON Schema is an object.", hint=_HOW)
    try:
        text = json.dumps(values, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise OptionError(f"The schema is not JSON: {error}.", hint=_HOW) from error
    from jsonschema.exceptions import SchemaError

    try:
        validator = _validator(values)
        validator.check_schema(values)
        _references(values)
        refuse(values)
        validator.is_valid(None)
    except SchemaError as error:
        raise OptionError(f"The schema is wrong at {error.json_path}: {_short(error.message)}.", hint=_HOW) from error
    except RecursionError as error:
        raise OptionError("The schema refers to itself without end, or is nested too deeply.", hint=_HOW) from error
    return text


def _validator(values: dict[str, Any]) -> Any:
    """A validator that never looks for anything outside the schema, least of all on the network."""
    from jsonschema import Draft202012Validator
    from jsonschema.validators import validator_for
    from referencing import Registry

    named = values.get("$schema")
    kind = validator_for(values, Draft202012Validator) if isinstance(named, str) else Draft202012Validator
    return bounded(kind)(plain(values), registry=Registry())


def _references(values: dict[str, Any]) -> None:
    """Refuse what would have to be looked up elsewhere."""
    from referencing import Registry, Resource
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import DRAFT202012, specification_with

    def walk(resource: Resource[Any], resolver: Any) -> None:
        if isinstance(resource.contents, dict):
            for key in ("$ref", "$dynamicRef"):
                if isinstance(place := resource.contents.get(key), str):
                    try:
                        resolver.lookup(place)
                    except Unresolvable as error:
                        raise OptionError(f"The schema refers to {place!r}, which is not in it.", hint=_HOW) from error
        for inner in resource.subresources():
            walk(inner, resolver.in_subresource(inner))

    named = values.get("$schema")
    specification = specification_with(named, default=DRAFT202012) if isinstance(named, str) else DRAFT202012
    root = specification.create_resource(values)
    walk(root, Registry().resolver_with_root(root))


def _wrote(text: str) -> str:
    return f"It wrote: {_short(text)}" if text.strip() else "It wrote nothing."


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 200 else f"{text[:200]} ..."
