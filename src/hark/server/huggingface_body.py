"""Bodies that Hugging Face's clients send -> requests: bytes, text or JSON, told by what they begin with."""

from __future__ import annotations

import functools
import tempfile
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from hark.errors import RequestError, TooLargeError
from hark.server import huggingface_wire as wire
from hark.server.threads import in_thread

if TYPE_CHECKING:
    from starlette.requests import Request

    from hark.server.service import Service

_IN_MEMORY = 2**20  # bytes; what is larger lies on disk until it is answered


def spooled() -> BinaryIO:
    """Where a body is kept, until this is closed."""
    return cast("BinaryIO", tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY))


async def received(request: Request, file: BinaryIO) -> dict[str, Any]:
    """The request that a body holds, read by way of `file`; a recording becomes an Audio as its `inputs`.

    Raises:
        TooLargeError: it is over the limit.
        RequestError: it is empty, or no request.
    """
    service: Service = request.app.state.service
    if request.headers.get("content-type", "").startswith("multipart/"):
        raise RequestError("This page takes no forms.", hint="Send the bytes, or use /v1/audio/transcriptions.")
    size, limit = 0, service.config.max_upload_mb
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit * 2**20:
            raise TooLargeError(f"The recording is over {limit:g} MB.", hint="Send it in pieces.")
        if size > _IN_MEMORY:
            await in_thread(functools.partial(file.write, chunk))
        else:
            file.write(chunk)
    if not size:
        raise RequestError("There is nothing in the request.", hint="Send the bytes of a recording, or JSON.")
    found = await in_thread(lambda: _read(file, size, service))
    if service.config.log_content:
        request.state.asked = dict(found)
    return found


def _read(file: BinaryIO, size: int, service: Service) -> dict[str, Any]:
    file.seek(0)
    head = file.read(wire.HEAD)
    file.seek(0)
    if not wire.is_text(head):
        return {"inputs": service.media.upload(file, "the recording")}
    limit = service.config.max_json_mb
    if size > limit * 2**20:
        raise TooLargeError(f"The JSON is over {limit:g} MB.", hint="Send the bytes of the recording.")
    return wire.body(file.read())
