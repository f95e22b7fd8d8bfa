"""The hosts that whoever runs a server lets others name: an allow list of names, numbers and ports."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import httpx2

from hark.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Iterable

_PLAIN_PORTS = (80, 443)
_HINT = "Write cdn.example.org, *.example.org (all names below it), * (any public host), or host:port."


@dataclass(frozen=True, slots=True)
class Host:
    """One entry: a name or number, or with `below` all names under it (under "": any); without a port 80 and 443."""

    name: str
    below: bool = False
    port: int | None = None

    def covers(self, name: str, port: int) -> bool:
        """Is a host, in the form `host_name` gives, of this entry?"""
        if port not in (_PLAIN_PORTS if self.port is None else (self.port,)):
            return False
        return (not self.name or name.endswith("." + self.name)) if self.below else name == self.name


@dataclass(frozen=True, slots=True)
class Hosts:
    """An allow list; what it lacks is closed."""

    entries: tuple[Host, ...] = ()

    @classmethod
    def of(cls, entries: Iterable[str]) -> Self:
        """Read entries: `cdn.example.org`, `*.example.org`, `*`, each with or without `:port`.

        Names are compared as they are looked up: in lower case, other letters as Punycode (RFC 3492).

        Raises:
            OptionError: one is no host.
        """
        return cls(tuple(_entry(text) for text in entries))

    def covers(self, name: str, port: int) -> bool:
        """May this host be named?"""
        return any(entry.covers(name, port) for entry in self.entries)

    def names(self, name: str, port: int) -> bool:
        """Is this very host in the list, not only under a `*`?"""
        return any(entry.covers(name, port) for entry in self.entries if not entry.below)

    def opens(self, name: str, port: int) -> bool:
        """Is this port, which is not of the web, in the list for this host?"""
        return any(entry.port is not None and entry.covers(name, port) for entry in self.entries)


def host_name(url: httpx2.URL) -> str:
    """The host of a URL as it is looked up: lower case, Punycode, numbers of IPv6 in their shortest form."""
    return shortest(url.raw_host.decode("ascii"))


def shortest(host: str) -> str:
    """A host as `host_name` gives it, from its raw form."""
    host = host.strip("[]").lower()
    try:
        return str(ipaddress.IPv6Address(host))
    except ValueError:
        return host


def _entry(text: str) -> Host:
    found = re.fullmatch(r"(\*\.(?=[^\[])|\*)?(\[[0-9A-Fa-f:.]+\]|[^\s\[\]*/\\:@?#%]*)(?::([0-9]{1,5}))?", text)
    star, name, port = found.groups() if found else (None, "", None)
    if not found or bool(name) == (star == "*") or (port and not 0 < int(port) < 2**16):
        raise _wrong(text)
    if name:
        try:
            name = host_name(httpx2.URL(f"http://{name}/"))
        except (httpx2.InvalidURL, UnicodeError, ValueError) as error:
            raise _wrong(text) from error
        if not name or name.endswith("."):
            raise _wrong(text)
    return Host(name, star is not None, int(port) if port else None)


def _wrong(text: str) -> OptionError:
    return OptionError(f"{text!r} is no host to be allowed.", hint=_HINT)
