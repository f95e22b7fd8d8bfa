"""Talk to hark through FastRTC: pip install 'hark-audio[fastrtc]', then python examples/fastrtc_talk.py."""

import uvicorn
from fastapi import FastAPI

import hark
from hark.realtime.fastrtc import Handler, stream

app = FastAPI()
stream(Handler(hark.load())).mount(app)

if __name__ == "__main__":
    uvicorn.run(app, port=8001)
