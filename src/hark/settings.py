"""Settings: defaults, over them the settings file, over that `HARK_...` environment variables."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from hark.errors import SettingsError

_TRUE = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
_MAY_BE_ZERO = frozenset({"cache_mb"})  # 0 turns off what it bounds

_HINTS: dict[type, str] = {
    bool: "It is true or false.",
    tuple: 'It is a list of names, such as ["host:8080"].',
    Path: "It is the path of a folder.",
    str: "It is the name of a model or a folder: see `hark models`.",
    int: "It is a whole number above 0.",
    float: "It is a number above 0.",
}


def _folder(kind: str) -> Path:
    import platformdirs

    return Path(getattr(platformdirs, f"user_{kind}_dir")("hark", appauthor=False))


def settings_file() -> Path:
    """Where the settings file lies: `HARK_SETTINGS`, else `hark/settings.toml` in the user's configuration folder."""
    named = os.environ.get("HARK_SETTINGS")
    return Path(named) if named else _folder("config") / "settings.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What can be set; each field is a key of the settings file and, in capitals after `HARK_`, a variable.

    Attributes:
        model: the model used where none is named.
        models: the folder models are kept in; tasks: that of tasks of one's own, else `tasks` beside the settings file.
        max_seconds, max_bytes: the longest recording and the largest file that is taken.
        fetch: may URLs be fetched at all?
        fetch_private: `host` or `host:port` names that may be fetched although they are private.
        fetch_max_bytes, fetch_seconds: the largest download, and how long it may take in all.
        cache_mb: MiB in which each model keeps what it heard, for further questions; 0 keeps nothing.
    """

    model: str = "builtin"
    models: Path = field(default_factory=lambda: _folder("data") / "models")
    tasks: Path = field(default_factory=lambda: settings_file().parent / "tasks")
    max_seconds: float = 12 * 3600.0
    max_bytes: int = 4 * 2**30
    fetch: bool = True
    fetch_private: tuple[str, ...] = ()
    fetch_max_bytes: int = 2**30
    fetch_seconds: float = 600.0
    cache_mb: int = 1024


_SETTINGS = {f.name: f"HARK_{f.name.upper()}" for f in fields(Settings)}
# What the folders of a person depend on, too.
_FOLDERS = ("HARK_SETTINGS", "HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA")
_VARIABLES = (*_SETTINGS.values(), *_FOLDERS)


def current() -> Settings:
    """The settings in force now.

    Raises:
        SettingsError: the file or a variable is wrong; the message names it.
    """
    # Asked several times for each recording: they are read again when the environment or the file has changed.
    environment = tuple(map(os.environ.get, _VARIABLES))
    return _read_all(environment, _changed(_place(environment)))


@lru_cache(16)
def _place(_environment: tuple[str | None, ...]) -> Path:
    return settings_file()


def _changed(path: Path) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError as error:
        return -(error.errno or 1)


@lru_cache(16)
def _read_all(_environment: tuple[str | None, ...], _changed: int) -> Settings:
    path = settings_file()
    settings = _over(Settings(), _read(path), f"in {path}")
    given = {name: os.environ[variable] for name, variable in _SETTINGS.items() if os.environ.get(variable)}
    return _over(settings, given, "in the environment (HARK_...)")


def _read(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SettingsError(f"The settings file {path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"The settings file {path} is not valid TOML: {error}.") from error


def _over(settings: Settings, values: dict[str, Any], where: str) -> Settings:
    changes: dict[str, Any] = {}
    for name, value in values.items():
        if name not in {f.name for f in fields(Settings)}:
            known = ", ".join(f.name for f in fields(Settings))
            raise SettingsError(f"There is no setting {name!r} ({where}).", hint=f"Settings are {known}.")
        try:
            changes[name] = 0 if _is_zero(name, value) else _value(value, getattr(settings, name))
        except (AttributeError, TypeError, ValueError, KeyError, RuntimeError) as error:
            hint = next(hint for kind, hint in _HINTS.items() if isinstance(getattr(settings, name), kind))
            raise SettingsError(f"The setting {name} cannot be {value!r} ({where}).", hint=hint) from error
    return replace(settings, **changes)


def _is_zero(name: str, value: Any) -> bool:
    """Is it the 0 that a setting may be?"""
    return name in _MAY_BE_ZERO and not isinstance(value, bool) and str(value) == "0"


def _value(value: Any, default: Any) -> Any:
    if isinstance(default, bool):
        return value if isinstance(value, bool) else _TRUE[value.lower()]
    if isinstance(default, tuple):
        return tuple(value.replace(",", " ").split()) if isinstance(value, str) else tuple(map(str, value))
    if isinstance(default, Path):
        return Path(value).expanduser()
    if isinstance(default, str):
        if not (isinstance(value, str) and value):
            raise TypeError(value)
        return value
    converted = type(default)(value)
    # int() cuts 1.5 to 1, and takes true for 1.
    if isinstance(value, bool) or not 0 < converted < math.inf or (converted != value and not isinstance(value, str)):
        raise ValueError(value)
    return converted
