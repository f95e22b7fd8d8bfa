"""Tasks of hark's own, on one recording each: what they give is JSON, a file to keep, or events on the way there."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from hark.answers.answer import Delta
from hark.errors import RequestError
from hark.server import errors, sse
from hark.server.forms import nested, the_file
from hark.server.reading import checked, described, form
from hark.server.task_views import VIEWS
from hark.server.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from hark.audio.audio import Audio
    from hark.server.media import Media
    from hark.server.service import Service
    from hark.server.task_views import View, ViewForm

router = APIRouter(prefix="/hark", tags=["hark"])

_TYPES = {
    "md": "text/markdown", "html": "text/html", "txt": "text/plain", "srt": "application/x-subrip", "vtt": "text/vtt",
    "tsv": "text/tab-separated-values",
}  # fmt: skip
_ASKED = {"file": "(the recording)", "model": "builtin"}


def _door(name: str) -> dict[str, Any]:
    view = VIEWS[name]
    kinds = ["application/json", "text/event-stream", *(_TYPES[form] for form in view.files)]
    about = {200: {"description": "In the response_format", "content": {kind: {} for kind in kinds}}}
    last = list(view.files)[-1]
    body = described(view.form, "multipart/form-data", json=_ASKED, file={**_ASKED, "response_format": [last]})
    return {"openapi_extra": body, "response_class": Response, "responses": about}


@router.post("/transcript", **_door("transcript"))
async def transcript(request: Request) -> Response:
    """What is said, with its times; or that in another language."""
    return await _response(request, "transcript")


@router.post("/notes", **_door("notes"))
async def notes(request: Request) -> Response:
    """The notes of a meeting: who does what by when, what was decided, what is open."""
    return await _response(request, "notes")


@router.post("/understanding", **_door("understanding"))
async def understanding(request: Request) -> Response:
    """Intent, sentiment, emotion and certainty of who speaks, with what each rests on."""
    return await _response(request, "understanding")


@router.post("/music", **_door("music"))
async def music(request: Request) -> Response:
    """Key, tempo, meter, sections and chords of a piece of music."""
    return await _response(request, "music")


@router.post("/sounds", **_door("sounds"))
async def sounds(request: Request) -> Response:
    """What is heard when."""
    return await _response(request, "sounds")


async def _response(request: Request, name: str) -> Response:
    service: Service = request.app.state.service
    view = VIEWS[name]
    try:
        values = nested(await form(request))
        file = the_file(values) if "file" in values or not values.get("url") else None
        asked = checked(view.form, values)
        if file is not None and asked.url:
            raise RequestError("There is a file, and an address.", hint="Send one of them.", param="url")
        wanted, served = asked.forms, service.models.find(asked.model).name
        clip = await service.wanted(request, in_thread(lambda: _clip(service.media, file, asked)))
    finally:
        await request.close()

    if asked.stream:
        steps = await service.stream(request, served, lambda listener: view.work(listener, clip, asked))
        return sse.events(_events(steps, view, wanted, clip), lambda error: errors.body(request, error))
    *_, found = await service.collect(request, served, lambda listener: view.work(listener, clip, asked))
    return await in_thread(lambda: _written(found, name, view, wanted[0]))


def _clip(media: Media, file: Any, asked: ViewForm) -> Audio:
    """The recording, decoded."""
    clip = media.named(asked.url) if file is None else media.upload(file.file, file.filename or "audio")
    media.heard([clip])
    return clip


def _written(found: Any, name: str, view: View, wanted: str) -> Response:
    if wanted == "json":
        return JSONResponse(found.to_dict())
    kept = {"Content-Disposition": f'attachment; filename="{name}.{wanted}"', "X-Content-Type-Options": "nosniff"}
    return Response(view.files[wanted](found), media_type=_TYPES[wanted], headers=kept)


async def _events(
    steps: AsyncGenerator[Any], view: View, wanted: list[str], clip: Audio
) -> AsyncGenerator[dict[str, Any]]:
    yield {"type": "begun", "duration": clip.duration}
    async with contextlib.aclosing(steps):
        async for step in steps:
            if not isinstance(step, Delta):
                yield await in_thread(lambda found=step: _done(found, view, wanted))  # type: ignore[misc]
            elif step.heard is not None or step.segments:
                segments = [segment.to_dict() for segment in step.segments]
                yield {"type": "heard", "seconds": step.heard, "segments": segments}


def _done(found: Any, view: View, wanted: list[str]) -> dict[str, Any]:
    files = {form: view.files[form](found) for form in wanted if form != "json"}
    return {"type": "done", "result": found.to_dict(), "files": files}
