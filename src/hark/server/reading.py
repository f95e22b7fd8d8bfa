"""Bodies of requests -> checked values: JSON by pydantic, off the event loop; forms with files spooled to disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from python_multipart.exceptions import FormParserError
from starlette.exceptions import HTTPException

from hark.errors import RequestError
from hark.server.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi.exceptions import RequestValidationError
    from starlette.datastructures import FormData
    from starlette.requests import Request

_PART = 8 * 2**20  # of a form, what is no file: recordings of known speakers come as data URIs
_INLINE = 2**18  # bytes that are parsed faster than they are handed to a thread

M = TypeVar("M", bound=BaseModel)


class Body(BaseModel):
    """A body of a request: what nobody reads is refused."""

    model_config = ConfigDict(extra="forbid")


async def json_body(request: Request, kind: type[M]) -> M:
    """The JSON of a request.

    Raises:
        RequestError: it is no JSON, or not of the shape; `param` says where.
        TooLargeError: it is over the limit.
    """
    given = request.headers.get("content-type", "application/json")
    name, _, about = given.lower().partition(";")
    if not name.strip().endswith("json"):
        raise RequestError(f"The body is {given[:80]!r}, not JSON.", hint="Send `Content-Type: application/json`.")
    if "charset=" in about and "utf" not in about:
        raise RequestError("JSON is UTF-8.", hint="Leave the charset out of Content-Type.")
    data = b"".join([chunk async for chunk in request.stream()])
    if request.app.state.service.config.log_content:
        request.state.asked = data
    if len(data) < _INLINE:
        return checked(kind, data)
    return await in_thread(lambda: checked(kind, data))


def checked(kind: type[M], data: bytes | bytearray | Mapping[str, Any]) -> M:
    """A value of the shape wanted.

    Raises:
        RequestError: it is not of the shape.
    """
    try:
        if isinstance(data, bytes | bytearray):
            return kind.model_validate_json(data)
        return kind.model_validate(data)
    except ValidationError as error:
        raise wrong(error) from None
    except RecursionError:
        raise RequestError("The request is nested too deeply.") from None


def wrong(error: ValidationError | RequestValidationError) -> RequestError:
    """The first thing that is wrong, as a client reads it; never what was sent."""
    first = error.errors()[0]
    param = ".".join(str(part) for part in first["loc"])[:200] or None
    if first["type"] == "extra_forbidden":
        return RequestError(f"There is no option {param!r} here.", hint="Leave it out.", param=param)
    about = f"{param}: " if param else ""
    return RequestError(f"The request is malformed: {about}{first['msg']}.", param=param)


async def form(request: Request) -> FormData:
    """The fields of a multipart body; files past 1 MiB lie on disk. `request.close()` lets go of them.

    Raises:
        RequestError: it is no form.
        TooLargeError: it is over the limit.
    """
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise RequestError("The body is no form.", hint="Send multipart/form-data with the recording as `file`.")
    try:
        found = await request.form(max_files=20, max_fields=200, max_part_size=_PART)
    except HTTPException as error:
        raise RequestError(f"The form cannot be read: {error.detail}") from None
    except FormParserError as error:  # Starlette below 1 lets it through
        raise RequestError(f"The form cannot be read: {error}") from None
    if request.app.state.service.config.log_content:
        request.state.asked = {name: value for name, value in found.multi_items() if isinstance(value, str)}
    return found


def described(kind: type[BaseModel], media_type: str = "application/json", **examples: Any) -> dict[str, Any]:
    """What `openapi_extra` of a route says about a body that the route reads itself; with `stream`, it gives events."""
    content: dict[str, Any] = {"schema": _inlined(kind.model_json_schema())}
    if examples:
        content["examples"] = {name: {"value": value} for name, value in examples.items()}
    found: dict[str, Any] = {"requestBody": {"required": True, "content": {media_type: content}}}
    if "stream" in kind.model_fields:
        found["responses"] = {"200": {"content": {"text/event-stream": {}}}}
    return found


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema without references: OpenAPI would look for them elsewhere."""
    kinds = schema.pop("$defs", {})

    def put(value: Any) -> Any:
        if isinstance(value, list):
            return [put(item) for item in value]
        if not isinstance(value, dict):
            return value
        if "$ref" in value:
            rest = {key: item for key, item in value.items() if key != "$ref"}
            return put({**kinds[value["$ref"].rpartition("/")[2]], **rest})
        return {key: put(item) for key, item in value.items()}

    found: dict[str, Any] = put(schema)
    return found
