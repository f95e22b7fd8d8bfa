"""The OpenAPI document, and all that may be asked by it."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import booleans
from jsonschema import Draft202012Validator
from schemathesis.checks import not_a_server_error
from schemathesis.core import NotSet
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance
from scripted import CLIP

from hark.server.app import create_app
from hark.server.config import Config, Served
from serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from serving import Running

DOCUMENT = create_app(Config(models=(Served(name="echo", model="echo"),))).openapi()
WAV = base64.b64decode(CLIP.partition(",")[2])
AUDIO = {"data": CLIP.partition(",")[2], "url": CLIP, "audio": CLIP, "inputs": CLIP, "audio_url": CLIP, "file": WAV}
CHECKS = (not_a_server_error, content_type_conformance, response_schema_conformance)
api = schemathesis.openapi.from_dict(DOCUMENT)


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with serving("builtin=echo", "echo", deadline_seconds=20) as running:
        yield running


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def audible(value: Any) -> Any:
    """A body with a real clip wherever one may be: what is made up would get no further than the decoder."""
    if isinstance(value, list):
        return [audible(item) for item in value]
    if isinstance(value, dict):
        return {
            key: AUDIO[key] if key in AUDIO and isinstance(item, str | bytes) else audible(item)
            for key, item in value.items()
        }
    return value


@pytest.mark.parametrize(
    ("method", "path", "mode"),
    [
        (method, path, mode)
        for method, path, operation in operations()
        for mode in schemathesis.GenerationMode
        if mode.is_positive or "requestBody" in operation  # nothing else can be got wrong
    ],
)
def test_nothing_that_may_be_asked_breaks_the_server(server: Running, method: str, path: str, mode: Any) -> None:
    @given(case=api[path][method].as_strategy(generation_mode=mode), real=booleans())
    @settings(
        max_examples=12 if method == "POST" else 2, deadline=None, database=None, derandomize=True,
        phases=(Phase.generate,), suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    def ask(case: Any, real: bool) -> None:
        if real and not isinstance(case.body, NotSet):
            case.body = audible(case.body)
        if real and case.path_parameters:
            case.path_parameters["model"] = "echo"
        case.validate_response(case.call(base_url=server.url, timeout=20), checks=CHECKS)

    ask()


def test_every_door_is_described_with_examples_that_fit() -> None:
    bodies = 0
    for method, path, operation in operations():
        name = f"{method} {path}"
        assert operation.get("summary"), name
        assert "422" not in operation["responses"], name
        for kind, content in operation.get("requestBody", {}).get("content", {}).items():
            bodies += 1
            Draft202012Validator.check_schema(content["schema"])
            assert "$ref" not in str(content["schema"]), name
            for example in content.get("examples", {}).values():
                Draft202012Validator(content["schema"]).validate(example["value"])
            if kind == "application/json":
                assert content["examples"], name
    assert bodies >= 3
    ids = [operation["operationId"] for *_, operation in operations()]
    assert len(ids) == len(set(ids))


def test_errors_have_the_shape_that_is_described(server: Running) -> None:
    for path in ("/v1/chat/completions", "/models/echo"):
        schema = DOCUMENT["paths"][path if path.startswith("/v1") else "/models/{model}"]["post"]["responses"]
        found = httpx2.post(server.url + path, content=b"{", headers={"content-type": "application/json"})
        assert found.status_code == 400
        Draft202012Validator(schema["default"]["content"]["application/json"]["schema"]).validate(found.json())


def test_the_page_for_people_loads_nothing(server: Running) -> None:
    page = httpx2.get(server.url + "/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert not re.search(r"<script|src=|https?://", page.text.replace("https://example", ""))
    for method, path, _ in operations():
        assert f"<code>{method} {path}</code>" in page.text
    assert httpx2.get(server.url + "/openapi.json").json() == DOCUMENT
