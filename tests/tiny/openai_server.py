"""A server on loopback that speaks OpenAI's protocol as its tests tell it to, and keeps what it was asked."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import threading
import wave
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from hark.answers.schema import Schema
from hark.engines.echo_json import fitting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Route = Callable[["Exchange"], None]

CHAT, TRANSCRIBE, TRANSLATE = "/v1/chat/completions", "/v1/audio/transcriptions", "/v1/audio/translations"
MODELS = "/v1/models"


@dataclass
class Exchange:
    """One request, and the means to answer it."""

    handler: BaseHTTPRequestHandler
    body: bytes
    status: int | None = None
    gone: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.path, self.headers = self.handler.path, self.handler.headers  # it serves further requests

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, list[bytes]]:
        """The parts of a multipart body."""
        boundary = re.search(r"boundary=(\S+)", self.headers["content-type"])
        assert boundary
        fields: dict[str, list[bytes]] = {}
        for part in self.body.split(b"--" + boundary[1].encode())[1:-1]:
            head, _, value = part.partition(b"\r\n\r\n")
            name = re.search(rb'name="([^"]*)"', head)
            assert name
            fields.setdefault(name[1].decode(), []).append(value.removesuffix(b"\r\n"))
        return fields

    @property
    def parts(self) -> list[dict[str, Any]]:
        """The parts of all messages of a chat request."""
        return [part for message in self.json["messages"] for part in message["content"]]

    @property
    def wavs(self) -> list[bytes]:
        """The audio of a request, however it came."""
        if "multipart" in self.headers["content-type"]:
            return self.form["file"]
        found = [p.get("input_audio", {}).get("data") or p.get("audio_url", {}).get("url") for p in self.parts]
        return [base64.b64decode(value.rpartition(",")[2], validate=True) for value in found if value]

    def reply(self, values: Any, status: int = 200, **headers: str) -> None:
        body = values if isinstance(values, bytes) else json.dumps(values).encode()
        kind = "text/html" if isinstance(values, bytes) else "application/json"
        self._start(status, {"content-type": kind, "content-length": str(len(body)), **headers})
        self.handler.wfile.write(body)

    def stream(self, events: Iterable[Any], *, done: bool = True, end: bool = True) -> None:
        """Send server-sent events, in chunks; `gone` is set when the client is no longer there."""
        self._start(200, {"content-type": "text/event-stream; charset=utf-8", "transfer-encoding": "chunked"})
        try:
            for event in events:
                data = event if isinstance(event, str) else f"data: {json.dumps(event, ensure_ascii=False)}\n\n"
                self._chunk(data.encode())
            if done:
                self._chunk(b"data: [DONE]\n\n")
            if end:
                self._chunk(b"")
        except OSError:
            self.gone.set()
            self.handler.close_connection = True

    def drop(self) -> None:
        """End the connection without a word."""
        self.status = 0
        self.handler.close_connection = True

    def _start(self, status: int, headers: dict[str, str]) -> None:
        self.status = status
        self.handler.send_response(status)
        for name, value in headers.items():
            self.handler.send_header(name.replace("_", "-"), value)
        self.handler.end_headers()

    def _chunk(self, data: bytes) -> None:
        self.handler.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.handler.wfile.flush()


class LoopbackServer:
    """Answers by `routes`, each of which is a function or a list of them, one for each request in turn."""

    def __init__(self, routes: dict[str, Route | list[Route]]) -> None:
        self.routes = routes
        self.asked: list[Exchange] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server.answer(Exchange(self, b""))

            def do_POST(self) -> None:
                server.answer(Exchange(self, self.rfile.read(int(self.headers["content-length"]))))

            def log_message(self, *_: Any) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            def handle_error(self, request: Any, client_address: Any) -> None:
                pass  # clients that leave are part of the tests

        self._http = Quiet(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._http.block_on_close = False
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_port}/v1"

    def answer(self, exchange: Exchange) -> None:
        self.asked.append(exchange)
        route = self.routes.get(exchange.path)
        if route is None:
            exchange.reply({"detail": "Not Found"}, 404)
            return
        count = sum(other.path == exchange.path for other in self.asked)
        (route[min(count, len(route)) - 1] if isinstance(route, list) else route)(exchange)

    @property
    def paths(self) -> list[str]:
        return [exchange.path for exchange in self.asked]

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


def chat_chunks(*texts: str, finish: str | None = "stop", usage: tuple[int, int] | None = (7, 3)) -> list[Any]:
    """A streamed chat reply as OpenAI and vLLM send it."""
    start = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}, *({"content": text} for text in texts)]
    chunks = [{**start, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    if finish:
        chunks.append({**start, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    if usage:
        tokens = {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)}
        chunks.append({**start, "choices": [], "usage": tokens})
    return chunks


def seconds_of(wav: bytes) -> float:
    with wave.open(io.BytesIO(wav)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16000)
        return file.getnframes() / 16000


def verbose(wav: bytes, text: str) -> dict[str, Any]:
    """A `verbose_json` reply in OpenAI's form: two segments, words apart from them."""
    seconds, words = seconds_of(wav), text.split()
    step, half = seconds / len(words), len(words) // 2
    timed = [{"word": word, "start": n * step, "end": (n + 1) * step} for n, word in enumerate(words)]
    segments = [
        {"id": n, "seek": 0, "start": part[0]["start"], "end": part[-1]["end"], "tokens": [], "temperature": 0.0,
         "text": " " + " ".join(word["word"] for word in part), "avg_logprob": -0.1 - n * 1.5,
         "compression_ratio": 1.0, "no_speech_prob": 0.01}
        for n, part in enumerate((timed[:half], timed[half:]))
    ]  # fmt: skip
    about = {"task": "transcribe", "language": "english", "duration": seconds, "text": text}
    return {**about, "segments": segments, "words": timed, "usage": {"type": "duration", "seconds": seconds}}


def heard(wavs: list[bytes]) -> str:
    """Text that depends on every sample."""
    digest = hashlib.sha256(b"".join(wavs)).hexdigest()
    return f"heard {digest[:6]} {digest[6:12]} {digest[12:18]}"


def structured(ask: Exchange) -> str:
    """JSON that fits the schema of a request and depends on every sample."""
    schema = ask.json["response_format"]["json_schema"]["schema"]
    return fitting(Schema.of(schema), heard(ask.wavs))


def _answer(ask: Exchange) -> None:
    text = structured(ask) if "response_format" in ask.json else heard(ask.wavs)
    ask.stream(chat_chunks(*re.findall(r"\S+\s*", text)))


def listening() -> LoopbackServer:
    """A server whose model hears: what it writes is told by the audio."""
    return LoopbackServer(
        {
            CHAT: _answer,
            TRANSCRIBE: lambda ask: ask.reply(verbose(ask.wavs[0], heard(ask.wavs))),
            TRANSLATE: lambda ask: ask.reply(verbose(ask.wavs[0], heard(ask.wavs))),
        }
    )
