"""The application: doors, what every request passes on its way in, and what is there to be told about the server."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

import hark
from hark.errors import HarkError, ModelError, NotServedError, RequestError
from hark.server import errors
from hark.server.routes import ROUTERS
from hark.server.service import ClientLeftError, Service

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import ASGIApp, Receive, Scope, Send

    from hark.server.config import Config


def create_app(config: Config) -> FastAPI:
    """Make the application; any ASGI server runs it."""
    app = FastAPI(title="hark", version=hark.__version__, lifespan=_lifespan, redoc_url=None)
    app.state.service = Service(config)
    for router in ROUTERS:
        app.include_router(router)
    for kind in (HarkError, HTTPException, RequestValidationError, ClientLeftError, Exception):
        app.exception_handler(kind)(_failed)
    app.add_middleware(Begun)
    return app


class Begun:
    """Notes when a request began."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] == "http":
            scope.setdefault("state", {})["begun"] = asyncio.get_running_loop().time()
        await self.app(scope, receive, send)


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    await app.state.service.close()


async def _failed(request: Request, error: Exception) -> Response:
    if isinstance(error, ClientLeftError):
        return Response(status_code=499)  # nobody reads it; nginx's number for it
    if isinstance(error, HTTPException):
        wrong = RequestError if error.status_code != 404 else NotServedError
        return errors.response(request, wrong(str(error.detail)))
    if isinstance(error, HarkError):
        return errors.response(request, error)
    return errors.response(request, ModelError("The server failed."))
