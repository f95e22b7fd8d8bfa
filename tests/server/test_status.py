"""What a server tells about itself."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

import hark
from hark.server import service as services
from serving import serving


def test_it_is_alive_and_names_its_models() -> None:
    with serving("echo", "org/second=echo") as server, httpx2.Client(base_url=server.url) as client:
        assert client.get("/health").json() == {"status": "ok"}
        assert client.get("/version").json() == {"version": hark.__version__}
        assert client.get("/info").json()["model_id"] == "echo"
        assert [model["id"] for model in client.get("/v1/models").json()["data"]] == ["echo", "org/second"]


def test_openais_client_lists_models_and_what_they_can_do() -> None:
    with serving("echo", "org/second=builtin") as server:
        client = openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0)
        listed = client.models.list().data
        assert [model.id for model in listed] == ["echo", "org/second"]
        assert all(abs(model.created - time.time()) < 60 for model in listed)
        second = client.models.retrieve("org/second")
        assert (second.id, second.object, second.owned_by) == ("org/second", "model", "hark")
        assert second.model_extra is not None
        assert second.model_extra["hark"]["can"] == hark.load("builtin").can.to_dict()
        for name in ("nothing", "org", "dummy", "http://127.0.0.1", "org/second/more"):
            with pytest.raises(openai.NotFoundError) as found:
                client.models.retrieve(name)
            assert (found.value.code, found.value.param) == ("model_not_found", "model")


def test_a_model_without_a_folder_is_as_old_as_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services.time, "time", lambda: 1_700_000_000.0)
    with serving("echo") as server:
        assert httpx2.get(server.url + "/v1/models/echo").json()["created"] == 1_700_000_000


def test_ready_tells_whether_requests_are_taken() -> None:
    with serving() as server, httpx2.Client(base_url=server.url) as client:
        assert (client.get("/ready").status_code, client.get("/ready").json()) == (200, {"status": "ok"})
        server.service.stopping = True
        assert (client.get("/ready").status_code, client.get("/ready").json()) == (503, {"status": "closed"})
        assert client.get("/health").status_code == 200
        server.service.stopping, server.service.ready = False, False
        assert client.get("/ready").status_code == 503


def test_clients_see_the_names_of_models_and_not_where_they_are() -> None:
    """An address of another server, or a folder, is nobody's matter but the administrator's."""
    speech = Path(__file__).parents[2] / "examples" / "order.flac"
    form: dict[str, Any] = {"files": {"file": speech.read_bytes()}, "data": {"prompt": "Names"}, "timeout": 20}
    with (
        serving("hidden=echo", "quotes=builtin") as behind,
        serving(f"front=openai:hidden@{behind.url}/v1", f"other=openai:quotes@{behind.url}/v1") as server,
    ):
        taken = httpx2.post(f"{server.url}/v1/audio/transcriptions", **form)
        refused = httpx2.post(f"{server.url}/v1/audio/translations", **form | {"data": {"model": "other"}})
        told = httpx2.post(f"{server.url}/v1/audio/transcriptions", **form | {"data": {"model": "other"}}).json()
    assert "Heard offline by pocketsphinx" in told["notices"][0]["text"]  # what the one behind says is not lost
    assert taken.status_code == 200
    assert "front was asked in words" in taken.text
    assert refused.status_code == 400
    assert "other cannot do that" in refused.text
    assert "127.0.0.1" not in taken.text + refused.text


def test_monitors_may_ask_without_wanting_a_body() -> None:
    with serving() as server, httpx2.Client(base_url=server.url) as client:
        for path in ("/health", "/ready", "/metrics", "/v1/models", "/docs", "/"):
            asked = client.head(path)
            assert (path, asked.status_code, asked.content) == (path, 200, b"")
        assert client.head("/nothing").status_code == 404
        assert client.head("/v1/chat/completions").status_code == 405
        assert client.get("/health").json() == {"status": "ok"}  # on the same connection
