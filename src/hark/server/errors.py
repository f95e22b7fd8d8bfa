"""Errors as clients read them: OpenAI's shape under `/v1/`, Hugging Face's elsewhere; nothing of what lies inside."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from fastapi.responses import JSONResponse

from hark.errors import BusyError, HarkError, RequestError

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

# Status -> `type` and `code` of OpenAI's errors, and `error_type` of Hugging Face's.
_KINDS = {
    400: ("invalid_request_error", None, "validation"),
    401: ("invalid_request_error", "invalid_api_key", "unauthorized"),
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
    if error.http_status == 401:
        headers = {"WWW-Authenticate": "Bearer"}
    return JSONResponse(body(connection, error), error.http_status, headers)


def body(connection: HTTPConnection, error: HarkError) -> dict[str, Any]:
    """The JSON that says what is wrong."""
    said = told(error)
    kind, code, hf = _KINDS.get(error.http_status, _FAILED)
    if not is_openai(connection):
        return {"error": said, "error_type": hf}
    if code == "not_found" and getattr(error, "param", None) == "model":
        code = "model_not_found"
    param = error.param if isinstance(error, RequestError) else None
    return {"error": {"message": said, "type": kind, "param": param, "code": code}}


def is_openai(connection: HTTPConnection) -> bool:
    """Does the client read OpenAI's protocol?"""
    path = connection.url.path
    return "/v1/" in path and path != "/v1/"


def told(error: HarkError) -> str:
    """What a client is told of an error: all of its own mistakes, no more than the message of others."""
    if error.http_status < 500 and error.hint:
        return f"{error.message} {error.hint}"
    return error.message
