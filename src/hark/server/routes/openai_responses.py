"""OpenAI's Responses, which answers one request and keeps nothing."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from hark.answers.answer import Answer, as_far
from hark.errors import CutOffError
from hark.server import errors, sse
from hark.server.openai_parts import called
from hark.server.reading import described, json_body
from hark.server.responses_wire import Reply, ResponsesRequest
from hark.server.routes.openai_chat import heard, whole

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from hark.answers.answer import Delta
    from hark.errors import HarkError
    from hark.server.responses_wire import Event
    from hark.server.service import Service

router = APIRouter(tags=["responses"])
_CLIP = {"type": "input_audio", "input_audio": {"data": "UklGRi...", "format": "wav"}}
_TEXT = {"type": "input_text", "text": "What does the person say?"}
_ASKED = {"model": "builtin", "input": [{"role": "user", "content": [_CLIP, _TEXT]}]}


@router.post("/v1/responses", openapi_extra=described(ResponsesRequest, question=_ASKED))
async def respond(request: Request) -> Response:
    """Answer a conversation with audio in it (OpenAI's Responses)."""
    body = await json_body(request, ResponsesRequest)
    service: Service = request.app.state.service
    served = service.models.find(body.model).name
    reply = Reply(body, served)
    with called(max_new_tokens="max_output_tokens", schema="text.format"):
        options = body.options()
        conversation = await heard(request, body.plain(), "input")
        if not body.stream:
            return JSONResponse(reply.whole(await whole(request, served, conversation, options)))
        steps = await service.stream(request, served, lambda listener: listener.answer(conversation, **options))

    def failed(error: HarkError) -> Event:
        return reply.failed(error, errors.body(request, error)["error"]["message"])

    return sse.events(_events(steps, reply), failed, done=False)


async def _events(steps: AsyncGenerator[Delta], reply: Reply) -> AsyncGenerator[Any]:
    found: list[Delta] = []
    async with contextlib.aclosing(steps):
        for event in reply.begun():
            yield event
        try:
            async for delta in steps:
                found.append(delta)
                for event in reply.step(delta.text):
                    yield event
            answer = Answer.of(found)
        except CutOffError as error:
            answer = as_far(error)
    for event in reply.ended(answer):
        yield event
