"""URL -> bytes: the only outgoing request for media, which never leads to a private address.

`guard.py` holds the gate each request and each redirect passes; `addresses.py` the policy.
"""

from __future__ import annotations

import time
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import httpcore2
import httpx2

from hark import settings
from hark.audio.addresses import disguised, shown
from hark.audio.guard import Guard, Pinned, Resolver, Rules, resolve
from hark.errors import FetchError, FetchRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

_MAX_HOPS = 5
_READ_SECONDS = 30.0
# Nothing compressed is asked for: audio gains nothing, and a small compressed body can hide an endless one.
_HEADERS = {"User-Agent": "hark", "Accept": "audio/*, video/*;q=0.9, */*;q=0.5", "Accept-Encoding": "identity"}

_FAILURES = (
    httpx2.HTTPError,
    httpx2.InvalidURL,
    httpx2.StreamError,
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.UnsupportedProtocol,
)

progress: ContextVar[Callable[[int, int | None], None] | None] = ContextVar("progress", default=None)
"""Called with the bytes received and the bytes expected (None: unknown) while something is fetched in this context."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came: the address it came from in the end, how many bytes, and the media type the server named."""

    url: str
    size: int
    media_type: str


def fetch(
    url: str,
    target: BinaryIO,
    *,
    rules: Rules | None = None,
    resolver: Resolver = resolve,
    network: httpcore2.NetworkBackend | None = None,
) -> Fetched:
    """Download a URL (http or https) into an open file, within the limits of the settings.

    Args:
        url: where it is; credentials in it are refused.
        target: what the bytes are written to.
        rules: what holds beside the settings.
        resolver: how names are looked up; every answer is checked before a connection is made.
        network: how connections are made.

    Raises:
        FetchRefusedError: fetching is off, or the address (or one it leads on to) may not be fetched.
        FetchError: there is no answer, an answer other than 200, or one that is too large or too slow.
    """
    limits, rules = settings.current(), rules or Rules()
    if not limits.fetch:
        raise FetchRefusedError("Fetching of addresses is turned off.", hint="Set fetch = true (HARK_FETCH=1).")
    seconds, max_bytes = _least(limits.fetch_seconds, rules.seconds), _least(limits.fetch_max_bytes, rules.max_bytes)
    guard = Guard(limits.fetch_private, time.monotonic() + seconds, resolver, network, rules)
    try:
        return _follow(url, target, guard, int(max_bytes))
    except (httpx2.TimeoutException, httpcore2.TimeoutException) as error:
        if guard.left() > 0:
            raise FetchError(f"{shown(url)} does not answer.", hint="Check the address, or try again later.") from error
        raise FetchError(
            f"{shown(url)} did not come within {seconds:g} s.",
            hint="Raise fetch_seconds in the settings (HARK_FETCH_SECONDS), or download it first.",
        ) from error
    except _FAILURES as error:
        raise FetchError(
            f"{shown(url)} cannot be fetched: the connection failed.", hint="Check the address."
        ) from error


def _least(setting: float, rule: float | None) -> float:
    return setting if rule is None else min(setting, rule)


def _follow(url: str, target: BinaryIO, guard: Guard, max_bytes: int) -> Fetched:
    at = url
    for _ in range(_MAX_HOPS + 1):
        guard.check_url(at)
        # A new client each time: no cookies, no connection and no header goes from one host to the next.
        with (
            httpx2.Client(transport=Pinned(guard), trust_env=False, timeout=_READ_SECONDS) as client,
            client.stream("GET", at, headers=_HEADERS, follow_redirects=False) as response,
        ):
            if not response.has_redirect_location:
                return _save(at, response, target, max_bytes, guard)
            at = _next(at, response)
    raise FetchRefusedError(f"{shown(url)} redirects more than {_MAX_HOPS} times.", hint="Give its final address.")


def _next(url: str, response: httpx2.Response) -> str:
    location = response.headers["location"]
    hidden = disguised(location)
    if hidden:
        raise FetchRefusedError(f"{shown(url)} redirects to an address that {hidden}.", hint="Give its final address.")
    return str(response.url.join(location))


def _save(url: str, response: httpx2.Response, target: BinaryIO, max_bytes: int, guard: Guard) -> Fetched:
    if response.status_code != 200:
        raise FetchError(
            f"{shown(url)} cannot be fetched: its server answers {response.status_code}.", hint="Check the address."
        )
    if response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise FetchError(f"{shown(url)} comes compressed, which was not asked for.", hint="Download it first.")
    length = response.headers.get("content-length", "")
    expected = int(length) if length.isascii() and length.isdigit() else None
    report = progress.get() or (lambda _received, _expected: None)
    size = 0
    report(size, expected)
    _check_size(expected or 0, max_bytes, url)
    for chunk in response.iter_raw(2**16):
        guard.check_time()
        size += len(chunk)
        _check_size(size, max_bytes, url)
        _write(chunk, target, url)
        report(size, expected)
    return Fetched(shown(url), size, response.headers.get("content-type", "").partition(";")[0].strip().lower())


def _check_size(size: int, max_bytes: int, url: str) -> None:
    if size > max_bytes:
        raise FetchError(
            f"{shown(url)} is larger than the limit of {max_bytes / 2**20:.4g} MiB.",
            hint="Raise fetch_max_bytes in the settings (HARK_FETCH_MAX_BYTES), or download it first.",
        )


def _write(chunk: bytes, target: BinaryIO, url: str) -> None:
    try:
        rest = memoryview(chunk)
        while rest:  # an unbuffered file takes what there is space for
            rest = rest[target.write(rest) :]
    except OSError as error:
        raise FetchError(f"{shown(url)} cannot be kept: {error.strerror}.", hint="Is the disk full?") from error
