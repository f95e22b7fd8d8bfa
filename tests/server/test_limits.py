"""Limits: how many requests, how large, how slow; what happens when clients leave or models fail."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx2
import pytest
from scripted import CLIP, FAILURES, chat, eventually, scripted, within

from hark.server import admission
from serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from scripted import State

    from serving import Running

CHAT = "/v1/chat/completions"


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch) -> State:
    return scripted(monkeypatch)


@contextlib.contextmanager
def connected(url: str) -> Iterator[socket.socket]:
    place = urlsplit(url)
    with socket.create_connection((place.hostname, place.port), timeout=10) as plain:
        yield plain


def head(path: str, **headers: Any) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{k.replace('_', '-')}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def rest(plain: socket.socket) -> tuple[int, str]:
    """The status and all that comes until the server ends the connection."""
    data = b""
    while more := plain.recv(65536):
        data += more
    return int(data.split()[1]), data.decode()


def test_a_full_house_tells_to_come_again_before_it_reads(state: State) -> None:
    with serving("scripted", max_requests=1) as server, httpx2.Client(base_url=server.url, timeout=20) as client:
        with ThreadPoolExecutor() as pool:
            first = pool.submit(client.post, CHAT, json=chat("wait"))
            assert state.begun.wait(10)
            refused = client.post(CHAT, json=chat("wait"))
            assert refused.status_code == 429
            assert refused.headers["retry-after"] == "1"
            assert refused.headers["retry-after-ms"] == "1000"
            assert refused.json()["error"]["code"] == "rate_limit_exceeded"
            assert client.post("/", content=b"RIFF").json()["error_type"] == "overloaded"
            with connected(server.url) as plain, within(2):
                plain.sendall(head("/v1/audio/transcriptions", Content_Length=10**8))  # and nothing of it
                assert plain.recv(4096).startswith(b"HTTP/1.1 429")
            with httpx2.Client(base_url=server.url) as uploading:  # sends all before it reads
                assert uploading.post("/", content=bytes(8 * 2**20)).status_code == 429
            assert (client.get("/ready").status_code, client.get("/ready").json()) == (503, {"status": "full"})
            assert client.get("/health").status_code == 200
            state.go.set()
            assert first.result().json()["choices"][0]["message"]["content"] == "done"
        assert client.get("/ready").status_code == 200
        assert client.post(CHAT, json=chat("wait")).status_code == 200


@pytest.fixture(scope="module")
def small() -> Iterator[Running]:
    with serving(max_upload_mb=1, max_json_mb=1) as server:
        yield server


@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x", "audio/wav", "text/plain", ""])
def test_what_is_too_large_is_refused_while_it_comes(small: Running, kind: str, chunked: bool) -> None:
    data = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + bytes(4 * 2**20)
    path = "/v1/audio/transcriptions" if "multi" in kind else "/"
    headers = {"content-type": kind} if kind else {}
    with httpx2.Client(base_url=small.url, timeout=20) as client:
        found = client.post(path, content=iter([data]) if chunked else data, headers=headers)
        assert found.status_code == 413
        said = found.json()["error"]
        assert "limit of 1 MB" in (said if isinstance(said, str) else said["message"])
        eventually(2, lambda: small.service.inside == 0)
        assert client.get("/health").status_code == 200


@pytest.mark.parametrize("length", [str(2**40), "9" * 5000, "-1", "x"])
def test_a_size_is_refused_before_the_body_comes(small: Running, length: str) -> None:
    with connected(small.url) as plain, within(3):
        plain.sendall(head(CHAT, Content_Length=length, Content_Type="application/json"))
        assert plain.recv(4096)[9:12] == (b"413" if length == str(2**40) else b"400")


def test_a_client_that_sends_all_before_it_reads_gets_its_answer(small: Running) -> None:
    data = bytes(6 * 2**20)
    with connected(small.url) as plain, within(10):
        plain.sendall(head("/", Content_Length=len(data)))
        time.sleep(0.2)  # the answer is there by now
        plain.sendall(data)  # a connection that is reset would raise here, and lose the answer
        status, said = rest(plain)  # which ends with the connection: the server takes no more
    assert status == 413
    assert "connection: close" in said.lower()


def test_a_refused_upload_is_not_taken_for_ever(small: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "_LINGER_SECONDS", 0.5)
    with connected(small.url) as plain, within(5):
        plain.sendall(head("/v1/audio/translations", Content_Length=2**40))
        assert rest(plain)[0] == 413


def test_a_body_at_a_drip_ends_at_the_deadline() -> None:
    with serving(deadline_seconds=0.5) as server, connected(server.url) as plain, within(5):
        plain.sendall(head(CHAT, Content_Length=1000, Content_Type="application/json"))
        for _ in range(8):
            plain.sendall(b" ")
            time.sleep(0.1)
        status, said = 0, plain.recv(4096).decode()
        status = int(said.split()[1])
        assert status == 408
        assert "x-should-retry: false" in said.lower()
        assert server.service.inside == 0


def test_an_upload_that_breaks_off_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'

    def held() -> list[str]:
        found = []
        for one in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):
                found.append(os.readlink(f"/proc/self/fd/{one}"))
        return [name for name in found if name.startswith(str(tmp_path))]

    with serving() as server:
        for path, kind, data in (("/v1/audio/transcriptions", "multipart/form-data; boundary=x", part), ("/", "", b"")):
            with connected(server.url) as plain:
                plain.sendall(head(path, Content_Length=10**8, Content_Type=kind) + data + bytes(3 * 2**20))
                eventually(5, held)
                assert server.service.inside == 1
            eventually(5, lambda: server.service.inside == 0 and not held())
        assert list(tmp_path.iterdir()) == []


def test_a_deadline_ends_an_answer_that_has_not_begun(state: State) -> None:
    with serving("scripted", deadline_seconds=0.4) as server, httpx2.Client(base_url=server.url) as client:
        with within(3):  # the engine does not listen; its client is told all the same
            assert client.post(CHAT, json=chat("wait")).status_code == 408
        assert client.post(CHAT, json=chat("wait")).status_code == 408  # it waits for the first
        state.go.set()


def test_a_deadline_ends_a_stream_that_has_begun(state: State) -> None:
    with serving("scripted", deadline_seconds=1.5) as server, within(10):
        server.service.media.warm()
        with httpx2.stream("POST", server.url + CHAT, json=chat("count", stream=True)) as found:
            lines = [line[6:] for line in found.iter_lines() if line.startswith("data: ")]
        assert lines[-1] == "[DONE]"
        assert json.loads(lines[-2])["error"]["code"] == "timeout"
        assert any('"0 "' in line for line in lines)
        assert state.closed.wait(2)


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_stops_its_model(state: State, stream: bool) -> None:
    with serving("scripted") as server:
        body = json.dumps(chat("count", stream=stream)).encode()
        with connected(server.url) as plain:
            plain.sendall(head(CHAT, Content_Length=len(body), Content_Type="application/json") + body)
            eventually(5, lambda: state.steps > 3)
        with within(1):
            assert state.closed.wait(5)
        assert state.steps < 100
        eventually(2, lambda: server.service.inside == 0)


def test_a_client_that_leaves_the_queue_is_not_waited_for(state: State) -> None:
    with serving("scripted") as server, ThreadPoolExecutor() as pool:
        first = pool.submit(httpx2.post, server.url + CHAT, json=chat("wait"), timeout=20)
        assert state.begun.wait(5)
        body = json.dumps(chat("count")).encode()
        with connected(server.url) as plain:
            plain.sendall(head(CHAT, Content_Length=len(body), Content_Type="application/json") + body)
            eventually(5, lambda: server.service.inside == 2)
        eventually(2, lambda: server.service.inside == 1)
        state.go.set()
        assert first.result().status_code == 200
        assert state.steps == 0


def test_a_client_that_reads_nothing_is_let_go(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "_UNREAD_SECONDS", 0.2)
    with serving("scripted", deadline_seconds=1.5) as server, connected(server.url) as plain:
        server.service.media.warm()
        body = json.dumps(chat("flood", stream=True)).encode()
        plain.sendall(head(CHAT, Content_Length=len(body), Content_Type="application/json") + body)
        assert state.closed.wait(8)
        assert 0 < state.steps < 1000
        eventually(2, lambda: server.service.inside == 0)


def test_whatever_a_model_raises_ends_one_request(state: State) -> None:
    with (
        serving("scripted") as server,
        httpx2.Client(base_url=server.url, timeout=20) as client,
        ThreadPoolExecutor(8) as pool,
    ):
        other = pool.submit(client.post, CHAT, json=chat("wait"))
        assert state.begun.wait(10)
        state.go.set()

        def fails(what: str) -> None:
            asked = chat(f"fail {what}")
            for path, body in (
                (CHAT, asked),
                (CHAT, {**asked, "stream": True}),
                ("/", {"inputs": {"audio": CLIP, "text": f"fail {what}"}}),
            ):
                found = client.post(path, json=body)
                assert found.status_code == 500, what
                assert "secret" not in found.text
                assert found.json()["error"]

        list(pool.map(fails, FAILURES))
        assert other.result().status_code == 200
        assert client.post(CHAT, json=chat("wait")).status_code == 200


WRONG: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"{",
    "a list": b"[]",
    "NUL": b'{"messages": "\x00"}',
    "not UTF-8": b'{"messages": "\xff\xfe"}',
    "a lone surrogate": b'{"messages": [{"role": "user", "content": "\\ud800"}]}',
    "deep": b'{"messages": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "deep objects": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "a huge number": b'{"seed": ' + b"9" * 100_000 + b"}",
    "a huge exponent": b'{"temperature": 1e999999, "messages": []}',
    "UTF-16": '{"messages": []}'.encode("utf-16"),
    "an unknown option": b'{"messages": [], "nonsense": 1}',
}


@pytest.fixture(scope="module")
def echo() -> Iterator[httpx2.Client]:
    with serving() as server, httpx2.Client(base_url=server.url) as client:
        yield client


@pytest.mark.parametrize("what", WRONG)
def test_what_is_no_request_is_refused(echo: httpx2.Client, what: str) -> None:
    found = echo.post(CHAT, content=WRONG[what], headers={"content-type": "application/json"})
    assert found.status_code == 400
    assert found.json()["error"]["type"] == "invalid_request_error"
    assert len(found.text) < 2000


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1"]
)
def test_json_has_to_say_that_it_is(echo: httpx2.Client, kind: str) -> None:
    found = echo.post(CHAT, content=json.dumps(chat("")), headers={"content-type": kind})
    assert found.status_code == 400
    assert "JSON" in found.json()["error"]["message"]


FORMS: dict[str, tuple[str, bytes]] = {
    "no boundary": ("multipart/form-data", b"--x--"),
    "no part": ("multipart/form-data; boundary=x", b""),
    "no end": ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\nabc'),
    "no name": ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\nabc\r\n--x--\r\n"),
    "no disposition": ("multipart/form-data; boundary=x", b"--x\r\n\r\nabc\r\n--x--\r\n"),
    "other bytes": ("multipart/form-data; boundary=x", b"\x00\xff" * 1000),
    "other charset": ("multipart/form-data; boundary=x; charset=nonsense", b"--x--"),
    "long boundary": ("multipart/form-data; boundary=" + "x" * 5000, b"--x--"),
    "JSON": ("application/json", b"{}"),
    "urlencoded": ("application/x-www-form-urlencoded", b"file=%ff%zz&=;"),
    "many fields": (
        "multipart/form-data; boundary=x",
        b"".join(b'--x\r\nContent-Disposition: form-data; name="f%d"\r\n\r\n1\r\n' % n for n in range(500)) + b"--x--",
    ),
}


@pytest.mark.parametrize("what", FORMS)
def test_what_is_no_form_is_refused(echo: httpx2.Client, what: str) -> None:
    kind, data = FORMS[what]
    found = echo.post("/v1/audio/transcriptions", content=data, headers={"content-type": kind})
    assert found.status_code == 400
    assert found.json()["error"]["type"] == "invalid_request_error"


def test_wrong_pages_and_methods_say_so_in_the_shape_of_their_clients(echo: httpx2.Client) -> None:
    assert echo.get("/v1/nothing").json()["error"]["code"] == "not_found"
    assert isinstance(echo.get("/nothing").json()["error"], str)
    for path in ("/nothing", "/v1/nothing", "/" + "x" * 5000):
        assert echo.post(path, content=b"1").status_code == 404
    wrong = echo.delete(CHAT)
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
    assert wrong.json()["error"]["code"] == "method_not_allowed"
    assert echo.request("PROPFIND", "/health").status_code == 405
    assert echo.head("/health").status_code in (200, 405)
    assert echo.options(CHAT).status_code == 405  # CORS is closed


def test_a_slash_at_the_end_is_no_other_page(echo: httpx2.Client) -> None:
    assert echo.get("/v1/models/").json() == echo.get("/v1/models").json()
    assert echo.post(CHAT + "/", json=chat("what?")).status_code == 200


def test_json_of_all_requests_together_has_a_bound(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "_JSON_AT_ONCE", 2)
    large = chat("wait") | {"user": "x" * 700_000}
    with serving("scripted", max_json_mb=1) as server, httpx2.Client(base_url=server.url, timeout=20) as client:
        with ThreadPoolExecutor() as pool:
            first = [pool.submit(client.post, CHAT, json=large) for _ in "12"]
            assert state.begun.wait(10)
            eventually(5, lambda: server.service.inside == 2)
            eventually(5, lambda: client.post(CHAT, json=large).status_code == 429)
            refused = client.post(CHAT, json=large)
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
            assert "JSON" in refused.json()["error"]["message"]
            state.go.set()
            assert [one.result().status_code for one in first] == [200, 200]
        assert [client.post(CHAT, json=large).status_code for _ in "1234"] == [200] * 4  # what was held is free again


def test_two_hundred_at_once_are_all_answered() -> None:
    with (
        serving(max_requests=16) as server,
        ThreadPoolExecutor(64) as pool,
        httpx2.Client(base_url=server.url) as client,
    ):
        before = threading.active_count()
        found = list(pool.map(lambda n: client.post(CHAT, json=chat(f"{n}?")), range(200)))
        statuses = {one.status_code for one in found}
        assert statuses <= {200, 429}
        assert 200 in statuses
        for number, one in enumerate(found):
            if one.status_code == 200:
                assert f"{number}?" in one.json()["choices"][0]["message"]["content"]
        eventually(5, lambda: server.service.inside == 0 and threading.active_count() <= before + 300)
