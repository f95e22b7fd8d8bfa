"""OpenAI's Realtime API over a WebSocket: `/v1/realtime`."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, WebSocket
from starlette.websockets import WebSocketDisconnect

from hark.errors import BusyError, HarkError, ModelError
from hark.realtime.events import EventError
from hark.realtime.items import new_id
from hark.realtime.telling import about
from hark.server.live import Outbox, StalledError
from hark.server.logs import log

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from hark.realtime.session import Session

router = APIRouter()

_REFUSED, _LATER, _LEFT_ALONE, _FAILED = 1008, 1013, 1000, 1011  # RFC 6455, 7.4.1, and IANA's registry
_CLOSING_SECONDS = 2.0


@router.websocket("/v1/realtime")
async def realtime(socket: WebSocket) -> None:
    """A dialogue (`?model=NAME`) or a transcription (`?intent=transcription`), as long as the connection lasts."""
    await socket.accept("realtime" if "realtime" in socket.scope["subprotocols"] else None)
    outbox = Outbox(lambda event: socket.send_text(json.dumps(event, ensure_ascii=False, separators=(",", ":"))))
    service = socket.app.state.service
    code, reason = _LEFT_ALONE, ""
    try:
        model, transcribes = asked(socket)
        async with service.live.session(model, outbox.put, transcribes=transcribes) as session:
            idle = service.config.session_idle_seconds
            code, reason = await _either(_served(socket, session, idle), outbox.run())
    except Exception as raised:  # noqa: BLE001 - it is told, and ends this session only
        error = raised if isinstance(raised, HarkError) else ModelError("The server failed.")
        if error.http_status >= 500:
            log.error("A live session failed.", exc_info=raised)
        code = _LATER if isinstance(error, BusyError) else _REFUSED if error.http_status < 500 else _FAILED
        reason = error.message[:100]
        event = {"type": "error", "event_id": new_id("event"), "error": about(error) | {"event_id": None}}
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            await socket.send_text(json.dumps(event))
    with contextlib.suppress(WebSocketDisconnect, RuntimeError, TimeoutError):
        await asyncio.wait_for(socket.close(code, reason), _CLOSING_SECONDS)


def asked(connection: HTTPConnection) -> tuple[str | None, bool]:
    """The model wanted, and whether it is to write down only.

    Raises:
        EventError: the address says what nobody reads.
    """
    given = dict(connection.query_params)
    model, intent = given.pop("model", None), given.pop("intent", None)
    if intent not in (None, "transcription"):
        raise EventError("The intent is not known.", hint="It is transcription, or left out.", param="intent")
    if given:
        name = min(given)[:100]
        raise EventError(f"There is no option {name!r} here.", hint="Leave it out.", param=name)
    return model, intent == "transcription"


async def _served(socket: WebSocket, session: Session, idle: float) -> tuple[int, str]:
    """Take what the client sends until it leaves, or is not heard of for so many seconds; gives a code and a reason."""
    await session.start()
    while True:
        try:
            async with asyncio.timeout(idle):
                message = await socket.receive()
        except TimeoutError:
            return _LEFT_ALONE, f"Nothing came for {idle:g} s."
        if message["type"] == "websocket.disconnect":
            return _LEFT_ALONE, ""
        await session.receive(message.get("text") or message.get("bytes") or "")


async def _either(*works: Any) -> tuple[int, str]:
    """What ends first ends all."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                found: tuple[int, str] = task.result()
                return found
    except (WebSocketDisconnect, RuntimeError):  # it left while an event was sent
        return _LEFT_ALONE, ""
    except StalledError:
        return _REFUSED, "The client does not read."
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    return _FAILED, ""
