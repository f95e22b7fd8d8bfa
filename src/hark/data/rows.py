"""What a sample says beside its conversation, as keys of a row, in and out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hark.answers.transcript import Segment, Word
from hark.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from hark.data.sample import Sample

_TEXTS = ("speaker", "language", "to", "task")
NAMED = frozenset({"id", *_TEXTS, "choices", "segments", "loss", "about"})


def row_id(rest: dict[str, Any], number: int) -> str:
    """Take the id out of a row; without one it is the number of the row."""
    given = rest.pop("id", None)
    return str(number) if given in (None, "") else str(given)


def fields(rest: Mapping[str, Any]) -> dict[str, Any]:
    """What is left of a row, as fields of a `Sample`; keys that none of them has go to `about`.

    Raises:
        DataError: choices, times or losses are of another kind.
    """
    rest = dict(rest)
    values: dict[str, Any] = {name: _text(name, rest.pop(name, None)) for name in _TEXTS}
    values["choices"] = tuple(map(str, _list("choices", rest.pop("choices", None))))
    values["loss"] = tuple(map(bool, _list("loss", rest.pop("loss", None))))
    values["segments"] = tuple(_segment(each) for each in _list("segments", rest.pop("segments", None)))
    about = rest.pop("about", None)
    if about is not None and not isinstance(about, dict):
        raise DataError(f"about is {about!r}.", hint="It is an object.")
    values["about"] = {**rest, **(about or {})}
    return values


def extras(sample: Sample, taken: Collection[str] = ()) -> dict[str, Any]:
    """The fields of a sample as keys of a row; `taken` are keys that the format itself uses."""
    row: dict[str, Any] = {name: getattr(sample, name) for name in _TEXTS if getattr(sample, name) is not None}
    if sample.choices:
        row["choices"] = list(sample.choices)
    if sample.loss:
        row["loss"] = list(sample.loss)
    if sample.segments:
        row["segments"] = [segment.to_dict() for segment in sample.segments]
    clash = {key: value for key, value in sample.about.items() if key in NAMED or key in taken}
    row |= {key: value for key, value in sample.about.items() if key not in clash}
    return row | ({"about": clash} if clash else {})


def _text(name: str, value: Any) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, dict | list):
        raise DataError(f"{name} is {value!r:.60}.", hint="It is text.")
    return str(value)


def _list(name: str, value: Any) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list | tuple):
        raise DataError(f"{name} is {value!r:.60}.", hint="It is a list.")
    return list(value)


def _segment(given: Any) -> Segment:
    """A segment as `Segment.to_dict` writes it."""
    try:
        words = tuple(
            Word(str(word["word"]), float(word["start"]), float(word["end"]), word.get("confidence"))
            for word in given.get("words") or ()
        )
        rest = {name: given.get(name) for name in ("confidence", "speaker", "language")}
        return Segment(str(given.get("text", "")), float(given["start"]), float(given["end"]), words, **rest)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"This is no segment: {given!r:.80}.", hint='{"start": 0.0, "end": 1.5, "text": "..."}, in seconds.'
        ) from error
