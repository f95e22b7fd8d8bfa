"""What may be said about a server: every limit, with a default that is safe."""

from __future__ import annotations

from dataclasses import dataclass, field

from hark.engines.loading import Loading


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A model that clients may name.

    Attributes:
        name: what clients call it.
        model: what `hark.load` calls it; `answer_with` and `loading` as there.
    """

    name: str
    model: str
    answer_with: str | None = None
    loading: Loading = field(default_factory=Loading)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """How a server behaves.

    Attributes:
        models: those that clients may name; the first answers where none is named.
        host, port: where it listens.
        keys: SHA-256 of the keys that open it, in hex; none: open to whoever reaches it.
        origins: web pages that may use it from a browser (CORS), such as `https://example.org`.
        url_hosts: hosts whose URLs in requests are fetched (`*.example.org` with all below it, `*` any public one).
        max_upload_mb, max_json_mb: the largest file, and the largest JSON body.
        max_seconds, max_clips: the longest recording, and the most recordings in one request.
        max_requests: requests in the house at once; further ones are told to come again (429).
        max_batch, batch_ms: questions answered together at most, and how long the first waits for others.
        deadline_seconds: how long a request may take in all.
        idle_seconds: after which an unused model gives back its memory; None: never.
        memory_mb: what the weights of all loaded models may take together; None: no bound.
        requests_per_minute: of each key (of each address where there are no keys); None: no limit.
        shutdown_seconds: how long requests may take to end when the server is told to stop.
        log_content: write questions and answers to the log.
    """

    models: tuple[Served, ...] = (Served(name="builtin", model="builtin"),)
    host: str = "127.0.0.1"
    port: int = 8000
    keys: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    url_hosts: tuple[str, ...] = ()
    max_upload_mb: float = 256.0
    max_json_mb: float = 64.0
    max_seconds: float = 4 * 3600.0
    max_clips: int = 16
    max_requests: int = 256
    max_batch: int = 8
    batch_ms: float = 5.0
    deadline_seconds: float = 600.0
    idle_seconds: float | None = None
    memory_mb: float | None = None
    requests_per_minute: float | None = None
    shutdown_seconds: float = 30.0
    log_content: bool = False
