"""Hugging Face's tasks about audio: at the bare server, and at an address for each model, which is how one is chosen.

Clients post to the address they are given as it stands. Bodies are the bytes of a recording with any type or none,
text, or JSON; see `hark.server.huggingface_wire`.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import tempfile
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

import hark
from hark.answers.answer import Answer
from hark.audio.audio import Audio
from hark.errors import CutOffError, RequestError, TooLargeError
from hark.server import errors
from hark.server import huggingface_wire as wire
from hark.server.reading import described
from hark.server.routes.openai_chat import answered
from hark.server.sse import events
from hark.server.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.responses import Response

    from hark.answers.answer import Delta
    from hark.conversation.conversation import Conversation
    from hark.server.service import Service

router = APIRouter(tags=["Hugging Face"])

_IN_MEMORY = 2**20  # bytes; what is larger lies on disk until it is answered
_EXAMPLES: dict[str, Any] = {
    "speech": {"inputs": "UklGRg...", "parameters": {"return_timestamps": True}},
    "question": {"inputs": {"audio": "UklGRg...", "text": "What does the person want?"}, "parameters": {}},
}
_DOOR: dict[str, Any] = {"openapi_extra": described(wire.Request, **_EXAMPLES)}
_DOOR["openapi_extra"]["requestBody"]["content"]["application/octet-stream"] = {
    "schema": {"type": "string", "format": "binary"}
}


@router.get("/v1/health")
@router.get("/models/{model:path}/health")
@router.get("/hf-inference/models/{model:path}/health")
async def health(request: Request, model: str | None = None) -> dict[str, str]:
    """Alive, and there is such a model."""
    _service(request).models.find(model)
    return {"status": "ok"}


@router.get("/info")
@router.get("/v1/info")
@router.get("/models/{model:path}/info")
@router.get("/hf-inference/models/{model:path}/info")
async def info(request: Request, model: str | None = None) -> dict[str, Any]:
    """What a model is called, and what it can do."""
    service = _service(request)
    served = service.models.find(model)
    can = service.models.lane(served.name).listener.can
    return {"model_id": served.name, "version": hark.__version__, "capabilities": can.to_dict()}


@router.post("/hf-inference/models/{model:path}/v1/chat/completions", include_in_schema=False)
async def chat(request: Request, model: str) -> Response:
    """Chat completions at the address that huggingface.js makes of a router's."""
    return await answered(request, model)


@router.post("/", **_DOOR)
@router.post("/v1", **_DOOR)
@router.post("/v1/", **_DOOR, include_in_schema=False)
@router.post("/models/{model:path}", **_DOOR)
@router.post("/hf-inference/models/{model:path}", **_DOOR)
async def ask(request: Request, model: str | None = None) -> Response:
    """Automatic speech recognition, audio classification, audio-text-to-text: as the body says."""
    service = _service(request)
    if model is not None:
        model = service.models.find(model.rstrip("/")).name
    more = wire.query(request.query_params.multi_items())
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as spooled:
        file = cast("BinaryIO", spooled)
        given = await _body(request, file, service)
        model = service.models.find(model or _named(given)).name
        can = service.models.lane(model).listener.can

        def read() -> wire.Asked:
            asked = wire.read(given, can, lambda *named, **more: _opened(service, *named, **more), more)
            service.media.heard([clip for one in asked.conversations for clip in one.clips])
            return asked

        asked = await service.wanted(request, in_thread(read))
        if asked.stream:
            return await _stream(request, service, model, asked)
        return JSONResponse(asked.result(await _answers(request, service, model, asked)))


async def _body(request: Request, file: BinaryIO, service: Service) -> dict[str, Any]:
    """The request that came, in whatever form.

    Raises:
        TooLargeError: it is over the limit.
        RequestError: it is empty, or no request.
    """
    size, config = 0, service.config
    async for chunk in request.stream():
        size += len(chunk)
        if size > config.max_upload_mb * 2**20:
            raise TooLargeError(f"The recording is over {config.max_upload_mb:g} MB.", hint="Send it in pieces.")
        if size > _IN_MEMORY:
            await in_thread(functools.partial(file.write, chunk))
        else:
            file.write(chunk)
    if not size:
        raise RequestError("There is nothing in the request.", hint="Send the bytes of a recording, or JSON.")
    return await in_thread(lambda: _read(file, size, service))


def _read(file: BinaryIO, size: int, service: Service) -> dict[str, Any]:
    file.seek(0)
    head = file.read(wire.HEAD)
    file.seek(0)
    if not wire.is_text(head):
        return {"inputs": service.media.upload(file, "the recording")}
    if size > service.config.max_json_mb * 2**20:
        raise TooLargeError(f"The JSON is over {service.config.max_json_mb:g} MB.", hint="Send the bytes themselves.")
    return wire.body(file.read())


def _named(given: dict[str, Any]) -> str | None:
    model = given.get("model")
    return model if isinstance(model, str) else None


def _opened(service: Service, given: Any, rate: Any = None, name: str | None = None) -> Audio:
    return given if isinstance(given, Audio) else service.media.named(given, rate, name)


async def _answers(request: Request, service: Service, model: str, asked: wire.Asked) -> list[Answer]:
    """All at once: the model answers together what it can."""
    try:
        async with asyncio.TaskGroup() as group:
            work = [group.create_task(_answer(request, service, model, one, asked)) for one in asked.conversations]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return [task.result() for task in work]


async def _answer(
    request: Request, service: Service, model: str, conversation: Conversation, asked: wire.Asked
) -> Answer:
    try:
        return await service.answer(request, model, conversation, **asked.options)
    except CutOffError as error:
        return wire.as_far(error)


async def _stream(request: Request, service: Service, model: str, asked: wire.Asked) -> Response:
    (conversation,) = asked.conversations
    found = await service.stream(request, model, lambda listener: listener.answer(conversation, **asked.options))
    return events(_tokens(found), lambda error: errors.body(request, error), done=False)


async def _tokens(found: AsyncGenerator[Delta]) -> AsyncGenerator[dict[str, Any]]:
    said: list[Delta] = []
    number = 1
    async with contextlib.aclosing(found):
        try:
            async for delta in found:
                said.append(delta)
                if delta.text:
                    yield wire.token(number, delta.text)
                    number += 1
            answer = Answer.of(said)
        except CutOffError as error:
            answer = wire.as_far(error)
    yield wire.ending(number, answer)


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service
