"""What a server tells about itself."""

from __future__ import annotations

import httpx2
from serving import serving


def test_it_is_alive_and_names_its_models() -> None:
    with serving("echo", "second=echo") as server, httpx2.Client(base_url=server.url) as client:
        assert client.get("/health").json()["status"] == "ok"
        assert [model["id"] for model in client.get("/v1/models").json()["data"]] == ["echo", "second"]
        assert client.get("/v1/nothing").json()["error"]["code"] == "not_found"
        assert isinstance(client.get("/nothing").json()["error"], str)
