"""What the server counts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx2
from prometheus_client.parser import text_string_to_metric_families
from scripted import chat, eventually, scripted

from serving import serving

if TYPE_CHECKING:
    import pytest

CHAT = "/v1/chat/completions"


def counted(client: httpx2.Client) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    page = client.get("/metrics")
    assert page.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(page.text)
        for sample in family.samples
    }


def value(client: httpx2.Client, name: str, **labels: str) -> float:
    return counted(client).get((f"hark_{name}", frozenset(labels.items())), 0.0)


def test_requests_are_counted_by_route_model_and_status(monkeypatch: pytest.MonkeyPatch) -> None:
    state = scripted(monkeypatch)
    state.go.set()
    with serving("a/b=scripted") as server, httpx2.Client(base_url=server.url) as client:
        assert client.post(CHAT, json=chat("wait")).status_code == 200
        assert client.post(CHAT, json=chat("wait", stream=True)).status_code == 200
        client.post(CHAT, json=chat("wait", model="nonsense"))
        client.post("/models/a/b/v1/chat/completions", json=chat("wait"))
        for number in range(30):
            client.get(f"/nothing/{number}")
            client.get(f"/v1/models/{number}")
        assert value(client, "requests_total", route=CHAT, model="a/b", status="200") == 2
        assert value(client, "requests_total", route=CHAT, model="", status="404") == 1
        assert value(client, "requests_total", route="", model="", status="404") == 30
        in_path = "/models/{model:path}/v1/chat/completions"
        assert value(client, "requests_total", route=in_path, model="a/b", status="200") == 1
        models = {dict(labels).get("model") for _, labels in counted(client)}
        assert models <= {None, "", "a/b"}
        assert value(client, "request_latency_seconds_count", route=CHAT) == 3
        assert value(client, "requests_inside") == 0


def test_what_answers_took_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch).go.set()
    with serving("scripted") as server, httpx2.Client(base_url=server.url) as client:
        client.post(CHAT, json=chat("wait"))
        client.post(CHAT, json=chat("wait", stream=True))
        names = {"audio_seconds": 3, "input_tokens": 14, "output_tokens": 6, "cached_clips": 2, "cached_tokens": 4}
        found = {name: value(client, f"{name}_total", model="scripted") for name in names}
        assert found == names
        assert value(client, "time_to_first_token_seconds_count", model="scripted") == 1
        assert value(client, "queue_time_seconds_count", model="scripted") == 2
        assert value(client, "decode_seconds_count") == 2
        assert value(client, "model_loaded", model="scripted") == 1


def test_what_waits_and_what_runs_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    state = scripted(monkeypatch)
    with (
        serving("scripted", max_requests=2) as server,
        httpx2.Client(base_url=server.url) as client,
        ThreadPoolExecutor() as pool,
    ):
        assert value(client, "model_loaded", model="scripted") == 0
        waiting = [pool.submit(client.post, CHAT, json=chat("wait")) for _ in range(2)]
        eventually(5, lambda: value(client, "requests_waiting", model="scripted") == 1)
        assert value(client, "requests_running", model="scripted") == 1
        assert value(client, "requests_inside") == 2
        assert client.post(CHAT, json=chat("wait")).status_code == 429
        assert value(client, "rejections_total", reason="full") == 1
        state.go.set()
        assert [one.result().status_code for one in waiting] == [200, 200]
        assert value(client, "requests_running", model="scripted") == 0


def test_questions_answered_together_are_counted() -> None:
    with serving("echo", batch_ms=200) as server, httpx2.Client(base_url=server.url) as client:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: client.post(CHAT, json=chat("what?")), range(4)))
        assert value(client, "batch_size_sum", model="echo") == 4
        assert value(client, "batch_size_count", model="echo") <= 4


def test_servers_count_for_themselves() -> None:
    with serving() as one, serving() as other:
        httpx2.get(one.url + "/health")
        with httpx2.Client(base_url=other.url) as client:
            assert value(client, "requests_total", route="/health", model="", status="200") == 0
