"""The doors: each reads one protocol, asks the service, and writes the answer; none has logic of its own."""

from hark.server.routes import huggingface, openai_chat, status

ROUTERS = (status.router, openai_chat.router, huggingface.router)
