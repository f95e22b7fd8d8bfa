"""What the tests of chat ask, and how they read what comes back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx2

if TYPE_CHECKING:
    from serving import Running

PATH = "/v1/chat/completions"
ASKED = "What does the person say?"


def clip(data: str) -> Any:
    return {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}


def question(*parts: Any, text: str = ASKED) -> Any:
    return [{"role": "user", "content": [*parts, {"type": "text", "text": text}]}]


def form(schema: dict[str, Any]) -> Any:
    return {"type": "json_schema", "json_schema": {"name": "order", "schema": schema, "strict": True}}


def posted(server: Running, data: str, path: str = PATH, **values: Any) -> httpx2.Response:
    body = {"model": "echo", "messages": question(clip(data)), **values}
    return httpx2.post(server.url + path, json=body, timeout=30)


def events(response: httpx2.Response) -> list[Any]:
    lines = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: ")]
    assert lines.pop() == "[DONE]"
    return [json.loads(line) for line in lines]
