"""Keys that open a server: made at random, kept as SHA-256 hashes, compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import TYPE_CHECKING

from hark.errors import OptionError, OutputError
from hark.server.config import Key

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_SHORTEST = 16
_KEY = re.compile(r"[!-+\--~]+")  # what a header holds, without the comma that separates keys
_NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}")
_HASH = re.compile(r"[0-9a-f]{64}")
_MADE = "`hark serve key NAME` makes a key and its line."


def new() -> str:
    """A new key: 256 random bits."""
    return f"hark-{secrets.token_urlsafe(32)}"


def digest(key: str) -> str:
    """The SHA-256 of a key, in hex; enough for a key that is random, and cheap enough for each request."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def of(key: str, name: str | None = None) -> Key:
    """A key as a server keeps it; without a name it is called by the begin of its hash.

    Raises:
        OptionError: it is short enough to be guessed, or cannot be sent in a header.
    """
    if len(key) < _SHORTEST or not _KEY.fullmatch(key):
        raise OptionError(
            f"A key has at least {_SHORTEST} characters, letters, digits and signs of ASCII, without space or comma.",
            hint="`hark serve key` makes one.",
        )
    found = digest(key)
    return Key(name=name or found[:8], sha256=found)


def listed(keys: str) -> list[Key]:
    """The keys of a list that commas separate, as in `HARK_API_KEYS`.

    Raises:
        OptionError: one is no key.
    """
    return [of(key.strip()) for key in keys.split(",") if key.strip()]


def line(name: str, key: str) -> str:
    """The line of a file of keys: the name, a space, the hash.

    Raises:
        OptionError: it is no name.
    """
    if not _NAME.fullmatch(name):
        raise OptionError(f"A key cannot be called {name!r}.", hint="Letters, digits, and any of ._@- name one.")
    return f"{name} {digest(key)}"


def read(path: Path) -> list[Key]:
    """The keys of a file: a line each as `line` makes it; empty lines and those that begin with # say nothing.

    Raises:
        OptionError: it cannot be read, a line is no name and hash, or there is none: then nobody could come in.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise OptionError(f"The file of keys {path} cannot be read: {reason}.", hint=_MADE) from error
    found = []
    for number, text in enumerate(lines, 1):
        if not text.strip() or text.lstrip().startswith("#"):
            continue
        name, _, hashed = text.strip().partition(" ")
        if not _NAME.fullmatch(name) or not _HASH.fullmatch(hashed.strip().lower()):
            raise OptionError(f"Line {number} of {path} is no name and SHA-256 hash.", hint=_MADE)
        found.append(Key(name=name, sha256=hashed.strip().lower()))
    if not found:
        raise OptionError(f"There is no key in {path}.", hint=_MADE)
    return found


def add(path: Path, name: str, key: str) -> None:
    """Append the line of a key to a file, which is made where there is none.

    Raises:
        OutputError: it cannot be written.
    """
    written = line(name, key)
    try:
        gap = "\n" if path.exists() and path.stat().st_size and not path.read_bytes().endswith(b"\n") else ""
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{gap}{written}\n")
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}.") from error


def find(known: Sequence[Key], given: Sequence[str]) -> Key | None:
    """The key among `known` that one of those `given` is; takes as long whichever it is, or whether it is any."""
    found = None
    for one in given:
        hashed = digest(one)
        for key in known:
            if hmac.compare_digest(hashed, key.sha256):
                found = key
    return found
