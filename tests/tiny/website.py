"""Web servers for tests: one on loopback that behaves, drips, pours and lies, and a network that only records."""

from __future__ import annotations

import contextlib
import gzip
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import httpcore2

if TYPE_CHECKING:
    from collections.abc import Iterator

PUBLIC = "93.184.215.14"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Type: audio/wav; x=1\r\n\r\nsound"


class Server(ThreadingHTTPServer):
    daemon_threads = True
    hits: list[str]
    headers: list[dict[str, str]]
    wav: bytes
    left: int

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # clients that leave are part of the tests


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.hits.append(self.path)
        self.server.headers.append(dict(self.headers))
        getattr(self, "do_" + self.path.strip("/").split("?")[0])()

    def send(self, body: bytes, status: int = 200, length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def do_good(self) -> None:
        self.send(self.server.wav, Content_Type="audio/wav")

    def do_none(self) -> None:
        self.send(b"SECRET of an inner server", 404)

    def do_zip(self) -> None:
        self.send(gzip.compress(bytes(10_000_000)), Content_Encoding="gzip")

    def do_huge(self) -> None:
        self.send(b"", length=10**12)

    def do_endless(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.pour(bytes(2**16))

    def do_drip(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.pour(b"x", 0.05)

    def do_driphead(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        self.pour(b"X-A: b\r\n", 0.05)

    def do_short(self) -> None:
        self.send(b"RIFF", length=5000)

    def do_nothing(self) -> None:
        self.send(b"")

    def do_inward(self) -> None:
        self.send(b"", 302, Location="http://127.0.0.1:9/")

    def do_broken(self) -> None:
        self.send(b"SECRET of an inner server", 500)

    def do_loop(self) -> None:
        self.send(b"", 302, Location="/loop")

    def do_away(self) -> None:
        self.send(b"", 302, Location=self.path.partition("?")[2])

    def do_hang(self) -> None:
        self.rfile.read(1)  # ends when the client goes
        self.server.left += 1

    def do_noise(self) -> None:
        self.wfile.write(b"\0\1\2 no HTTP at all\r\n\r\n")

    def pour(self, data: bytes, pause: float = 0.0) -> None:
        try:
            end = time.monotonic() + 20  # by time: a fast machine takes any number of pieces too soon
            while time.monotonic() < end:
                self.wfile.write(data)
                time.sleep(pause)
        except OSError:
            self.server.left += 1

    def log_message(self, *_: object) -> None:
        return


@contextlib.contextmanager
def website(wav: bytes) -> Iterator[Server]:
    """Run the server until the block ends; `/good` is `wav`."""
    with Server(("127.0.0.1", 0), Handler) as running:
        running.hits, running.headers, running.wav, running.left = [], [], wav, 0
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield running
        running.shutdown()


class Stream(httpcore2.NetworkStream):
    """A connection that answers as told, and remembers what it was asked."""

    def __init__(self, answer: bytes, network: Network) -> None:
        self.answer, self.network = answer, network

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        part, self.answer = self.answer[:max_bytes], self.answer[max_bytes:]
        return part

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.network.sent += buffer

    def close(self) -> None:
        return

    def start_tls(self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None) -> Stream:
        self.network.tls_names.append(server_hostname)
        return self


class Network(httpcore2.NetworkBackend):
    """Records connections instead of making them."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers) or [ANSWER]
        self.connected: list[tuple[str, int]] = []
        self.tls_names: list[str | None] = []
        self.sent = b""

    def connect_tcp(self, host: str, port: int, *_: Any, **__: Any) -> Stream:
        self.connected.append((host, port))
        return Stream(self.answers.pop(0), self)
