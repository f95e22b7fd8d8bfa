"""Errors as clients of a server read them: all of their own mistakes, and nothing of what lies inside."""

from __future__ import annotations

import re
from typing import Any

from hark.errors import HarkError, ModelBrokenError, ModelNotFoundError, NotServedError, OutputError, SettingsError

_PRIVATE = (ModelBrokenError, ModelNotFoundError, OutputError, SettingsError)  # their messages name folders
INSIDE = re.compile(r"://|(?<![\w.])[/~]\w|[A-Za-z]:\\")  # an address or a path


def about(error: HarkError) -> dict[str, Any]:
    """Type, code, message and param of OpenAI's errors."""
    theirs = error.http_status < 500
    code = getattr(error, "code", None)
    if isinstance(error, NotServedError) and str(error.param).endswith("model"):
        code = "model_not_found"
    return {
        "type": "invalid_request_error" if theirs else "server_error",
        "code": code,
        "message": message(error),
        "param": error.param,
    }


def message(error: HarkError) -> str:
    """What a client is told of an error."""
    if isinstance(error, _PRIVATE) or (error.http_status >= 500 and INSIDE.search(error.message)):
        return "The model failed; the server's log says why."
    return f"{error.message} {error.hint}".strip() if error.http_status < 500 else error.message
