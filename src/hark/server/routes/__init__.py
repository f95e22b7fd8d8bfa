"""The doors: each reads one protocol, asks the service, and writes the answer; none has logic of its own."""

from hark.server.routes import (
    calls,
    huggingface,
    openai_audio,
    openai_chat,
    openai_responses,
    page,
    realtime,
    status,
    tasks,
)

ROUTERS = (
    status.router,
    openai_chat.router,
    openai_responses.router,
    openai_audio.router,
    tasks.router,
    realtime.router,
    calls.router,
    page.router,
    huggingface.router,
)
