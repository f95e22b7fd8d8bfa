"""Chats in which text marks the recordings: what the training formats of several projects share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hark.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hark.data.marks import Turn


def turns_of(given: Any, role_key: str, text_key: str, roles: Mapping[str, str]) -> list[Turn]:
    """Roles and texts of a list of messages; `roles` gives hark's name of each role.

    Raises:
        DataError: it is no such list, or a role is unknown.
    """
    if not isinstance(given, list) or not given:
        raise DataError("It has no list of messages.")
    found = []
    for message in given:
        said = message.get(text_key) if isinstance(message, dict) else None
        if not isinstance(said, str):
            raise DataError(f"A message is {message!r:.80}.", hint=f"It needs {role_key} and {text_key}, both text.")
        role = roles.get(str(message.get(role_key)))
        if role is None:
            raise DataError(f"A message comes from {message.get(role_key)!r}.", hint=f"Known are {', '.join(roles)}.")
        found.append((role, said))
    return found


def named_clips(given: Any) -> list[Any]:
    """A list of the recordings that one name, a list of names, or nothing stands for."""
    if given in (None, ""):
        return []
    return given if isinstance(given, list) else [given]


def none_of(row: dict[str, Any], *keys: str) -> None:
    """Take keys out of a row that have to be empty.

    Raises:
        DataError: one holds something that no sample can.
    """
    for key in keys:
        if row.pop(key, None):
            raise DataError(f"It has {key}, which hark does not read.")
