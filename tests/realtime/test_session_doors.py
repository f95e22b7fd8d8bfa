"""Who may open a live session, how many there are, and how each of them ends."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import time
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from talking import RATE, coded, quiet, talking
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from hark.server import keys
from serving import Running, serving
from tiny.openai_server import CHAT, Exchange, LoopbackServer, chat_chunks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import hark

KEY = "hark-test-key-0123456789abcdef"


def address(server: Running, query: str = "?model=echo") -> str:
    return f"{server.url.replace('http', 'ws')}/v1/realtime{query}"


def told(client: ClientConnection) -> Any:
    return json.loads(client.recv(timeout=10))


def closed(client: ClientConnection) -> tuple[int, str]:
    """How the server ends a connection: its code and reason."""
    with pytest.raises(ConnectionClosed) as end:
        list(iter(client.recv, None))
    assert end.value.rcvd is not None
    return end.value.rcvd.code, end.value.rcvd.reason


def eventually(true: Callable[[], bool], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_browsers_bring_their_key_as_a_subprotocol() -> None:
    with serving(keys=(keys.of(KEY),)) as server:
        for offered, headers in (
            (["realtime", f"openai-insecure-api-key.{KEY}"], {"Origin": "https://page.example"}),
            (None, {"Authorization": f"Bearer {KEY}"}),
        ):
            with connect(address(server), subprotocols=offered, additional_headers=headers) as client:
                assert told(client)["type"] == "session.created"
                assert client.subprotocol == ("realtime" if offered else None)
        for offered in (["realtime"], ["realtime", "openai-insecure-api-key.wrong"], None):
            with pytest.raises(InvalidStatus) as refused, connect(address(server), subprotocols=offered):
                pass
            assert refused.value.response.status_code == 401
            assert json.loads(refused.value.response.body)["error"]["code"] == "invalid_api_key"


def test_pages_of_elsewhere_open_nothing_where_there_is_no_key() -> None:
    with serving(origins=("https://page.example",)) as server:
        for origin in ("https://evil.example", "null"):
            with pytest.raises(InvalidStatus) as refused, connect(address(server), origin=origin):  # type: ignore[arg-type]
                pass
            assert refused.value.response.status_code == 403
        for origin in ("https://page.example", server.url):
            with connect(address(server), origin=origin) as client:  # type: ignore[arg-type]
                assert told(client)["type"] == "session.created"


def test_rates_count_sessions_too() -> None:
    with serving(requests_per_minute=1) as server:
        with connect(address(server)) as client:
            told(client)
        with pytest.raises(InvalidStatus) as refused, connect(address(server)):
            pass
        assert refused.value.response.status_code == 429


def test_there_are_no_more_sessions_than_allowed() -> None:
    with serving(max_sessions=2) as server:
        with connect(address(server)) as one, connect(address(server)) as two, connect(address(server)) as three:
            assert [told(client)["type"] for client in (one, two, three)] == ["session.created"] * 2 + ["error"]
            assert closed(three)[0] == 1013
            page = httpx2.get(f"{server.url}/metrics").text
            assert "hark_sessions 2.0" in page
            assert 'hark_rejections_total{reason="sessions"} 1.0' in page
        assert eventually(lambda: server.service.live.count == 0)
        with connect(address(server)) as client:
            assert told(client)["type"] == "session.created"


@pytest.mark.parametrize(
    ("query", "param", "code"),
    [("?model=none", "model", "model_not_found"), ("?intent=translation", "intent", "invalid_value"),
     ("?model=echo&voice=alloy", "voice", "invalid_value")],
)  # fmt: skip
def test_what_cannot_be_opened_is_told_and_closed(query: str, param: str, code: str) -> None:
    with serving() as server, connect(address(server, query)) as client:
        event = told(client)
        assert (event["type"], event["error"]["param"], event["error"]["code"]) == ("error", param, code)
        assert closed(client)[0] == 1008
        assert server.service.live.count == 0


def test_a_session_in_which_nothing_comes_ends() -> None:
    with serving(session_idle_seconds=0.3) as server, connect(address(server)) as client:
        for _ in range(4):  # as long as something comes, it goes on
            time.sleep(0.15)
            client.send(json.dumps({"type": "input_audio_buffer.append", "audio": "AAAA"}))
        assert closed(client) == (1000, "Nothing came for 0.3 s.")
        assert eventually(lambda: server.service.live.count == 0)


def test_a_deadline_of_requests_ends_no_session(order: hark.Audio) -> None:
    with serving(deadline_seconds=0.5) as server, talking(server) as talk:
        time.sleep(0.7)
        talk.say(quiet(0.5), order.samples(RATE), quiet(1.0))
        assert "echo heard" in talk.answer()


def test_the_end_of_the_server_is_told() -> None:
    with contextlib.ExitStack() as running:
        server = running.enter_context(serving())
        with connect(address(server)) as client:
            told(client)
            begun = time.monotonic()
            running.close()
            assert time.monotonic() - begun < 5
            assert closed(client)[0] == 1012


def test_a_client_that_does_not_read_is_cut_off() -> None:
    with serving() as server:
        host, _, port = server.url.removeprefix("http://").partition(":")
        raw = socket.create_connection((host, int(port)))
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with connect(address(server), sock=raw, max_queue=1, compression=None, close_timeout=0.1) as client:
            assert eventually(lambda: server.service.live.count == 1)
            item = {"id": "long", "type": "message", "role": "user",
                    "content": [{"type": "input_text", "text": "x" * 100_000}]}  # fmt: skip
            client.send(json.dumps({"type": "conversation.item.create", "item": item}))
            asked = json.dumps({"type": "conversation.item.retrieve", "item_id": "long"})
            for _ in range(1000):
                if server.service.live.count == 0:
                    break
                with contextlib.suppress(ConnectionClosed):
                    client.send(asked)
                time.sleep(0.001)
            assert eventually(lambda: server.service.live.count == 0)


@pytest.fixture
def endless() -> Iterator[LoopbackServer]:
    """A server whose model says a word every 20 ms for ever."""

    def answer(ask: Exchange) -> None:
        def words() -> Iterator[Any]:
            first, *_ = chat_chunks("word ")[1:]
            while True:
                time.sleep(0.02)
                yield first

        ask.stream(words())

    made = LoopbackServer({CHAT: answer})
    yield made
    made.close()


@pytest.mark.parametrize("politely", [True, False])
def test_the_model_stops_when_its_client_leaves(endless: LoopbackServer, order: hark.Audio, politely: bool) -> None:
    with serving(f"m=openai:m@{endless.url}") as server:
        with connect(address(server, "")) as client:
            piece = base64.b64encode(coded(order.samples(RATE)) + bytes(48000)).decode()
            client.send(json.dumps({"type": "input_audio_buffer.append", "audio": piece}))
            while told(client)["type"] != "response.output_text.delta":
                pass
            if politely:
                client.close()
            else:
                client.socket.shutdown(socket.SHUT_RDWR)
            assert endless.asked[0].gone.wait(5)
        assert eventually(lambda: server.service.live.count == server.service.models.lane("m").running == 0)


def test_what_answers_took_is_counted(order: hark.Audio) -> None:
    with serving() as server, talking(server) as talk:
        talk.say(quiet(0.5), order.samples(RATE), quiet(1.0))
        words = len(talk.answer().split())
        page = httpx2.get(f"{server.url}/metrics").text
        assert f'hark_output_tokens_total{{model="echo"}} {words}.0' in page
        assert 'hark_audio_seconds_total{model="echo"} 3.' in page
