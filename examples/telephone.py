"""Calls from Twilio to a live session of `hark serve`: its mu-law goes on as it is.

pip install 'hark-audio[serve]', `hark serve`, then `uvicorn telephone:app --app-dir examples --port 8001` behind TLS;
the number's TwiML is `<Response><Connect><Stream url="wss://YOUR.HOST/media" /></Connect></Response>`.
"""

import asyncio
import json
import os

from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from websockets.asyncio.client import ClientConnection, connect

HARK = os.environ.get("HARK_REALTIME", "ws://127.0.0.1:8000/v1/realtime")
CALLS = {"type": "realtime", "audio": {"input": {"format": {"type": "audio/pcmu"}, "transcription": {}}}}

app = FastAPI()


@app.websocket("/media")
async def media(call: WebSocket) -> None:
    """One call."""
    await call.accept()
    async with connect(HARK) as session:
        await session.send(json.dumps({"type": "session.update", "session": CALLS}))
        telling = asyncio.create_task(tell(session))
        try:
            while (message := await call.receive_json())["event"] != "stop":
                if message["event"] == "media":
                    audio = message["media"]["payload"]
                    await session.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
        except WebSocketDisconnect:
            pass  # the caller has hung up
        finally:
            telling.cancel()


async def tell(session: ClientConnection) -> None:
    """Print what is said, and what is answered; speaking it is up to you: send it back as mu-law."""
    async for text in session:
        event = json.loads(text)
        if event["type"].endswith("transcription.completed"):
            print("caller:", event["transcript"], flush=True)
        elif event["type"] == "response.output_text.done":
            print("hark:", event["text"], flush=True)
        elif event["type"] == "error":
            print("error:", event["error"]["message"], flush=True)
