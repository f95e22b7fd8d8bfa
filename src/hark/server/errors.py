"""Errors as clients read them: OpenAI's shape under `/v1/`, Hugging Face's elsewhere; nothing of what lies inside."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from fastapi.responses import JSONResponse

from hark.errors import BusyError, DeadlineError, HarkError, NotServedError
from hark.realtime.telling import INSIDE, message

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.exceptions import HTTPException
    from starlette.requests import HTTPConnection

    from hark.server.service import Service

# Status -> `type` and `code` of OpenAI's errors, and `error_type` of Hugging Face's.
_KINDS = {
    400: ("invalid_request_error", None, "validation"),
    401: ("invalid_request_error", "invalid_api_key", "unauthorized"),
    403: ("invalid_request_error", "forbidden", "unauthorized"),
    404: ("invalid_request_error", "not_found", "not_found"),
    405: ("invalid_request_error", "method_not_allowed", "validation"),
    408: ("invalid_request_error", "timeout", "timeout"),
    413: ("invalid_request_error", "request_too_large", "validation"),
    429: ("requests", "rate_limit_exceeded", "overloaded"),
}
_FAILED = ("server_error", None, "generation")


def response(connection: HTTPConnection, error: HarkError) -> JSONResponse:
    """The answer to a request that failed, in the shape its client reads."""
    headers = {}
    if isinstance(error, BusyError):
        headers = {
            "Retry-After": str(math.ceil(error.retry_after)),
            "Retry-After-Ms": str(int(error.retry_after * 1000)),
        }
    if isinstance(error, DeadlineError):
        headers = {"X-Should-Retry": "false"}  # openai's clients would send all of it twice more
    if error.http_status == 401:
        headers = {"WWW-Authenticate": "Bearer"}
    return JSONResponse(body(connection, error), error.http_status, headers)


def page(connection: HTTPConnection, error: HTTPException) -> JSONResponse:
    """The answer where there is no such page, or not for this method."""
    said = {
        404: f"There is no page {connection.url.path[:200]} here.",
        405: f"{connection.scope['method']} is not what this page takes.",
    }.get(error.status_code, str(error.detail))
    return JSONResponse(_shaped(connection, said, error.status_code), error.status_code, _plain(error.headers))


def body(connection: HTTPConnection, error: HarkError) -> dict[str, Any]:
    """The JSON that says what is wrong."""
    code = "model_not_found" if isinstance(error, NotServedError) and error.param == "model" else None
    service: Service | None = getattr(getattr(connection.scope.get("app"), "state", None), "service", None)
    return _shaped(connection, as_called(service, message(error)), error.http_status, error.param, code)


def as_called(service: Service | None, said: str) -> str:
    """Models by the names that clients know: folders and addresses of other servers are not theirs to see."""
    names: dict[str, str] = {}
    for served in service.config.models if service else ():
        names |= {served.answer_with: "the text model"} if served.answer_with else {}
        names[served.model] = served.name
    for model in sorted(filter(INSIDE.search, names), key=len, reverse=True):
        said = said.replace(model, names[model])
    return said


def _shaped(
    connection: HTTPConnection, said: str, status: int, param: str | None = None, code: str | None = None
) -> dict[str, Any]:
    kind, usual, hf = _KINDS.get(status, _FAILED if status >= 500 else _KINDS[400])
    if is_openai(connection):
        return {"error": {"message": said, "type": kind, "param": param, "code": code or usual}}
    return {"error": said, "error_type": hf}


def _plain(headers: Mapping[str, str] | None) -> dict[str, str]:
    return dict(headers or {})


def is_openai(connection: HTTPConnection) -> bool:
    """Does the client read OpenAI's protocol?"""
    path = connection.url.path
    return "/v1/" in path and path != "/v1/"
