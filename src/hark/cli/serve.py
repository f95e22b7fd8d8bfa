"""`hark serve`: models over HTTP."""

from __future__ import annotations

from typing import Annotated

import typer


def serve(
    model: Annotated[list[str] | None, typer.Option("--model", "-m", help="A model, or NAME=MODEL; several.")] = None,
    host: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port; 0 takes a free one.", min=0, max=65535)] = 8000,
) -> None:
    """Serve models to clients of OpenAI's and Hugging Face's protocols."""
    import uvicorn

    from hark.server.app import create_app
    from hark.server.config import Config, Served

    served = tuple(Served(name=one.partition("=")[0], model=one.rpartition("=")[2]) for one in model or ["builtin"])
    uvicorn.run(create_app(Config(models=served, host=host, port=port)), host=host, port=port)
