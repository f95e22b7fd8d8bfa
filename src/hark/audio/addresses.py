"""Which addresses may be fetched: the policy, apart from any connection.

Ranges are from the IANA special-purpose registries (RFC 6890 and its updates). `ipaddress.is_global` is not used: in
Python 3.11 it takes multicast, 6to4, NAT64 and documentation addresses for public ones.
"""

from __future__ import annotations

import ipaddress
import unicodedata
from urllib.parse import urlsplit

_IPV4_CLOSED = tuple(
    ipaddress.IPv4Network(net)
    for net in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",
        "168.63.129.16/32",  # the host behind every Azure machine
        "169.254.0.0/16",  # link-local: the metadata services of clouds
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
_IPV6_OPEN = ipaddress.IPv6Network("2000::/3")
_IPV6_CLOSED = tuple(
    ipaddress.IPv6Network(net)
    for net in (
        "2001::/23",  # Teredo, ORCHID and other protocols
        "2001:db8::/32",
        "2002::/16",  # 6to4: an IPv4 address inside
        "3fff::/20",
    )
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_NAMES = ("localhost", "local", "internal", "localdomain", "lan", "home.arpa", "onion")


def is_public(address: str) -> bool:
    """May this number (IPv4 or IPv6, as the resolver gives it) be connected to?"""
    try:
        number = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(number, ipaddress.IPv6Address):
        inner = number.ipv4_mapped
        if number in _NAT64:
            inner = ipaddress.IPv4Address(int(number) & 0xFFFFFFFF)
        if inner is None:
            return number.scope_id is None and number in _IPV6_OPEN and not any(number in net for net in _IPV6_CLOSED)
        number = inner
    return not any(number in net for net in _IPV4_CLOSED)


def closed_name(host: str) -> str | None:
    """Why a host name may not be looked up at all, or None when it may.

    Numbers must be written plainly: what resolvers also take for one (`2130706433`, `0x7f.1`, `127.1`) is refused.
    """
    if not host or len(host) > 253:
        return "has no proper host"
    if host.endswith("."):
        return "has a host name that ends in a dot"
    if any(host == name or host.endswith("." + name) for name in _NAMES):
        return "leads to this machine or its own network"
    if is_plain(host):
        return None if is_public(host) else "leads to a private address"
    last = host.rsplit(".", 1)[-1]
    if ":" in host or last.isdigit() or last.startswith("0x"):
        return "has a number as host that is not written plainly"
    return None


def disguised(url: str) -> str | None:
    """What is hidden in the text of a URL (control characters, look-alike digits), or None."""
    if any(ord(char) <= 32 or ord(char) == 127 or char == "\\" for char in url):
        return "holds spaces, control characters or backslashes"
    if len(url) > 8192:
        return "is too long"
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return "is malformed"
    if not host.isascii() and unicodedata.normalize("NFKC", host).isascii():
        return "has look-alike characters in its host"
    return None


def shown(url: str) -> str:
    """A URL as it may be shown: without the query, which often holds a key, and without credentials."""
    bare = url.split("?", 1)[0].split("#", 1)[0]
    scheme, mark, rest = bare.partition("://")
    host, slash, path = rest.partition("/")
    text = scheme + mark + host.rpartition("@")[2] + slash + path
    return text if len(text) <= 200 else text[:200] + "..."


def is_plain(host: str) -> bool:
    """Is a host a number, written the one plain way?"""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return "%" not in host
