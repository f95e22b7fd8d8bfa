"""Who may use a server: addresses, keys, names, web pages, rates, and connections that never say what they want."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import httpx2
import openai
import pytest
import uvicorn
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from hark.errors import BusyError, OptionError
from hark.server import keys, protocol
from hark.server.access import RateLimit
from hark.server.app import create_app
from hark.server.config import Config, Served
from hark.server.listening import bind
from serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY, OTHER = keys.new(), keys.new()
KNOWN = (keys.of(KEY, "laptop"), keys.of(OTHER, "phone"))
PAGE = "https://example.org"


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def told(response: httpx2.Response) -> str:
    error = response.json()["error"]
    return error if isinstance(error, str) else error["message"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.7", "example.invalid", "127.1", "localhost.example"])
def test_beyond_loopback_it_wants_keys_before_it_listens(host: str) -> None:
    with pytest.raises(OptionError) as refused:
        bind(Config(host=host, port=0))
    assert "--no-auth" in refused.value.hint


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "localhost"])
def test_on_loopback_it_listens_without(host: str) -> None:
    for bound in bind(Config(host=host, port=0)):
        with bound:
            assert bound.getsockname()[0] in ("127.0.0.1", "127.0.0.9", "::1")


def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OptionError, match="in use"):
        bind(Config(port=taken.getsockname()[1]))


def test_all_but_health_and_the_page_wants_a_key() -> None:
    with serving(keys=KNOWN) as server, httpx2.Client(base_url=server.url) as client:
        assert client.get("/health").status_code == 200
        paths = client.get("/openapi.json", headers=bearer(KEY)).json()["paths"]
        assert {"/v1/models", "/v1/audio/transcriptions", "/v1/chat/completions", "/metrics", "/ready"} <= set(paths)
        assert {client.get(path).status_code for path in ("/", "/page/app.js")} == {200}
        for path in {*paths, "/openapi.json", "/docs", "/nothing", "/health/", "/page", "/"} - {"/health"}:
            for method in ("GET", "POST")[path == "/" :]:
                response = client.request(method, path)
                assert response.status_code == 401, path
                assert response.headers["www-authenticate"] == "Bearer"
                assert "no API key" in told(response)


def test_a_key_opens_it_and_nothing_else_does() -> None:
    right = [bearer(KEY), bearer(OTHER), {"authorization": f"bearer   {KEY}"}, {"api-key": KEY}, {"x-api-key": OTHER},
             {"authorization": "Basic eDp5", "api-key": KEY}]  # fmt: skip
    wrong = [bearer(KEY[:-1]), bearer(f"{KEY}x"), bearer(KNOWN[0].sha256), {"authorization": KEY},
             {"api-key": "laptop"}, {"authorization": "Bearer"}, {"cookie": f"api-key={KEY}"},
             {"authorization": f"Basic {KEY}"}, {"api-key": b"\xff\xfe"}]  # fmt: skip
    with serving(keys=KNOWN) as server, httpx2.Client(base_url=server.url) as client:
        for headers in right:
            assert client.get("/v1/models", headers=headers).status_code == 200, headers
        for headers in wrong:
            assert client.get(f"/v1/models?api_key={KEY}", headers=headers).status_code == 401, headers


def test_clients_see_what_is_wrong_in_their_own_shape(tone: Path) -> None:
    with serving(keys=KNOWN) as server:
        client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="wrong", max_retries=0)
        with pytest.raises(openai.AuthenticationError) as refused:
            client.audio.transcriptions.create(file=tone, model="echo")
        assert refused.value.code == "invalid_api_key"
        assert client.with_options(api_key=KEY).audio.transcriptions.create(file=tone, model="echo").text
        assert httpx2.post(server.url, content=tone.read_bytes()).json() == {
            "error": "There is no API key. Send the header `Authorization: Bearer KEY`.",
            "error_type": "unauthorized",
        }


def test_a_file_holds_hashes_and_no_keys(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(f"# keys of the lab\n\n{keys.line('laptop', KEY)}")
    keys.add(path, "phone", OTHER)
    assert keys.read(path) == list(KNOWN)
    assert KEY not in path.read_text()
    for wrong in (KEY, f"laptop {KEY}", "laptop", f"a b {KNOWN[0].sha256}"):
        path.write_text(wrong)
        with pytest.raises(OptionError, match="Line 1"):
            keys.read(path)
    path.write_text("# nothing\n")
    with pytest.raises(OptionError, match="no key"):
        keys.read(path)
    with pytest.raises(OptionError, match="cannot be read"):
        keys.read(tmp_path)


def test_a_name_that_leads_here_by_itself_is_refused() -> None:
    """A page of that name would be of the same origin as the server (DNS rebinding)."""
    with serving(hosts=("hark.lan",)) as server, httpx2.Client(base_url=server.url) as client:
        for host in ("evil.example", "127.0.0.1.evil.example", "evil.example:8000", "localhost.evil", "", "x.hark.lan"):
            assert client.get("/v1/models", headers={"host": host}).status_code == 403, host
            assert client.get("/v1/models", headers={"host": host, "origin": f"http://{host}"}).status_code == 403
        for host in ("localhost", "LOCALHOST:1", "127.0.0.1:80", "[::1]:8000", "192.168.1.5", "hark.lan:80"):
            assert client.get("/v1/models", headers={"host": host}).status_code == 200, host


def test_behind_keys_any_name_will_do_unless_some_are_given() -> None:
    with serving(keys=KNOWN) as server:
        assert httpx2.get(f"{server.url}/ready", headers=bearer(KEY) | {"host": "hark.example"}).status_code == 200
    with serving(keys=KNOWN, hosts=("hark.example",)) as server:
        assert httpx2.get(f"{server.url}/ready", headers=bearer(KEY) | {"host": "hark.example"}).status_code == 200
        assert httpx2.get(f"{server.url}/ready", headers=bearer(KEY) | {"host": "other.example"}).status_code == 403


def test_a_web_page_of_elsewhere_cannot_post_a_recording(tone: Path) -> None:
    """A browser sends such a form without asking first."""
    with serving() as server, httpx2.Client(base_url=server.url) as client:

        def post(origin: str) -> httpx2.Response:
            form: dict[str, Any] = {"files": {"file": tone.read_bytes()}, "data": {"model": "echo"}}
            return client.post("/v1/audio/transcriptions", headers={"origin": origin}, **form)

        for origin in ("https://evil.example", "null", "http://127.0.0.1", "http://localhost:1", ""):
            refused = post(origin)
            assert refused.status_code == 403
            assert "--cors-origin" in told(refused)
            assert "access-control-allow-origin" not in refused.headers
        assert post(server.url).status_code == 200
        assert 'hark_audio_seconds_total{model="echo"} 1.0' in client.get("/metrics").text


def test_a_page_of_elsewhere_opens_no_websocket() -> None:
    with serving() as server:
        url = f"{server.url.replace('http', 'ws')}/v1/realtime"
        for headers in ({"Origin": "https://evil.example"}, {"Host": "evil.example"}):
            with pytest.raises(InvalidStatus) as refused, connect(url, additional_headers=headers):
                pass
            assert refused.value.response.status_code == 403
    with serving(keys=KNOWN) as server:
        url = f"{server.url.replace('http', 'ws')}/v1/realtime"
        with pytest.raises(InvalidStatus), connect(url):
            pass
        with connect(url, additional_headers={"Authorization": f"Bearer {KEY}"}) as socket:
            assert "session" in str(socket.recv(timeout=5))


def test_a_named_page_may_read_what_it_gets_also_errors() -> None:
    with (
        serving(keys=KNOWN, origins=(PAGE,), requests_per_minute=2) as server,
        httpx2.Client(base_url=server.url) as client,
    ):
        asked = {"access-control-request-method": "POST", "access-control-request-headers":
                 "authorization, content-type, x-hf-bill-to, x-stainless-lang"}  # fmt: skip
        preflight = client.options("/v1/audio/transcriptions", headers={"origin": PAGE} | asked)
        assert preflight.status_code == 200
        assert "x-hf-bill-to" in preflight.headers["access-control-allow-headers"]
        page = {"origin": PAGE}
        responses = [
            client.get("/v1/models", headers=page),
            *(client.get("/none", headers=page | bearer(KEY)) for _ in "123"),
        ]
        assert [response.status_code for response in responses] == [401, 404, 404, 429]
        for response in (preflight, *responses):
            assert response.headers["access-control-allow-origin"] == PAGE
            assert "access-control-allow-credentials" not in response.headers
        assert {"x-request-id", "x-hark-notices", "retry-after"} <= set(
            responses[-1].headers["access-control-expose-headers"].split(", ")
        )
        elsewhere = {"origin": "https://evil.example"}
        assert client.options("/v1/models", headers=elsewhere | asked).status_code == 400
        assert "access-control-allow-origin" not in client.get("/health", headers=elsewhere).headers


def test_an_unexpected_failure_has_the_headers_of_all_answers() -> None:
    app = create_app(Config(models=(Served(name="echo", model="echo"),), origins=(PAGE,)))

    @app.get("/v1/broken")
    async def broken() -> None:
        raise ZeroDivisionError("what was said")

    async def ask() -> httpx2.Response:
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://127.0.0.1") as client:
            return await client.get("/v1/broken", headers={"origin": PAGE, "x-request-id": "mine"})

    response = asyncio.run(ask())
    assert response.status_code == 500
    assert response.headers["x-request-id"] == "mine"
    assert response.headers["access-control-allow-origin"] == PAGE
    assert "what was said" not in response.text


def test_each_key_has_its_own_rate() -> None:
    with serving(keys=KNOWN, requests_per_minute=3) as server, httpx2.Client(base_url=server.url) as client:
        assert [client.get("/v1/models", headers=bearer(KEY)).status_code for _ in range(3)] == [200] * 3
        late = client.post("/v1/audio/transcriptions", headers=bearer(KEY), content=b"x" * 1000)
        assert late.status_code == 429
        assert late.json()["error"]["code"] == "rate_limit_exceeded"
        assert 15 <= int(late.headers["retry-after"]) <= 20
        assert 15_000 <= int(late.headers["retry-after-ms"]) <= 20_000
        assert isinstance(client.post("/", headers=bearer(KEY)).json()["error"], str)
        assert client.get("/v1/models", headers=bearer(OTHER)).status_code == 200
        for path in ("/health", "/ready", "/metrics"):
            assert client.get(path, headers=bearer(KEY)).status_code == 200
        assert 'hark_rejections_total{reason="rate"} 2.0' in client.get("/metrics", headers=bearer(KEY)).text


def test_without_keys_each_address_has_its_rate_in_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = RateLimit(lambda *_: None, per_minute=60, most=50)  # type: ignore[arg-type, return-value]
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def asks(address: str) -> bool:
        return limit.refusal({"path": "/v1/models", "client": (address, 1)}) is None

    assert [asks("192.0.2.1") for _ in range(61)] == [True] * 60 + [False]
    assert asks("192.0.2.2")
    now[0] += 2.5
    assert [asks("192.0.2.1") for _ in range(3)] == [True, True, False]
    refused = limit.refusal({"path": "/v1/models", "client": ("192.0.2.1", 1)})
    assert isinstance(refused, BusyError)
    assert refused.retry_after == pytest.approx(0.5)
    assert [asks(f"2001:db8:1:2::{number}") for number in range(61)][-1] is False  # one network, one house
    assert asks("2001:db8:1:3::1")
    assert not asks("::ffff:192.0.2.1")
    for number in range(5000):
        asks(f"192.{number // 250}.2.{number % 250}")
    assert len(limit._left) == 50


def test_only_a_trusted_proxy_says_whose_request_it_is() -> None:
    """Uvicorn reads `X-Forwarded-For`; it is told whom to believe."""
    for trusted, status in ((("127.0.0.1",), 200), (("192.0.2.1",), 429)):
        with _speaking(Config(models=(Served(name="echo", model="echo"),), requests_per_minute=1), trusted) as url:
            for client in ("198.51.100.1", "198.51.100.2"):
                response = httpx2.get(f"{url}/v1/models", headers={"x-forwarded-for": client})
        assert response.status_code == status


@contextlib.contextmanager
def _speaking(config: Config, trusted: tuple[str, ...] = ()) -> Iterator[str]:
    """Serve as `hark serve` reads HTTP."""
    settings = uvicorn.Config(
        create_app(config), http=protocol.Protocol, port=0, log_level="warning", forwarded_allow_ips=list(trusted)
    )
    server = uvicorn.Server(settings)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)


ECHO = Config(models=(Served(name="echo", model="echo"),))


def _raw(url: str) -> socket.socket:
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=10)


@pytest.mark.parametrize(
    "begin",
    [b"", b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n", b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /he"],
)
def test_a_connection_that_never_says_what_it_wants_is_closed(begin: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEADER_SECONDS", 0.5)
    with _speaking(ECHO) as url, _raw(url) as client:
        began = time.monotonic()
        client.sendall(begin)
        with contextlib.suppress(ConnectionResetError):
            while client.recv(4096):
                assert time.monotonic() - began < 5
                with contextlib.suppress(OSError):
                    client.sendall(b"X-Drip: 1\r\n")
        assert time.monotonic() - began < 3


def test_headers_without_end_are_not_kept() -> None:
    with _speaking(ECHO) as url:
        for endless in (b"A" * 4096, b"A: " + b"b" * 1000 + b"\r\n"):
            with _raw(url) as client, contextlib.suppress(ConnectionError):
                client.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ")
                for _ in range(10_000):
                    client.sendall(endless)
                pytest.fail("all of it was taken")
        assert httpx2.get(f"{url}/health").status_code == 200


def test_what_follows_a_body_is_bounded_too() -> None:
    with _speaking(ECHO) as url, _raw(url) as client, contextlib.suppress(ConnectionError):
        client.sendall(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n")
        for _ in range(10_000):
            client.sendall(b"X-Trailer: " + b"y" * 4000 + b"\r\n")
        pytest.fail("all of it was taken")


def test_a_large_slow_body_is_none_of_these(tone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEADER_SECONDS", 0.3)

    def slowly() -> Iterator[bytes]:
        data = tone.read_bytes()
        for begin in range(0, len(data), len(data) // 6):
            yield data[begin : begin + len(data) // 6]
            time.sleep(0.1)

    with _speaking(ECHO) as url:
        assert httpx2.post(url, content=slowly(), headers={"content-type": "audio/wav"}).status_code == 200
