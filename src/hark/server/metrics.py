"""What the server counts, all on one page, as Prometheus reads it; every label has few values."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from hark.answers.answer import Usage

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64)
_REASONS = {401: "key", 403: "origin", 408: "deadline", 413: "too_large", 429: "rate"}
_LEFT = 499  # the client did; nginx's number for it


class Metrics:
    """The counters of one server; `model` is always a name that is served."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter("hark_requests", "Requests answered", ("route", "model", "status"), registry=registry)
        self.rejections = Counter("hark_rejections", "Requests refused, by limit", ("reason",), registry=registry)
        self.running = Gauge("hark_requests_running", "Requests that models work on", ("model",), registry=registry)
        self.waiting = Gauge("hark_requests_waiting", "Requests that wait for models", ("model",), registry=registry)
        self.inside = Gauge("hark_requests_inside", "Requests in the house, uploads among them", registry=registry)
        self.sessions = Gauge("hark_sessions", "Live sessions", registry=registry)
        self.loaded = Gauge("hark_model_loaded", "1 where a model is in memory", ("model",), registry=registry)
        self.latency = Histogram(
            "hark_request_latency_seconds", "From a request's first byte to its answer's last", ("route",),
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self.queued = self._seconds("hark_queue_time_seconds", "Time spent waiting for a model")
        self.first = self._seconds("hark_time_to_first_token_seconds", "From a request's first byte to the first text")
        self.decoded = Histogram(
            "hark_decode_seconds", "Time spent reading recordings", buckets=_SECONDS, registry=registry
        )
        self.batches = Histogram(
            "hark_batch_size", "Questions answered together", ("model",), buckets=_SIZES, registry=registry
        )
        self.audio = self._of_models("hark_audio_seconds", "Seconds of audio heard")
        self.tokens_in = self._of_models("hark_input_tokens", "Tokens read")
        self.tokens_out = self._of_models("hark_output_tokens", "Tokens written")
        self.clips_known = self._of_models("hark_cached_clips", "Clips not heard again but known from before")
        self.tokens_known = self._of_models("hark_cached_tokens", "Tokens not worked through again")

    def _seconds(self, name: str, about: str) -> Histogram:
        return Histogram(name, about, ("model",), buckets=_SECONDS, registry=self.registry)

    def _of_models(self, name: str, about: str) -> Counter:
        return Counter(name, about, ("model",), registry=self.registry)

    def used(self, model: str, usage: Usage) -> None:
        """Count what an answer took."""
        self.audio.labels(model).inc(max(0.0, usage.audio_seconds))
        counted = {
            self.tokens_in: usage.input_tokens,
            self.tokens_out: usage.output_tokens,
            self.clips_known: usage.cached_clips,
            self.tokens_known: usage.cached_tokens,
        }
        for counter, count in counted.items():
            if count:
                counter.labels(model).inc(count)

    def page(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self.registry)


class Heard:
    """Watches the steps of one answer for the first text and for what it took."""

    def __init__(self, metrics: Metrics, model: str, state: Any, *, streamed: bool) -> None:
        self.metrics, self.model, self.state = metrics, model, state
        self.usage: Usage | None = None
        self.told = not streamed  # the first text of a whole answer comes with its last

    def step(self, step: Any) -> None:
        """Look at a step: a Delta, or whatever a door makes of it."""
        usage = getattr(step, "usage", None)
        if isinstance(usage, Usage):
            self.usage = usage
        if not self.told and getattr(step, "text", True):
            self.told = True
            self.metrics.first.labels(self.model).observe(asyncio.get_running_loop().time() - self.state.begun)

    def end(self) -> None:
        """Count what was told."""
        if self.usage is not None:
            self.metrics.used(self.model, self.usage)
            self.state.audio_seconds = self.usage.audio_seconds  # for the log
            self.usage = None


class Measured:
    """Counts requests, and how long they take."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = _LEFT

        async def write(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, write)
        finally:
            self._count(scope, status)

    def _count(self, scope: Scope, status: int) -> None:
        metrics, state = self.metrics, scope["state"]
        route = getattr(scope.get("route"), "path", "")  # the template: paths themselves are without number
        metrics.requests.labels(route, state.get("model", ""), status).inc()
        metrics.latency.labels(route).observe(asyncio.get_running_loop().time() - state["begun"])
        reason = state.get("rejected") or _REASONS.get(status)
        if reason:
            metrics.rejections.labels(reason).inc()
