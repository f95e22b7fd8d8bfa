"""The OpenAPI document of the server, and a page that shows it without asking anybody for scripts."""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING, Any

from fastapi.openapi.utils import get_openapi

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi import FastAPI

_ABOUT = """Ask recordings questions: clients of OpenAI's and of Hugging Face's protocols work unchanged."""
_TEXT = {"type": "string"}
_MAYBE_TEXT = {"anyOf": [{"type": "string"}, {"type": "null"}]}
_OPENAI = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {"message": _TEXT, "type": _TEXT, "param": _MAYBE_TEXT, "code": _MAYBE_TEXT},
        }
    },
}
_HUGGINGFACE = {
    "type": "object",
    "required": ["error", "error_type"],
    "properties": {"error": _TEXT, "error_type": _TEXT},
}
_STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;color:#222}
pre{background:#f4f4f4;padding:.8rem;overflow:auto;font-size:.85rem}code{font-size:.9rem}h2{margin-top:2.5rem}
h2 small{color:#666;font-weight:normal}
@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}pre{background:#222}}"""


def describe(app: FastAPI) -> None:
    """Make `app.openapi()` tell what the server really answers: its own errors in place of FastAPI's."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            found = get_openapi(title=app.title, version=app.version, description=_ABOUT, routes=app.routes)
            for path, _, operation in _operations(found):
                _with_errors(path, operation)
            found.get("components", {}).pop("schemas", None)
            app.openapi_schema = found
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's documented way


def page(document: dict[str, Any]) -> str:
    """The document for people: HTML that loads nothing."""
    parts = [_operation(path, method, operation) for path, method, operation in _operations(document)]
    about = document["info"]
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(about['title'])}</title>"
        f"<style>{_STYLE}</style><h1>{escape(about['title'])} {escape(about['version'])}</h1>"
        f"<p>{escape(about['description'])} For programs: <a href=openapi.json>openapi.json</a>.</p>{''.join(parts)}"
    )


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method.upper(), operation


def _with_errors(path: str, operation: dict[str, Any]) -> None:
    shape = _OPENAI if "/v1/" in path and path != "/v1/" else _HUGGINGFACE
    responses = operation["responses"]
    responses.pop("422", None)
    responses.setdefault(
        "default", {"description": "What is wrong", "content": {"application/json": {"schema": shape}}}
    )


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    lines = [f"<h2><code>{method} {escape(path)}</code> <small>{escape(operation.get('summary', ''))}</small></h2>"]
    if operation.get("description"):
        lines.append(f"<p>{escape(operation['description'])}</p>")
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        lines.append(f"<p><code>{escape(kind)}</code></p>")
        examples = content.get("examples", {})
        lines.extend(f"<p>{escape(name)}</p>{_json(one.get('value'))}" for name, one in examples.items())
        lines.append(f"<details><summary>Schema</summary>{_json(content.get('schema', {}))}</details>")
    return "".join(lines)


def _json(value: Any) -> str:
    return f"<pre>{escape(json.dumps(value, indent=2, ensure_ascii=False))}</pre>"
