"""Hugging Face's tasks about audio: at the bare server, and at an address for each model, which is how one is chosen.

Clients post to the address they are given as it stands. Bodies are the bytes of a recording with any type or none,
text, or JSON; see `hark.server.huggingface_wire`.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

import hark
from hark.answers.answer import Answer, as_far
from hark.errors import CutOffError
from hark.server import errors
from hark.server import huggingface_wire as wire
from hark.server.huggingface_body import received, spooled
from hark.server.reading import described
from hark.server.routes.openai_chat import answered
from hark.server.sse import events
from hark.server.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from hark.answers.answer import Delta
    from hark.conversation.conversation import Conversation
    from hark.server.config import Config
    from hark.server.service import Service

router = APIRouter(tags=["Hugging Face"])

_EXAMPLES: dict[str, Any] = {
    "speech": {"inputs": "UklGRg...", "parameters": {"return_timestamps": True}},
    "question": {"inputs": {"audio": "UklGRg...", "text": "What does the person want?"}, "parameters": {}},
}
_DOOR: dict[str, Any] = {"openapi_extra": described(wire.Request, **_EXAMPLES)}
_DOOR["openapi_extra"]["requestBody"]["content"]["application/octet-stream"] = {
    "schema": {"type": "string", "format": "binary"}
}


@router.get("/v1/health")
async def health() -> dict[str, str]:
    """Alive."""
    return {"status": "ok"}


@router.get("/models/{model:path}/health")
@router.get("/hf-inference/models/{model:path}/health")
async def health_of_model(request: Request, model: str) -> dict[str, str]:
    """Alive, and there is such a model."""
    _service(request).models.find(model)
    return {"status": "ok"}


@router.get("/info")
@router.get("/v1/info")
async def info(request: Request) -> dict[str, Any]:
    """What the default model is called, and what it can do."""
    return _info(_service(request), None)


@router.get("/models/{model:path}/info")
@router.get("/hf-inference/models/{model:path}/info")
async def info_of_model(request: Request, model: str) -> dict[str, Any]:
    """What a model is called, and what it can do."""
    return _info(_service(request), model)


def _info(service: Service, model: str | None) -> dict[str, Any]:
    served = service.models.find(model)
    can = service.models.lane(served.name).listener.can
    about = {"model_id": served.name, "version": hark.__version__, "capabilities": can.to_dict()}
    return about | {"server": _limits(service.config)}


def _limits(config: Config) -> dict[str, Any]:
    """What clients had better know before they send something large, or an address."""
    names = ("max_upload_mb", "max_json_mb", "max_seconds", "max_clips")
    live = importlib.util.find_spec("websockets") is not None or importlib.util.find_spec("wsproto") is not None
    return {name: getattr(config, name) for name in names} | {"urls": bool(config.url_hosts), "realtime": live}


@router.post("/hf-inference/models/{model:path}/v1/chat/completions", include_in_schema=False)
async def chat(request: Request, model: str) -> Response:
    """Chat completions at the address that huggingface.js makes of a router's."""
    return await answered(request, model)


@router.post("/", **_DOOR)
@router.post("/v1", **_DOOR)
@router.post("/v1/", **_DOOR, include_in_schema=False)
async def ask(request: Request) -> Response:
    """Automatic speech recognition, audio classification, audio-text-to-text: as the body says."""
    return await _asked(request, None)


@router.post("/models/{model:path}", **_DOOR)
@router.post("/hf-inference/models/{model:path}", **_DOOR)
async def ask_model(request: Request, model: str) -> Response:
    """The same of the model in the address, which wins over one in the body."""
    return await _asked(request, model)


async def _asked(request: Request, model: str | None) -> Response:
    service = _service(request)
    if model is not None:
        model = service.models.find(model.rstrip("/")).name
    more = wire.query(request.query_params.multi_items())
    with spooled() as file:
        given = await received(request, file)
        named = given.get("model")
        model = service.models.find(model or (named if isinstance(named, str) else None)).name
        can = service.models.lane(model).listener.can

        def read() -> wire.Asked:
            asked = wire.read(given, can, service.media.named, more)
            service.media.heard([clip for one in asked.conversations for clip in one.clips])
            return asked

        asked = await service.wanted(request, in_thread(read))
        if asked.stream:
            return await _stream(request, service, model, asked)
        return JSONResponse(asked.result(await _answers(request, service, model, asked)))


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
        return as_far(error)


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
            answer = as_far(error)
    yield wire.ending(number, answer)


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service
