"""OpenAI's audio endpoints: a recording in, its transcript or translation out."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, cast

from fastapi import APIRouter, Request, Response

from hark.server import errors, sse
from hark.server.forms import nested, the_file
from hark.server.reading import checked, described, form
from hark.server.threads import in_thread
from hark.server.transcription_form import TranscriptionForm, TranslationForm, wish_of
from hark.server.transcripts import about, events, heard, written

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Iterator

    from starlette.datastructures import UploadFile

    from hark.answers.answer import Delta
    from hark.answers.transcript import Transcript
    from hark.audio.audio import Audio
    from hark.listener import Listener
    from hark.server.media import Media
    from hark.server.service import Service
    from hark.server.transcription_form import Wish

router = APIRouter(prefix="/v1/audio", tags=["openai"])


_ASKED = {"file": "(the recording)", "model": "builtin"}
_WORDS = {**_ASKED, "response_format": "verbose_json", "timestamp_granularities": ["word", "segment"]}
_TRANSCRIPTION = described(
    TranscriptionForm, "multipart/form-data", text=_ASKED, words=_WORDS, streamed={**_ASKED, "stream": True}
)
_TRANSLATION = described(TranslationForm, "multipart/form-data", subtitles={**_ASKED, "response_format": "srt"})
_CONTENT: dict[str, Any] = {"application/json": {}, "text/plain": {}, "text/vtt": {}}
_WRITTEN: dict[int | str, dict[str, Any]] = {200: {"description": "In the response_format", "content": _CONTENT}}
_TOLD: dict[int | str, dict[str, Any]] = {200: {**_WRITTEN[200], "content": {**_CONTENT, "text/event-stream": {}}}}


@router.post("/transcriptions", openapi_extra=_TRANSCRIPTION, response_class=Response, responses=_TOLD)
async def transcriptions(request: Request) -> Response:
    """What is said, in the language spoken."""
    return await _response(request, TranscriptionForm)


@router.post("/translations", openapi_extra=_TRANSLATION, response_class=Response, responses=_WRITTEN)
async def translations(request: Request) -> Response:
    """What is said, in English."""
    return await _response(request, TranslationForm)


async def _response(request: Request, kind: type[TranscriptionForm | TranslationForm]) -> Response:
    service: Service = request.app.state.service
    try:
        values = nested(await form(request))
        file = the_file(values)
        asked = checked(kind, values)
        wish, served = wish_of(asked), service.models.find(asked.model).name
        clip = await service.wanted(request, in_thread(lambda: _clip(service.media, file)))
    finally:
        await request.close()
    if wish.stream:
        steps = await service.stream(request, served, lambda listener: heard(listener, wish, clip))
        return sse.events(_events(steps, wish), lambda error: errors.body(request, error))
    *_, response = await service.collect(request, served, lambda listener: _answered(listener, wish, clip))
    return cast("Response", response)


def _answered(listener: Listener, wish: Wish, clip: Audio) -> Iterator[Delta | Transcript | Response]:
    """Hear a recording, step by step; the last step is the response, written here as it may be long."""
    last: Any = None
    with contextlib.closing(cast("Generator[Delta | Transcript]", heard(listener, wish, clip))) as steps:
        for last in steps:
            yield last
    yield written(last, wish)


def _clip(media: Media, file: UploadFile) -> Audio:
    """The recording in an upload, decoded."""
    with about("file"):
        clip = media.upload(file.file, file.filename or "audio")
        media.heard([clip])
    return clip


async def _events(steps: AsyncGenerator[Delta | Transcript], wish: Wish) -> AsyncGenerator[dict[str, Any]]:
    async with contextlib.aclosing(steps):
        async for step in steps:
            for event in events(step, wish):
                yield event
