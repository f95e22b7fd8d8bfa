"""What may be said about a server: every limit, with a default that is safe."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields

from hark.engines.loading import Loading
from hark.errors import OptionError


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A model that clients may name.

    Attributes:
        name: what clients call it.
        model: what `hark.load` calls it; `answer_with` and `loading` as there.
        base: the name of the served model whose weights it shares; `adapter` is then which of that one's adapters.
    """

    name: str
    model: str
    answer_with: str | None = None
    loading: Loading = field(default_factory=Loading)
    base: str | None = None
    adapter: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key that opens the server: what it is called in logs and metrics, and its SHA-256 in hex."""

    name: str
    sha256: str


_MAY_BE_ZERO = frozenset({"port", "batch_ms", "shutdown_seconds", "drain_seconds"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """How a server behaves.

    Attributes:
        models: those that clients may name; the first answers where none is named.
        host, port: where it listens.
        keys: those that open it; none: open to whoever reaches it.
        no_auth: let whoever reaches it in, also beyond loopback.
        origins: web pages that may use it from a browser (CORS), such as `https://example.org`; `*` any.
        hosts: names that it goes by (the header `Host`); without keys, others than loopback's are refused; `*` any.
        trusted_proxies: addresses, and networks, whose `X-Forwarded-For` is believed.
        url_hosts: hosts whose URLs in requests are fetched (`*.example.org`: all names below it; `*`: any public host),
            each also as `host:port`; without a port 80 and 443.
        max_upload_mb, max_json_mb: the largest file, and the largest JSON body; 16 such in all requests together.
        max_seconds, max_clips: the longest recording, and the most recordings in one request.
        max_requests: requests in the house at once; further ones are told to come again (429).
        max_sessions: live sessions at once; further ones are told to come again.
        session_idle_seconds: after which a live session ends in which its client sends nothing.
        ice_addresses: of this machine, at which calls over WebRTC may reach it; none: `host`.
        ice_servers: those that help such calls through firewalls: `stun:HOST:PORT`, `turn:USER:PASSWORD@HOST:PORT`.
        max_batch, batch_ms: questions answered together at most, and how long the first waits for others.
        deadline_seconds: how long a request may take in all.
        idle_seconds: after which an unused model gives back its memory; None: never.
        memory_mb: what the weights of all loaded models may take together; None: no bound.
        requests_per_minute: of each key (of each address where there are no keys); None: no limit.
        shutdown_seconds: how long requests may take to end when the server is told to stop.
        drain_seconds: how long it goes on taking requests then, while `/ready` already says no.
        log_content: write questions and answers to the log.
        log_json: write the log as JSON, a line each.
        warm: load the first model at the start.

    Raises:
        OptionError: a limit makes no sense.
    """

    models: tuple[Served, ...] = (Served(name="builtin", model="builtin"),)
    host: str = "127.0.0.1"
    port: int = 8000
    keys: tuple[Key, ...] = ()
    no_auth: bool = False
    origins: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ("127.0.0.1", "::1")
    url_hosts: tuple[str, ...] = ()
    max_upload_mb: float = 256.0
    max_json_mb: float = 64.0
    max_seconds: float = 4 * 3600.0
    max_clips: int = 16
    max_requests: int = 256
    max_sessions: int = 64
    session_idle_seconds: float = 600.0
    ice_addresses: tuple[str, ...] = ()
    ice_servers: tuple[str, ...] = ()
    max_batch: int = 8
    batch_ms: float = 5.0
    deadline_seconds: float = 600.0
    idle_seconds: float | None = None
    memory_mb: float | None = None
    requests_per_minute: float | None = None
    shutdown_seconds: float = 30.0
    drain_seconds: float = 0.0
    log_content: bool = False
    log_json: bool = False
    warm: bool = False

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            least = 0 if one.name in _MAY_BE_ZERO else 1e-9
            if isinstance(value, float | int) and not isinstance(value, bool) and not least <= value < math.inf:
                raise OptionError(f"{one.name} cannot be {value}.", hint="It is a number above 0.")
