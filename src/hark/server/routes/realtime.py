"""OpenAI's Realtime API over a WebSocket: `/v1/realtime`."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

from fastapi import APIRouter, WebSocket
from starlette.websockets import WebSocketDisconnect

from hark.errors import HarkError
from hark.realtime.session import Session
from hark.server import errors

router = APIRouter()


@router.websocket("/v1/realtime")
async def realtime(socket: WebSocket, model: str | None = None, intent: str | None = None) -> None:
    """A dialogue (`?model=NAME`) or a transcription (`?intent=transcription`), as long as the connection lasts."""
    offered = socket.headers.get("sec-websocket-protocol", "").split(",")
    await socket.accept("realtime" if "realtime" in [one.strip() for one in offered] else None)
    models = socket.app.state.service.models
    try:
        name = models.find(model).name
        lane = models.lane(name)
    except HarkError as error:
        await socket.send_text(json.dumps({"type": "error", **errors.body(socket, error)}))
        await socket.close(1008)
        return
    sending = asyncio.Lock()

    async def send(event: dict[str, Any]) -> None:
        async with sending:
            await socket.send_text(json.dumps(event, ensure_ascii=False))

    session = Session(lane, name, send, transcribes=intent == "transcription")
    try:
        await session.start()
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            await session.receive(message.get("text") or message.get("bytes") or "")
    except (WebSocketDisconnect, RuntimeError):
        return  # the client left while an event was sent
    finally:
        with contextlib.suppress(Exception):
            await session.close()
