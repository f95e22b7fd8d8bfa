"""Fields of a form as OpenAI's clients write them: `name[]` again and again for a list, `name[key]` for an object."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from starlette.datastructures import UploadFile

from hark.errors import RequestError

if TYPE_CHECKING:
    from starlette.datastructures import FormData

_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")


def nested(form: FormData) -> dict[str, Any]:
    """The fields as plain values; one that comes twice, or whose name ends in `[]`, is a list.

    Raises:
        RequestError: a name is none, or two of them contradict each other.
    """
    values: dict[str, Any] = {}
    for name, value in form.multi_items():
        _put(values, name, value)
    return values


def the_file(values: dict[str, Any]) -> UploadFile:
    """Take the one file out of the fields.

    Raises:
        RequestError: there is none, there are several, or it came as text.
    """
    given = values.pop("file", None)
    if isinstance(given, list):
        raise RequestError("There are several files.", hint="Send one recording in each request.", param="file")
    if not isinstance(given, UploadFile):
        what = "There is no file." if given is None else "The field `file` is text, not a file."
        hint = "Send the recording itself, with a file name: curl -F file=@clip.wav."
        raise RequestError(what, hint=hint, param="file")
    return given


def _put(values: dict[str, Any], name: str, value: Any) -> None:
    match = _NAME.fullmatch(name)
    keys = [match[1], *re.findall(r"\[([^\]]*)\]", match[2])] if match else [""]
    listed = len(keys) > 1 and not keys[-1]
    if listed:
        keys.pop()
    place: Any = values
    for key in keys[:-1]:
        place = place.setdefault(key, {}) if isinstance(place, dict) else None
    if "" in keys or not isinstance(place, dict) or isinstance(place.get(keys[-1]), dict):
        raise RequestError(f"The field {name[:200]!r} cannot be read.", hint="Names are a, a[] and a[b].", param=name)
    last = keys[-1]
    if isinstance(place.get(last), list):
        place[last].append(value)
    elif last in place:
        place[last] = [place[last], value]
    else:
        place[last] = [value] if listed else value
