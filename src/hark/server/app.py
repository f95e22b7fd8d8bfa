"""The application: doors, what every request passes on its way in, and what is there to be told about the server."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

import hark
from hark.errors import HarkError, ModelError
from hark.server import errors, openapi, reading
from hark.server.access import frame, guard
from hark.server.admission import Admission, Begun, Limits, Lingering
from hark.server.logs import log
from hark.server.metrics import Measured
from hark.server.routes import ROUTERS
from hark.server.service import ClientLeftError, Service

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hark.server.config import Config


def create_app(config: Config) -> FastAPI:
    """Make the application; any ASGI server runs it."""
    app = FastAPI(
        title="hark",
        version=hark.__version__,
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.service = service = Service(config)
    for router in ROUTERS:
        app.include_router(router)
    for kind in (HarkError, HTTPException, RequestValidationError, ClientLeftError, ClientDisconnect, Exception):
        app.exception_handler(kind)(_failed)
    # From the inside out: what is added last sees a request first.
    app.add_middleware(Limits, config=config)
    app.add_middleware(Admission, service=service)
    guard(app, config)
    frame(app, config)
    app.add_middleware(Measured, metrics=service.metrics)
    app.add_middleware(Lingering)
    app.add_middleware(Begun)
    openapi.describe(app)
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.service.ready = True
    yield
    await app.state.service.close()


async def _failed(request: Request, error: Exception) -> Response:
    if isinstance(error, ClientLeftError | ClientDisconnect):
        return Response(status_code=499)  # nobody reads it; nginx's number for it
    if isinstance(error, HTTPException):
        return errors.page(request, error)
    if isinstance(error, RequestValidationError):
        return errors.response(request, reading.wrong(error))
    if isinstance(error, HarkError):
        if error.http_status >= 500:
            log.error("The request failed.", exc_info=error, extra={"request_id": request.state.request_id})
        return errors.response(request, error)
    return errors.response(request, ModelError("The server failed."))
