"""Chat completions: questions about audio from clients of OpenAI, vLLM and Hugging Face."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from hark.answers.answer import Answer, as_far
from hark.conversation.messages import read_messages
from hark.errors import CutOffError, RequestError
from hark.server import errors, sse
from hark.server.chat_wire import ChatRequest, Chunks, completion
from hark.server.openai_parts import called
from hark.server.reading import described, json_body
from hark.server.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from hark.answers.answer import Delta
    from hark.conversation.conversation import Conversation
    from hark.server.service import Service

router = APIRouter(tags=["chat"])
_CLIP = {"type": "input_audio", "input_audio": {"data": "UklGRi...", "format": "wav"}}
_TEXT = {"type": "text", "text": "What does the person say?"}
_ASKED = {"model": "builtin", "messages": [{"role": "user", "content": [_CLIP, _TEXT]}]}
_BODY = described(ChatRequest, question=_ASKED, streamed={**_ASKED, "stream": True})


@router.post("/v1/chat/completions", openapi_extra=_BODY)
async def chat(request: Request) -> Response:
    """Answer a conversation with audio in it (OpenAI's Chat Completions)."""
    return await answered(request, None)


@router.post("/models/{model:path}/v1/chat/completions", openapi_extra=_BODY)
async def chat_of_model(request: Request, model: str) -> Response:
    """The same with the model named in the path, as Hugging Face's clients do; it wins over the body."""
    return await answered(request, model)


async def answered(request: Request, model: str | None) -> Response:
    """Answer a chat request.

    Raises:
        HarkError: the request cannot be served.
    """
    body = await json_body(request, ChatRequest)
    service: Service = request.app.state.service
    served = service.models.find(model or body.model).name
    limit = "max_tokens" if body.max_completion_tokens is None else "max_completion_tokens"
    with called(max_new_tokens=limit, schema="response_format"):
        options = body.options()
        conversation = await heard(request, body.plain(), "messages")
        if not body.stream:
            return JSONResponse(completion(await whole(request, served, conversation, options), served))
        steps = await service.stream(request, served, lambda listener: listener.answer(conversation, **options))
    chunks = Chunks(served, counting=bool(body.stream_options and body.stream_options.include_usage))
    return sse.events(_chunks(steps, chunks), lambda error: errors.body(request, error))


async def heard(request: Request, messages: list[dict[str, Any]], param: str) -> Conversation:
    """The conversation in messages, with its audio decoded; `param` is what clients call it.

    Raises:
        HarkError: a message makes no sense, there is nothing to hear, or a clip cannot be used.
    """
    if messages[-1]["role"] == "assistant":
        raise RequestError("The last message is the model's own.", hint="End with the user's.", param=param)
    service: Service = request.app.state.service

    def read() -> Conversation:
        conversation = read_messages(messages, service.media.named)
        if not conversation.clips:
            hint = "Send the whole conversation each time: recordings of earlier requests are not kept."
            raise RequestError("There is no audio in the conversation.", hint=hint, param=param)
        service.media.heard(conversation.clips)
        return conversation

    return await service.wanted(request, in_thread(read))


async def whole(request: Request, model: str, conversation: Conversation, options: dict[str, Any]) -> Answer:
    """A whole answer; JSON that broke off is given as far as it goes, and its notice says so."""
    service: Service = request.app.state.service
    try:
        return await service.answer(request, model, conversation, **options)
    except CutOffError as error:
        return as_far(error)


async def _chunks(steps: AsyncGenerator[Delta], chunks: Chunks) -> AsyncGenerator[dict[str, Any]]:
    found: list[Delta] = []
    async with contextlib.aclosing(steps):
        yield chunks.begun()
        try:
            async for delta in steps:
                found.append(delta)
                for chunk in chunks.step(delta):
                    yield chunk
            answer = Answer.of(found)
        except CutOffError as error:
            answer = as_far(error)
    for chunk in chunks.ended(answer):
        yield chunk
