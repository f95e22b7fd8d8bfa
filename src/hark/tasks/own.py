"""Tasks of one's own: a folder of TOML files, each a name, a prompt, and perhaps a JSON Schema of the answer.

There is no Python in them: a prompt and a schema are data, and a folder that holds only data can be shared and synced
without asking who wrote what is in it. What needs code of its own is a program that calls `listener.ask`.
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Any

from hark import settings
from hark.errors import HarkError, OptionError
from hark.tasks import TASKS, Task

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_KEYS = ("name", "about", "prompt", "schema")
_TAKEN = frozenset({"classify", "command", "notes", "understand"})  # commands, not questions
_MOST = 1_000_000  # bytes of a file


def folder() -> Path:
    """Where they lie: `HARK_TASKS`, else `tasks` beside the settings file."""
    return settings.current().tasks


def find(name: str) -> Task:
    """A task by its name, of hark or one's own.

    Raises:
        OptionError: there is none, or its file is broken.
    """
    if name in TASKS:
        return TASKS[name]
    own, broken = listed()
    if name in own:
        return own[name]
    for path, error in broken.items():
        if path.stem == name:
            raise error
    every = [*TASKS, *own]
    near = difflib.get_close_matches(name, every, n=1)
    start = f"Did you mean {near[0]}? " if near else ""
    lost = f" {len(broken)} files in {folder()} are broken: `hark tasks` says why." if broken else ""
    raise OptionError(f"There is no task {name!r}.", hint=f"{start}Tasks are {', '.join(every)}.{lost}", param="task")


def listed() -> tuple[dict[str, Task], dict[Path, OptionError]]:
    """One's own tasks by name, and what is wrong with those files that are broken."""
    found: dict[str, Task] = {}
    broken: dict[Path, OptionError] = {}
    try:
        paths = sorted(folder().glob("*.toml"))
    except OSError:
        return {}, {}
    for path in paths:
        try:
            task = read(path)
            if task.name in found:
                raise _wrong(path, f"there is another task {task.name!r} in this folder")
            found[task.name] = task
        except OptionError as error:
            broken[path] = error
    return found, broken


def names() -> list[tuple[str, str]]:
    """Name and description of all tasks, for tab completion: whatever is wrong is left out."""
    try:
        own = listed()[0]
    except HarkError:
        own = {}
    return [(task.name, task.about) for task in (*TASKS.values(), *own.values())]


def read(path: Path) -> Task:
    """Read the file of one task.

    Raises:
        OptionError: it cannot be read, or is no task; the message says what is wrong in it.
    """
    import tomllib

    try:
        with open(path, "rb") as file:
            raw = file.read(_MOST + 1)
        if len(raw) > _MOST:
            raise _wrong(path, "it is larger than 1 MB")
        values = tomllib.loads(raw.decode("utf-8-sig"))
    except OSError as error:
        raise OptionError(f"The task file {path} cannot be read: {error.strerror or error}.", hint=_HINT) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise _wrong(path, f"it is no TOML: {error}") from error
    if unknown := sorted(set(values) - set(_KEYS)):
        raise _wrong(path, f"there is no key {unknown[0]!r}")
    name = values.get("name", path.stem)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise _wrong(path, f"{name!r} is no name: a name is made of a-z, 0-9, - and _")
    if name in TASKS or name in _TAKEN:
        raise _wrong(path, f"the name {name!r} is taken by hark itself")
    for key in ("prompt", "about"):
        if not isinstance(values.get(key, "" if key == "about" else None), str):
            raise _wrong(path, f"it has no {key} that is text")
    if not values["prompt"].strip():
        raise _wrong(path, "the prompt is empty")
    return Task(name, values["prompt"].strip(), values.get("about", ""), _schema(path, values.get("schema")), own=True)


def _schema(path: Path, given: Any) -> dict[str, Any] | None:
    """The schema as a table of the file, as JSON text, or in a JSON file beside it."""
    if given is None:
        return None
    from hark.answers.schema import Schema

    if isinstance(given, str) and not given.lstrip().startswith("{"):
        given = path.parent / given
    if not isinstance(given, dict | str | Path):
        raise _wrong(path, "the schema is neither a table nor text")
    try:
        return Schema.of(given).values
    except OptionError as error:
        raise OptionError(f"The task file {path} is wrong: {error.message}", hint=error.hint) from error


_HINT = 'A task file is TOML with prompt = "...", and perhaps name, about and schema: see docs/tasks.md.'


def _wrong(path: Path, why: str) -> OptionError:
    return OptionError(f"The task file {path} is wrong: {why}.", hint=_HINT)
