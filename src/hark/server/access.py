"""Who may use the server: names and web pages it answers, keys, rates; pure ASGI, for HTTP and WebSockets alike."""

from __future__ import annotations

import ipaddress
import time
from abc import ABC, abstractmethod
from collections import OrderedDict
from typing import TYPE_CHECKING, ClassVar

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection

from hark.errors import BusyError, ForeignError, HarkError, NotAllowedError
from hark.server import errors, keys
from hark.server.logs import CatchAll, RequestLog

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastapi import FastAPI
    from starlette.types import ASGIApp, Receive, Scope, Send

    from hark.server.config import Config, Key

_KEY_PROTOCOL = "openai-insecure-api-key."
_OPEN = "/health"  # of a monitor that has no key; it tells nothing
_PAGE = ("/", "/page/")  # files that come with hark; where a key is wanted, the page asks for it
_UNCOUNTED = frozenset({"/health", "/ready", "/metrics"})
_EXPOSED = ("x-request-id", "x-hark-notices", "retry-after", "retry-after-ms", "location")


def guard(app: FastAPI, config: Config) -> None:
    """Put an application behind the checks that a request passes: name, page, key, rate."""
    if config.requests_per_minute is not None:
        app.add_middleware(RateLimit, per_minute=config.requests_per_minute)
    if config.keys:
        app.add_middleware(KeyCheck, known=config.keys)
    else:
        app.add_middleware(OriginCheck, allowed=config.origins)
    if config.hosts or not config.keys:
        app.add_middleware(HostCheck, names=(config.host, *config.hosts))


def frame(app: FastAPI, config: Config) -> None:
    """Put an application behind what every answer passes, also a refusal: plain failures, CORS, the log."""
    app.add_middleware(CatchAll)
    if config.origins:
        # All headers: the openai client sends a dozen of its own; nobody's cookies are ever taken for a key.
        app.add_middleware(
            CORSMiddleware,
            allow_origins=config.origins,
            allow_methods=("GET", "POST", "DELETE"),
            allow_headers=("*",),
            expose_headers=_EXPOSED,
        )
    app.add_middleware(RequestLog, content=config.log_content)


async def _refuse(error: HarkError, scope: Scope, receive: Receive, send: Send) -> None:
    await errors.response(HTTPConnection(scope), error)(scope, receive, send)


class _Check(ABC):
    """Lets a request pass, or refuses it; `state["rejected"]` is the reason then, for metrics."""

    reason: ClassVar[str]

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    @abstractmethod
    def refusal(self, scope: Scope) -> HarkError | None:
        """Why a request is refused; None where it is not."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer why not."""
        error = None if scope["type"] == "lifespan" else self.refusal(scope)
        if error:
            scope.setdefault("state", {})["rejected"] = self.reason
            await _refuse(error, scope, receive, send)
        else:
            await self.app(scope, receive, send)


class HostCheck(_Check):
    """Answers to names it was told of, to `localhost` and to bare addresses.

    A web page whose name is made to lead here (DNS rebinding) sends that name as `Host`; it cannot send an address.
    """

    reason = "host"

    def __init__(self, app: ASGIApp, names: Sequence[str]) -> None:
        super().__init__(app)
        self.names = {"localhost", *(name.lower() for name in names)}

    def refusal(self, scope: Scope) -> HarkError | None:
        """Refuse a name that was not given."""
        hosts = [_host(given) for given in Headers(scope=scope).getlist("host")] or [""]
        for host in hosts:
            if not ("*" in self.names or host in self.names or _is_address(host)):
                return ForeignError(
                    f"This server does not go by the name {host[:100]!r}.",
                    hint="Start it with --allow-host and that name.",
                )
        return None


class OriginCheck(_Check):
    """Refuses what a web page of another server sends: a browser posts a form to any address without asking first."""

    reason = "origin"

    def __init__(self, app: ASGIApp, allowed: Sequence[str]) -> None:
        super().__init__(app)
        self.allowed = frozenset(allowed)

    def refusal(self, scope: Scope) -> HarkError | None:
        """Refuse an origin that was not named and is not this server's own."""
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        if origin is None or "*" in self.allowed or origin in self.allowed:
            return None
        if origin.partition("://")[2].lower() == headers.get("host", "").lower() != "":
            return None
        return ForeignError(
            "Web pages of other servers may not use this one.",
            hint="Start it with --cors-origin and the page's origin, such as https://example.org.",
        )


class KeyCheck(_Check):
    """Lets in whoever sends a key; `state["key"]` is its name then."""

    reason = "key"

    def __init__(self, app: ASGIApp, known: Sequence[Key]) -> None:
        super().__init__(app)
        self.known = tuple(known)

    def refusal(self, scope: Scope) -> HarkError | None:
        """Refuse a request that brings no key, or a wrong one."""
        if scope["type"] == "http" and (scope["path"] == _OPEN or _is_page(scope)):
            return None
        given = _given(Headers(scope=scope))
        found = keys.find(self.known, given)
        if found:
            scope.setdefault("state", {})["key"] = found.name
            return None
        what = "The API key is wrong." if given else "There is no API key."
        return NotAllowedError(what, hint="Send the header `Authorization: Bearer KEY`.")


class RateLimit(_Check):
    """So many requests a minute of each key, or of each address where there are no keys: a token bucket each.

    A bucket holds a minute's worth, so that many may come at once. Of the addresses, the last `most` are remembered.
    """

    reason = "rate"

    def __init__(self, app: ASGIApp, per_minute: float, most: int = 10_000) -> None:
        super().__init__(app)
        self.rate, self.size, self.most = per_minute / 60, max(1.0, per_minute), most
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def refusal(self, scope: Scope) -> HarkError | None:
        """Refuse what comes too soon, and say when to come again."""
        if scope["path"] in _UNCOUNTED or _is_page(scope):
            return None
        who = scope.get("state", {}).get("key") or _address(scope)
        now = time.monotonic()
        left, then = self._left.pop(who, (self.size, now))
        left = min(self.size, left + (now - then) * self.rate)
        enough = left >= 1
        self._left[who] = (left - 1 if enough else left, now)
        if len(self._left) > self.most:
            self._left.popitem(last=False)
        if enough:
            return None
        return BusyError(
            f"There were more than {self.rate * 60:g} requests a minute.",
            hint="Wait as long as Retry-After says.",
            retry_after=(1 - left) / self.rate,
        )


def _is_page(scope: Scope) -> bool:
    path: str = scope["path"]
    return scope.get("method") in ("GET", "HEAD") and (path == _PAGE[0] or path.startswith(_PAGE[1]))


def _host(header: str) -> str:
    """The name in a `Host` header, without the port."""
    if header.startswith("["):
        return header[1:].partition("]")[0].lower()
    return header.partition(":")[0].lower()


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _given(headers: Headers) -> list[str]:
    """The keys that a request brings, in any of the places where clients put them."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    found = [token.strip() if scheme.lower() == "bearer" else "", *map(headers.get, ("api-key", "x-api-key"))]
    # Browsers set no headers of a WebSocket; OpenAI's client for them names the key among the subprotocols.
    offered = headers.get("sec-websocket-protocol", "").split(",")
    found += [one.strip().removeprefix(_KEY_PROTOCOL) for one in offered if one.strip().startswith(_KEY_PROTOCOL)]
    return [key for key in found if key]


def _address(scope: Scope) -> str:
    """Whom an address belongs to: of IPv6, everybody has a whole network of 64 bits."""
    host: str = (scope.get("client") or ("unknown", 0))[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.version == 4:
        return host
    mapped = address.ipv4_mapped
    return str(mapped) if mapped else str(ipaddress.ip_network((int(address), 64), strict=False))
