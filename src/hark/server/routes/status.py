"""What is to be known about the server: is it alive, is it ready, what does it serve, what has it counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel

import hark
from hark.engines.catalog import resolve
from hark.errors import HarkError, NotServedError
from hark.server import openapi
from hark.server.task_views import offered
from hark.server.threads import in_thread

if TYPE_CHECKING:
    from pathlib import Path

    from hark.server.service import Service

router = APIRouter(tags=["status"])
_CLOSED = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}


class Health(BaseModel):
    """It answers."""

    status: str


class Version(BaseModel):
    """Which hark it is."""

    version: str


class Model(BaseModel):
    """A model in OpenAI's shape; `hark` holds what it can do, and which of `/hark/...` it takes."""

    id: str
    object: str
    created: int
    owned_by: str
    hark: dict[str, Any]


class ModelList(BaseModel):
    """All models that can be named; the first is the default."""

    object: str
    data: list[Model]


@router.get("/health")
async def health() -> Health:
    """Tell that the server is alive."""
    return Health(status="ok")


@router.get("/ready", responses={503: {"model": Health, "description": "Not now"}})
async def ready(request: Request) -> Response:
    """Tell whether requests are taken: not while the server starts or ends, nor while it is full."""
    service: Service = request.app.state.service
    status = "full" if service.full else "ok"
    if service.stopping or not service.ready:
        status = "closed"
    return JSONResponse({"status": status}, 200 if status == "ok" else 503)


@router.get("/version")
async def version() -> Version:
    """Tell which version of hark it is."""
    return Version(version=hark.__version__)


@router.get("/v1/models")
async def models(request: Request) -> ModelList:
    """List the models that can be named; the first is the default."""
    service: Service = request.app.state.service
    return ModelList(object="list", data=await in_thread(lambda: [_model(service, n) for n in service.models.names]))


@router.get("/v1/models/{model:path}")
async def model(request: Request, model: str) -> Model:
    """Tell of one model; a slash in its name is no matter."""
    service: Service = request.app.state.service
    name = model.rstrip("/")
    if name not in service.models.names:  # what clients say for "whichever" is no name here
        raise NotServedError(
            f"There is no model {name[:200]!r} here.",
            hint=f"There is {', '.join(service.models.names)}.",
            param="model",
        )
    return await in_thread(lambda: _model(service, name))


def _model(service: Service, name: str) -> Model:
    served = service.models.find(name)
    created, can = service.begun, None
    tasks = offered(service.models.lane(name).listener)
    try:
        found = resolve(served.model, served.answer_with)
        created, can = _age(found.folder) or created, found.can.to_dict()
    except HarkError:
        pass  # its folder is gone: whoever asks it is told, and the others are listed
    return Model(id=name, object="model", created=created, owned_by="hark", hark={"can": can, "tasks": tasks})


def _age(folder: Path | None) -> int:
    return int(folder.stat().st_mtime) if folder and folder.is_dir() else 0


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(request: Request) -> Response:
    """Tell what the server has counted, in Prometheus' text format."""
    return Response(request.app.state.service.measured(), media_type=CONTENT_TYPE_LATEST)


@router.get("/docs", include_in_schema=False)
async def docs(request: Request) -> HTMLResponse:
    """Show the OpenAPI document; the page loads nothing from anywhere."""
    return HTMLResponse(openapi.page(request.app.openapi()), headers=_CLOSED)
