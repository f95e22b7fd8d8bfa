"""What is to be known about the server: is it alive, is it ready, what does it serve."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

import hark

router = APIRouter(tags=["status"])


@router.get("/health")
async def health() -> dict[str, str]:
    """Alive: it answers."""
    return {"status": "ok", "version": hark.__version__}


@router.get("/v1/models")
async def models(request: Request) -> dict[str, Any]:
    """The models that can be named."""
    names = request.app.state.service.models.names
    data = [{"id": name, "object": "model", "created": 0, "owned_by": "hark"} for name in names]
    return {"object": "list", "data": data}
