"""How two peers of WebRTC find each other (ICE, RFC 8445): at which addresses, and with whose help."""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from dataclasses import dataclass

from hark.errors import OptionError

LOOPBACK = ("127.0.0.1", "::1")
_ANYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 - what a server may be told to listen at
# URIs of RFC 7064 and RFC 7065, with the name and the password that a TURN server wants in front of its host.
_SERVER = re.compile(
    r"(?P<scheme>stun|turns?):(?:(?P<username>[^:@?]+):(?P<password>[^@?]+)@)?"
    r"(?P<host>[A-Za-z0-9._-]+(?::\d{1,5})?)(?:\?transport=(?P<transport>udp|tcp))?"
)


@dataclass(frozen=True, slots=True)
class IceServer:
    """A server that tells a peer its public address (STUN), or passes on what it sends (TURN)."""

    url: str
    username: str | None = None
    password: str | None = None

    @classmethod
    def of(cls, text: str) -> IceServer:
        """Read `stun:HOST[:PORT]` or `turn[s]:USER:PASSWORD@HOST[:PORT][?transport=udp|tcp]`.

        Raises:
            OptionError: it is neither.
        """
        found = _SERVER.fullmatch(text)
        if found is None or not _makes_sense(found):
            raise OptionError(
                "An ICE server is malformed.",  # it may hold a password
                hint="It is stun:HOST:PORT or turn:USER:PASSWORD@HOST:PORT; over TLS, turns:...?transport=tcp.",
            )
        transport = f"?transport={found['transport']}" if found["transport"] else ""
        return cls(f"{found['scheme']}:{found['host']}{transport}", found["username"], found["password"])


def _makes_sense(server: re.Match[str]) -> bool:
    if server["scheme"] == "stun":
        return server["username"] is None and server["transport"] is None
    return server["username"] is not None and (server["scheme"], server["transport"]) != ("turns", "udp")


@dataclass(frozen=True, slots=True)
class Network:
    """Where a server may be reached.

    Attributes:
        addresses: of this machine, that clients are told; None: all that it has.
        servers: at most one of STUN and one of TURN; none: no packet goes to anybody but the client.
    """

    addresses: tuple[str, ...] | None = LOOPBACK
    servers: tuple[IceServer, ...] = ()

    @classmethod
    def of(cls, host: str, addresses: tuple[str, ...] = (), servers: tuple[str, ...] = ()) -> Network:
        """The one of a server that listens at `host`: what is closed to others there, is closed to them here.

        Raises:
            OptionError: an address is none, or a server is malformed, or there are two of a kind.
        """
        for address in addresses:
            try:
                ipaddress.ip_address(address)
            except ValueError:
                raise OptionError(f"{address[:100]!r} is no address.", hint="Such as 192.168.1.20.") from None
        found = tuple(map(IceServer.of, servers))
        if any(count > 1 for count in Counter(one.url.startswith("turn") for one in found).values()):
            raise OptionError("There are several ICE servers of a kind.", hint="Give one for STUN, one for TURN.")
        return cls(addresses or _of_host(host), found)

    def knows(self, address: str, client: str | None) -> bool:
        """May packets be sent to an address that a client's offer names?

        Whoever is let in could have them sent to anybody. So without servers it is the client's own address only;
        from wherever else its packets come, they are answered there (peer-reflexive candidates, RFC 8445 7.3.1.3).
        """
        try:
            named = ipaddress.ip_address(address)
            own = ipaddress.ip_address(client or "")
        except ValueError:
            return False  # a name, such as those of mDNS: asking for it would be a packet to all
        return bool(self.servers) or named == (getattr(own, "ipv4_mapped", None) or own)


def _of_host(host: str) -> tuple[str, ...] | None:
    if host in _ANYWHERE:
        return None
    return LOOPBACK if host == "localhost" else (host,)
