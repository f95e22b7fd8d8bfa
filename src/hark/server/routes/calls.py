"""OpenAI's Realtime API over WebRTC: `/v1/realtime/calls`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response
from pydantic import JsonValue, TypeAdapter, ValidationError

from hark.errors import MissingExtraError, NotServedError, RequestError, TooLargeError
from hark.realtime.ice import Network
from hark.server import reading
from hark.server.live import Outbox, StalledError
from hark.server.logs import log
from hark.server.routes.realtime import asked
from hark.server.threads import in_thread

if TYPE_CHECKING:
    from hark.realtime.webrtc import Call
    from hark.server.service import Service

router = APIRouter(tags=["OpenAI"])

_MOST_BYTES = 2**20  # an offer has 64 KiB, settings little more
_CALLS = "/v1/realtime/calls"
_OBJECT = TypeAdapter(dict[str, JsonValue])
_SDP = {"type": "string", "description": "The offer of an RTCPeerConnection with a data channel oai-events"}
_FORM = {
    "type": "object",
    "required": ["sdp"],
    "properties": {"sdp": _SDP, "session": {"type": "string", "description": "JSON as in session.update"}},
}
_TAKES: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/sdp": {"schema": _SDP}, "multipart/form-data": {"schema": _FORM}},
    },
    "parameters": [
        {"name": "model", "in": "query", "schema": {"type": "string"}},
        {"name": "intent", "in": "query", "schema": {"type": "string", "enum": ["transcription"]}},
    ],
    "responses": {
        "201": {"description": "The answer; Location is the call", "content": {"application/sdp": {"schema": _SDP}}}
    },
}


@dataclass(frozen=True, slots=True)
class _Offer:
    sdp: str
    session: dict[str, Any]
    model: str | None
    transcribes: bool


@router.post(_CALLS, status_code=201, response_class=Response, openapi_extra=_TAKES)
async def create(request: Request) -> Response:
    """Begin a dialogue, or a transcription, over WebRTC."""
    service: Service = request.app.state.service
    webrtc = await in_thread(_webrtc)
    offer = await _offer(request)
    config = service.config
    call: Call = webrtc.Call(Network.of(config.host, config.ice_addresses, config.ice_servers))
    answered = asyncio.get_running_loop().create_future()
    client = request.client.host if request.client else None
    task = asyncio.create_task(_carried(service, call, offer, client, answered))
    service.live.calls[call.id] = task
    task.add_done_callback(lambda _: service.live.calls.pop(call.id))
    answer = await answered
    return Response(answer, 201, {"Location": f"{_CALLS}/{call.id}"}, "application/sdp")


@router.delete(_CALLS + "/{call_id}", response_class=Response)
@router.post(_CALLS + "/{call_id}/hangup", response_class=Response)
async def hang_up(request: Request, call_id: str) -> Response:
    """End a call."""
    calls: dict[str, asyncio.Task[None]] = request.app.state.service.live.calls
    if call_id not in calls:
        raise NotServedError(f"There is no call {call_id[:100]!r}.", hint="It may be over.", param="call_id")
    task = calls[call_id]
    task.cancel()
    await asyncio.wait({task})
    return Response()


def _webrtc() -> Any:
    try:
        import aiortc  # noqa: F401
    except ImportError as error:
        raise MissingExtraError.of("WebRTC", "webrtc") from error
    from hark.realtime import webrtc

    return webrtc


async def _carried(
    service: Service, call: Call, offer: _Offer, client: str | None, answered: asyncio.Future[str]
) -> None:
    """One call from its offer to its end; `answered` is told how the offer was met."""
    outbox = Outbox(call.write)
    try:
        async with service.live.session(offer.model, outbox.put, transcribes=offer.transcribes) as session:
            await session.change(offer.session)
            answered.set_result(await call.answer(offer.sdp, client))
            await session.start()
            await call.run(session, outbox.run(), idle=service.config.session_idle_seconds)
    except StalledError:
        pass  # it never connected, or reads no more
    except Exception as error:  # noqa: BLE001 - it ends this call only
        if not answered.done():
            answered.set_exception(error)
        else:
            log.error("A call failed.", exc_info=error)
    finally:
        answered.cancel()
        await call.close()


async def _offer(request: Request) -> _Offer:
    """What a client asks for.

    Raises:
        RequestError: it is malformed, or asks for what nobody reads.
        TooLargeError: it is over a limit.
    """
    model, transcribes = asked(request)
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > _MOST_BYTES:
            raise TooLargeError("The offer is over 1 MiB.", param="sdp")
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        sdp, session = await _form(request, bytes(data))
    elif request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/sdp":
        sdp, session = _text(bytes(data)), {}
    else:
        raise RequestError("The body is no SDP.", hint="Send application/sdp, or a form with sdp and session.")
    named = session.get("model")
    if model is not None and named not in (None, model):
        raise RequestError("The address names one model, the session another.", param="session.model")
    kind = session.setdefault("type", "transcription" if transcribes else "realtime")
    return _Offer(sdp, session, model or _name(named), transcribes or kind == "transcription")


def _name(model: Any) -> str | None:
    if model is None or isinstance(model, str):
        return model
    raise RequestError("The model is no name.", param="session.model")


async def _form(request: Request, data: bytes) -> tuple[str, dict[str, Any]]:
    async def again() -> dict[str, Any]:
        return {"type": "http.request", "body": data, "more_body": False}

    form = await reading.form(Request(request.scope, again))
    fields: dict[str, str] = {}
    for name, value in form.multi_items():
        if name not in ("sdp", "session") or name in fields:
            raise RequestError(f"There is no field {name[:100]!r} here.", hint="It takes sdp and session.", param=name)
        fields[name] = value if isinstance(value, str) else _text(await value.read())
    if "sdp" not in fields:
        raise RequestError("There is no SDP.", hint="Send the offer as the field `sdp`.", param="sdp")
    try:
        session = _OBJECT.validate_json(fields.get("session", "{}"))
    except ValidationError:
        raise RequestError("The session is no JSON object.", param="session") from None
    return fields["sdp"], session


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise RequestError("The SDP is no text.", hint="It is UTF-8.", param="sdp") from None
