"""Where a server listens: only this machine can reach it, unless keys are wanted or nobody is to be kept out."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import socket
from typing import TYPE_CHECKING, Any

from hark.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hark.server.config import Config

_ABSENT = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def bind(config: Config) -> list[socket.socket]:
    """Take the address of a server, each of those that its name has.

    Raises:
        OptionError: it would be open to others without a key; or the address is taken, not allowed, or not here.
    """
    refuse_open(config)  # before a name is looked up
    try:
        found = socket.getaddrinfo(config.host or None, config.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise OptionError(f"There is no address {config.host!r} here.") from error
    refuse_open(config, [str(info[4][0]) for info in found])
    bound: list[socket.socket] = []
    for family, _, _, _, place in found:
        port = bound[0].getsockname()[1] if bound else config.port
        try:
            bound.append(_listening(family, (place[0], port, *place[2:])))
        except OSError as error:
            if error.errno in _ABSENT and len(found) > 1 and (bound or place != found[-1][4]):
                continue  # the name has an address of IPv6, the machine has not
            for other in bound:
                other.close()
            raise OptionError(
                f"The server cannot listen at {config.host} port {port}: {error.strerror}.",
                hint="Give another --port (0 takes a free one), or an address of this machine as --host.",
            ) from error
    return bound


def _listening(family: int, place: tuple[Any, ...]) -> socket.socket:
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind(place)
        one.listen()  # that another listens there shows only now
    except OSError:
        one.close()
        raise
    return one


def refuse_open(config: Config, addresses: Iterable[str] = ()) -> None:
    """Refuse to be open to other machines without a key, unless that is wanted.

    Raises:
        OptionError: the host, or one of the addresses that it has, is not this machine's own.
    """
    if config.keys or config.no_auth:
        return
    with contextlib.suppress(ValueError):
        own = [] if config.host == "localhost" else [config.host]
        if all(ipaddress.ip_address(one).is_loopback for one in (*own, *addresses)):
            return
    raise OptionError(
        f"At {config.host or 'all addresses'} everybody who reaches this machine could use the server.",
        hint="Give keys (HARK_API_KEYS, --api-keys-file, --api-key; `hark serve key` makes one), or --no-auth.",
    )


def address(host: str, bound: socket.socket) -> str:
    """The URL of a server, as people of this machine type it."""
    port = bound.getsockname()[1]
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{name}:{port}"
