"""The processes that `server.py` measures: hark's server, a bare FastAPI server, the model alone, and the clients."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import sys
import time
import wave
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "1")
RATE = 16000
QUESTION = "What is said?"
MEGABYTE_SECONDS = (10**6 - 44) / 2 / RATE
UPLOAD, CHAT = "/v1/audio/transcriptions", "/v1/chat/completions"
CONSTANT = {"text": "constant", "usage": {"type": "duration", "seconds": 33}}


@dataclass(frozen=True)
class Load:
    """What clients do: `requests` in all by `clients` at once, each about a clip of its own from `first` on.

    With `leave` they close the connection so many seconds after they asked.
    """

    url: str
    path: str = UPLOAD
    seconds: float = MEGABYTE_SECONDS
    clients: int = 1
    requests: int = 1
    clips: int = 0
    first: int = 0
    stream: bool = False
    tokens: int | None = None
    leave: float | None = None


def wav(number: int, seconds: float) -> bytes:
    """A recording of its own: noise, 16 kHz, 16 bits, mono."""
    import numpy as np

    samples = np.random.default_rng(number).normal(0, 3000, round(seconds * RATE)).astype("<i2")
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(samples.tobytes())
    return out.getvalue()


def request(load: Load, number: int) -> bytes:
    """One request as bytes."""
    sound = wav(number, load.seconds)
    if load.path == UPLOAD:
        head = 'Content-Disposition: form-data; name="{}"{}\r\n\r\n'
        parts = [
            head.format("model", "").encode() + b"model",
            head.format("file", '; filename="clip.wav"\r\nContent-Type: audio/wav').encode() + sound,
        ]
        body = b"".join(b"--edge\r\n" + part + b"\r\n" for part in parts) + b"--edge--\r\n"
        kind = "multipart/form-data; boundary=edge"
    else:
        audio = {"type": "input_audio", "input_audio": {"data": base64.b64encode(sound).decode(), "format": "wav"}}
        said = [{"role": "user", "content": [audio, {"type": "text", "text": QUESTION}]}]
        fields: dict[str, Any] = {"model": "model", "messages": said, "temperature": 0}
        fields |= {"stream": True} if load.stream else {}
        fields |= {"max_tokens": load.tokens} if load.tokens else {}
        body, kind = json.dumps(fields).encode(), "application/json"
    lines = [f"POST {load.path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sent: bytes) -> tuple[int, bytes]:
    """Send a request; returns the status and the body."""
    writer.write(sent)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    status, length = int(head.split(b" ", 2)[1]), head.partition(b"content-length:")[2].split(b"\r\n")[0]
    return status, await reader.readexactly(int(length or 0))


async def clients(load: Load) -> dict[str, Any]:
    """Let all clients ask; returns seconds of each answer, in all, of the CPU, and what was answered."""
    host, _, port = load.url.removeprefix("http://").partition(":")
    sent = [request(load, load.first + number) for number in range(load.clips or load.requests)]
    took: list[float] = []
    answers: list[tuple[int, str]] = []
    left: list[float] = []
    numbers = iter(range(load.requests))

    async def one() -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        for number in numbers:
            begin = time.monotonic()
            if load.leave is not None:
                writer.write(sent[number % len(sent)])
                await asyncio.sleep(load.leave)
                writer.transport.abort()
                left.append(time.monotonic())
                return
            status, body = await exchange(reader, writer, sent[number % len(sent)])
            took.append(time.monotonic() - begin)
            answers.append((status, body.decode()))
        writer.close()

    begin, cpu = time.monotonic(), time.process_time()
    await asyncio.gather(*(one() for _ in range(load.clients)))
    texts = [text for _, text in answers]
    return {
        "took": took,
        "wall": time.monotonic() - begin,
        "cpu": time.process_time() - cpu,
        "left": left,
        "answered": sum(status == 200 for status, _ in answers),
        "distinct": len({text.partition("sha256")[2][:20] for text in texts}),
        "sample": texts[0][:300] if texts else "",
    }


def run_clients() -> None:
    """Do one load after another, as lines of JSON come."""
    for line in sys.stdin:
        print(json.dumps(asyncio.run(clients(Load(**json.loads(line))))), flush=True)


def run_hark(model: str, ends: str) -> None:
    """hark's server; when a model stops, the time is appended to the file `ends`."""
    from hark.server.config import Config, Served
    from hark.server.run import run

    if ends:
        note_ends(Path(ends))
    run(Config(models=(Served(name="model", model=model),), port=0), lambda url: print(url, flush=True))


def note_ends(path: Path) -> None:
    """Let engines of transformers models write down when they stop."""
    from hark.engines.transformers.engine import Transformers

    generate, together = Transformers.generate, Transformers.generate_batch

    def note() -> None:
        with path.open("a") as file:
            file.write(f"{time.monotonic()}\n")

    def noted(self: Any, conversation: Any, options: Any) -> Any:
        try:
            yield from generate(self, conversation, options)
        finally:
            note()

    def noted_together(self: Any, *args: Any, **more: Any) -> Any:
        try:
            return together(self, *args, **more)
        finally:
            note()

    Transformers.generate, Transformers.generate_batch = noted, noted_together  # type: ignore[method-assign]


def run_bare() -> None:
    """The same stack with nothing behind it: the form is parsed, a constant is answered."""
    import socket

    import uvicorn
    from fastapi import FastAPI, Form, UploadFile

    app = FastAPI()

    async def transcriptions(file: Any, model: Any = Form()) -> dict[str, Any]:  # noqa: ARG001, B008
        return CONSTANT

    transcriptions.__annotations__ |= {"file": UploadFile, "model": str}  # FastAPI does not see names of a function
    app.post(UPLOAD)(transcriptions)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(2048)
        print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
        settings = uvicorn.Config(app, log_config=None, access_log=False, server_header=False, timeout_keep_alive=65)
        uvicorn.Server(settings).run([listening])


def run_alone(model: str, count: int, seconds: float, together: int, tokens: int | None) -> None:
    """The engine's own batches about `count` clips: seconds of the wall."""
    import hark
    from hark.engines.engine import Options

    listener = hark.load(model)
    options = Options(temperature=0.0, max_new_tokens=tokens)

    def answer(first: int, number: int) -> None:
        sounds = [wav(first + n, seconds) for n in range(number)]
        begin = time.monotonic()
        for start in range(0, number, together):
            said = [hark.Conversation.ask((hark.Audio.of(s),), QUESTION) for s in sounds[start : start + together]]
            listener.engine.generate_batch(said, options)
        print(json.dumps(time.monotonic() - begin), flush=True)

    answer(10**6, together)  # wakes the libraries
    for line in sys.stdin:
        answer(int(line), count)


def started(*args: Any) -> list[str]:
    """The command line of one of these processes."""
    return [sys.executable, __file__, *map(str, args)]


def line_of(load: Load) -> str:
    """A load as the clients read it."""
    return json.dumps(asdict(load)) + "\n"


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["clients"]:
            run_clients()
        case ["hark", model, ends]:
            run_hark(model, ends)
        case ["bare"]:
            run_bare()
        case ["alone", model, count, seconds, together, tokens]:
            run_alone(model, int(count), float(seconds), int(together), int(tokens) or None)
