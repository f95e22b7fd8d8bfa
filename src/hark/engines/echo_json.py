"""JSON that fits a schema and is told by what was heard: the fake's structured answers."""

from __future__ import annotations

import json
import math
import random
from typing import TYPE_CHECKING, Any

from hark.errors import ModelError, UnsupportedError

if TYPE_CHECKING:
    from hark.answers.schema import Schema

_DEEP = 3  # a schema that refers to itself ends here, where it may
_LONGEST = 200_000  # letters and values
_FORMATS = {
    "date": "2000-01-01",
    "date-time": "2000-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "duration": "PT1S",
    "email": "echo@example.org",
    "ipv4": "127.0.0.1",
    "uri": "https://example.org/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def fitting(schema: Schema, heard: str) -> str:
    """JSON in which texts say what was heard, and all else is chosen by it: the same audio gives the same JSON.

    It knows the usual keywords; with others (`pattern`, `not`) it may not fit, which the check of the answer tells.

    Raises:
        ModelError: what fits the schema has no end.
        UnsupportedError: it is longer than models write, or of numbers larger than there are.
    """
    values = schema.values
    try:
        return json.dumps(_Maker(values, heard).make(values), ensure_ascii=False)
    except OverflowError:
        raise UnsupportedError("What fits the schema is too large.", hint="Let it be shorter.") from None
    except RecursionError:
        raise ModelError("What fits the schema has no end.", hint="Let it end: with null, or an empty list.") from None


class _Maker:
    def __init__(self, root: dict[str, Any], heard: str) -> None:
        self.root, self.heard = root, heard
        self.chance = random.Random(heard)  # noqa: S311 - nothing is kept secret by it
        self.left: float = _LONGEST

    def _take(self, count: float) -> None:
        """Count what is written, before it is."""
        self.left -= count
        if self.left < 0:
            raise OverflowError

    def make(self, part: Any, depth: int = 0) -> Any:
        self._take(1)
        part = self._whole(part, depth)
        if "const" in part:
            return part["const"]
        if "enum" in part:
            return self.chance.choice(part["enum"])
        if branches := part.get("anyOf") or part.get("oneOf"):
            base = {key: value for key, value in part.items() if key not in ("anyOf", "oneOf")}
            return self.make({**base, **self._whole(self._branch(branches, depth), depth)}, depth + 1)
        kinds = part.get("type", "object" if "properties" in part else "array" if "items" in part else "string")
        kind = kinds if isinstance(kinds, str) else self._branch(kinds, depth)
        return getattr(self, f"_{kind}")(part, depth)

    def _whole(self, part: Any, depth: int) -> dict[str, Any]:
        """A part with what it refers to, and all that it must fit at once."""
        if not isinstance(part, dict):
            return {}
        found = {key: value for key, value in part.items() if key not in ("$ref", "allOf")}
        joined = [self._at(part["$ref"])] if "$ref" in part else []
        for other in [*joined, *part.get("allOf", ())] if depth < 4 * _DEEP else []:
            more = self._whole(other, depth + 1)
            properties = {**more.get("properties", {}), **found.get("properties", {})}
            found = {**more, **found} | ({"properties": properties} if properties else {})
        return found

    def _at(self, place: str) -> Any:
        found: Any = self.root
        for step in place.removeprefix("#").strip("/").split("/") if place.startswith("#/") else ():
            step = step.replace("~1", "/").replace("~0", "~")
            found = found[int(step)] if isinstance(found, list) else found.get(step, {})
        return found

    def _branch(self, branches: list[Any], depth: int) -> Any:
        """One of them; where it is deep, the plainest."""
        if depth < _DEEP:
            return self.chance.choice(branches)
        plain = ("null", "boolean", "integer", "number", "string")
        of = [branch if isinstance(branch, str) else self._whole(branch, depth).get("type") for branch in branches]
        order = [plain.index(kind) if kind in plain else len(plain) for kind in of]
        return branches[order.index(min(order))]

    def _object(self, part: dict[str, Any], depth: int) -> dict[str, Any]:
        required = part.get("required", [])
        properties = dict.fromkeys(required, True) | part.get("properties", {})
        kept = {name: inner for name, inner in properties.items() if name in required or depth < _DEEP}
        return {name: self.make(inner, depth + 1) for name, inner in kept.items()}

    def _array(self, part: dict[str, Any], depth: int) -> list[Any]:
        first = part.get("prefixItems", [])
        least, most = part.get("minItems", 0), part.get("maxItems", math.inf)
        count = int(max(least, min(most, max(1, len(first)) if depth < _DEEP else 0)))
        self._take(count)
        items = [*first[:count], *[part.get("items", True)] * (count - len(first))]
        return [self.make(item, depth + 1) for item in items]

    def _integer(self, part: dict[str, Any], _: int) -> int:
        step: int = max(1, math.ceil(part.get("multipleOf", 1)))
        low, high = self._bounds(part, 1)
        first, last = math.ceil(low / step), math.floor(high / step)
        found: int = self.chance.randint(first, max(first, last)) * step
        return found

    def _number(self, part: dict[str, Any], depth: int) -> float:
        if "multipleOf" in part:
            return self._integer(part, depth)
        low, high = self._bounds(part, 1e-6)
        return round(self.chance.uniform(low, high), 6)

    def _bounds(self, part: dict[str, Any], over: float) -> tuple[float, float]:
        lows = [part["minimum"]] if "minimum" in part else []
        highs = [part["maximum"]] if "maximum" in part else []
        lows += [part["exclusiveMinimum"] + over] if "exclusiveMinimum" in part else []
        highs += [part["exclusiveMaximum"] - over] if "exclusiveMaximum" in part else []
        low = max(lows) if lows else min([0, *(high - 1000 for high in highs)])
        return low, min(highs) if highs else low + 1000

    def _string(self, part: dict[str, Any], _: int) -> str:
        text = _FORMATS.get(part.get("format", ""), self.heard)
        self._take(part.get("minLength", 0))
        return text.ljust(part.get("minLength", 0), ".")[: part.get("maxLength", len(text) + part.get("minLength", 0))]

    def _boolean(self, _: dict[str, Any], __: int) -> bool:
        return self.chance.random() < 0.5

    def _null(self, _: dict[str, Any], __: int) -> None:
        return None
