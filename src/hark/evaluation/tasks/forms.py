"""Instructions followed: answers in JSON by a schema, whether they fit it, and which fields are right."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from hark.answers.answer import Answer
from hark.answers.schema import Schema
from hark.errors import ModelError, OptionError
from hark.evaluation.metrics.normalise import plain
from hark.evaluation.task import Figure, Reply, Request, Score, Task, ratio

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hark.data.sample import Sample
    from hark.engines.engine import Capabilities


@dataclass(frozen=True)
class Forms(Task):
    """Answer in JSON; the answer of a sample, where it has one, is the JSON wanted.

    Attributes:
        schema: a file with a JSON Schema; else each sample has one in `about["schema"]`.
        held: hold the model to the schema where its engine can; False asks in words, and measures what it does alone.
    """

    name: ClassVar[str] = "schema"
    about: ClassVar[str] = "JSON by a schema: share that fits, fields that are right"
    schema: str | None = None
    held: bool = False

    def __post_init__(self) -> None:
        _ = self._read

    @cached_property
    def _read(self) -> Schema | None:
        return Schema.of(Path(self.schema)) if self.schema else None

    def lacks(self, sample: Sample) -> str | None:
        """A schema that is one."""
        if self._read is None and not sample.about.get("schema"):
            return "a schema"
        try:
            self._of(sample)
        except OptionError as error:
            return f"a schema that can be used: {error}"
        return None

    def request(self, sample: Sample, can: Capabilities) -> Request:
        """The question of the sample, with the schema as an option or in words."""
        schema = self._of(sample)
        if self.held and "schema" in can.options:
            return Request(sample.asked, {"schema": schema})
        gap = "\n\n" if sample.asked.prompt.strip() else ""
        return Request(sample.asked.with_prompt(gap + schema.words))

    def score(self, sample: Sample, reply: Reply) -> Score:
        """Does it fit, and how many fields of the reference are right?"""
        wanted = dict(leaves(_parsed(sample.target or "")))
        why = _misfit(self._of(sample), reply)
        found = dict(leaves(_parsed(reply.text)))
        right = sum(path in found and _same(found[path], value) for path, value in wanted.items())
        whole = not why and bool(wanted) and right == len(wanted) == len(found)
        counts = {
            "samples": 1,
            "valid": int(not why),
            "references": int(bool(wanted)),
            "fields": len(wanted),
            "right": right,
            "all right": int(whole),
        }
        error = 1 - right / len(wanted) if wanted and not why else float(bool(why))
        wrong = [path for path, value in wanted.items() if path not in found or not _same(found[path], value)]
        details = {"misfit": why, "wrong fields": wrong}
        return Score(sample.id, counts, error, reply.text, sample.target or "", details, reply.error)

    def figures(self, counts: Mapping[str, float]) -> tuple[Figure, ...]:
        """The share that fits; of those samples that have a reference, fields that are right, and all of them."""
        by = "held to the schema where the engine can" if self.held else "asked in words"
        fields = ratio(counts.get("right", 0), counts.get("fields", 0))
        whole = ratio(counts.get("all right", 0), counts.get("references", 0))
        return (
            Figure("valid", ratio(counts.get("valid", 0), counts.get("samples", 0)), better="higher", by=by),
            Figure("fields right", fields, better="higher", by="text in lower case, without punctuation"),
            Figure("all right", whole, better="higher"),
        )

    def _of(self, sample: Sample) -> Schema:
        return self._read or Schema.of(sample.about["schema"])


def leaves(value: Any, path: str = "$") -> Iterator[tuple[str, Any]]:
    """The values of JSON with their places, such as `$.slots.size` or `$.items[0]`; empty lists and objects too."""
    inner: Any = ()
    if isinstance(value, dict):
        inner = [(f"{path}.{name}", one) for name, one in value.items()]
    elif isinstance(value, list):
        inner = [(f"{path}[{number}]", one) for number, one in enumerate(value)]
    if not inner:
        if value is not _NOTHING:
            yield path, value
        return
    for place, one in inner:
        yield from leaves(one, place)


_NOTHING = object()


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return _NOTHING


def _misfit(schema: Schema, reply: Reply) -> str:
    """Why an answer does not fit; empty where it does."""
    if reply.answer is None:
        return reply.error or "there is no answer"
    try:
        schema.checked_answer(Answer(reply.text), "The model", None)
    except ModelError as error:
        return str(error)
    return ""


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return plain(one) == plain(other)
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)
