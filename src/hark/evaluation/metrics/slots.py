"""Commands: an intent and slots, compared as they are; slot F1 counts pairs of name and value."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hark.evaluation.metrics.normalise import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

_OBJECT = re.compile(r"\{.*\}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody wants: an intent, None where it is none, and slots with their values, normalised."""

    intent: str | None = None
    slots: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Order:
        """Take the fields `intent` and `slots` of plain values; slots that are None were not said."""
        intent, slots = values.get("intent"), values.get("slots") or {}
        given = slots if isinstance(slots, dict) else {}
        said = {str(name): plain(_text(value)) for name, value in given.items() if value is not None}
        return cls(None if intent in (None, "") else str(intent), said)

    @classmethod
    def read(cls, text: str) -> Order:
        """Take the JSON object in a text; none is an order for nothing."""
        found = _OBJECT.search(text)
        try:
            values = json.loads(found.group()) if found else {}
        except (ValueError, RecursionError):
            values = {}
        return cls.of(values)

    def __str__(self) -> str:
        slots = ", ".join(f"{name}={value}" for name, value in sorted(self.slots.items()))
        return f"{self.intent}({slots})" if self.intent else ""


def shared(wanted: Order, found: Order) -> int:
    """How many slots are right in name and value."""
    return len(set(wanted.slots.items()) & set(found.slots.items()))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
