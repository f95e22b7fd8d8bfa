"""What the log tells: a line for each request, and nothing of what was said, unless that is wanted."""

from __future__ import annotations

import asyncio
import errno
import json
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from pydantic import BaseModel
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from hark.errors import ModelBrokenError, ModelError
from hark.server import keys, logs
from hark.server.app import create_app
from hark.server.config import Config, Served
from serving import serving

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "mellon"


class Log:
    """What is written to stderr."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys, self.read = capsys, ""

    @property
    def text(self) -> str:
        self.read += self.capsys.readouterr().err
        return self.read

    @property
    def values(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture
def log(capsys: pytest.CaptureFixture[str]) -> Log:
    return Log(capsys)


def test_a_request_is_a_line(log: Log, tone: Path) -> None:
    key = keys.new()
    logs.configure(as_json=True)
    with serving(keys=(keys.of(key, "laptop"),)) as server:
        headers = {"authorization": f"Bearer {key}", "x-request-id": "abc-1"}
        url = f"{server.url}/v1/audio/transcriptions?note={SECRET}"
        response = httpx2.post(url, headers=headers, files={"file": tone.read_bytes()}, data={"model": "echo"})
        assert response.status_code == 200
        assert response.headers["x-request-id"] == "abc-1"
    (line,) = log.values
    assert line.pop("ms") > 0
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info", "logger": "hark.server", "method": "POST", "path": "/v1/audio/transcriptions",
        "status": 200, "audio_seconds": 1.0, "key": "laptop", "id": "abc-1",
    }  # fmt: skip


@pytest.mark.parametrize("as_json", [True, False])
def test_nothing_of_what_is_said_is_written(log: Log, tone: Path, *, as_json: bool) -> None:
    logs.configure(as_json=as_json)
    key = f"{SECRET}-{SECRET}-{SECRET}"
    clip = tone.read_bytes()
    with serving(keys=(keys.of(key),)) as server, httpx2.Client(base_url=server.url) as client:
        client.headers["authorization"] = f"Bearer {key}"
        statuses = [
            client.post("/", content=clip, params={"prompt": SECRET}),
            client.post("/v1/audio/transcriptions", files={"file": (SECRET, clip)}, data={"prompt": SECRET}),
            client.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": SECRET}]}),
            client.post("/v1/chat/completions", json={"messages": SECRET, SECRET: 1, "temperature": SECRET}),
            client.post("/v1/chat/completions", content=f'{{"messages": "{SECRET}'),
            client.post("/", json={"inputs": SECRET, "parameters": {"language": SECRET}}),
            client.post("/", json={"audio": f"data:audio/wav;base64,{SECRET}", "text": SECRET}),
            client.post("/v1/responses", json={"input": SECRET}),
            client.get("/v1/models", headers={"authorization": f"Bearer {SECRET}", "x-request-id": f"a {SECRET}"}),
        ]
    assert {response.status_code for response in statuses} >= {400, 401}
    assert len(log.text.splitlines()) == len(statuses)
    assert SECRET not in log.text


def test_with_content_questions_and_answers_are_written_but_no_recording(log: Log, tone: Path) -> None:
    import base64

    logs.configure(as_json=True, content=True)
    data = base64.b64encode(tone.read_bytes()).decode()
    parts = [
        {"type": "text", "text": "What is heard?"},
        {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}},
    ]
    with serving(log_content=True) as server:
        asked = httpx2.post(
            f"{server.url}/v1/chat/completions", json={"messages": [{"role": "user", "content": parts}]}
        )
        written = httpx2.post(
            f"{server.url}/v1/audio/transcriptions", files={"file": tone.read_bytes()}, data={"model": "echo"}
        )
        heard = httpx2.post(server.url, json={"audio": data, "text": "Who is heard?"})
    assert (asked.status_code, written.status_code, heard.status_code) == (200, 200, 200)
    first, second, third = log.values
    assert third["asked"] == {"audio": f"({len(data)} characters)", "text": "Who is heard?"}
    assert "What is heard?" in str(first["asked"])
    assert data[:200] not in log.text
    assert (
        asked.json()["choices"][0]["message"]["content"]
        in json.loads(first["answered"])["choices"][0]["message"].values()
    )
    assert second["asked"] == {"model": "echo"}
    assert written.json()["text"] in second["answered"]


def _ask(raised: Exception) -> httpx2.Response:
    app = create_app(Config(models=(Served(name="echo", model="echo"),)))

    @app.get("/v1/broken")
    async def broken() -> None:
        raise raised

    async def ask() -> httpx2.Response:
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://127.0.0.1") as client:
            return await client.get("/v1/broken")

    return asyncio.run(ask())


def _chained() -> Exception:
    class Answer(BaseModel):
        bars: int

    try:
        Answer.model_validate({"bars": SECRET})
    except ValueError as error:
        after = RuntimeError(f"{SECRET} is not what was wanted")
        after.__cause__ = error
    return after


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize("raised", [_chained(), ModelError(f"It said {SECRET}.")], ids=["library", "model"])
def test_what_nobody_expected_is_told_to_the_log_without_its_values(
    log: Log, raised: Exception, *, as_json: bool
) -> None:
    logs.configure(as_json=as_json)
    response = _ask(raised)
    assert response.status_code == 500
    assert SECRET not in log.text
    assert type(raised).__name__ in log.text
    assert "test_logs.py" in log.text
    assert log.text.count(response.headers["x-request-id"]) == 2
    if isinstance(raised, RuntimeError) and not isinstance(raised, ModelError):
        assert "ValidationError" in log.text
        assert SECRET not in response.text


def test_what_is_wrong_with_a_model_is_told_to_the_log_alone(log: Log) -> None:
    logs.configure()
    response = _ask(ModelBrokenError("/models/mine lacks model.safetensors."))
    assert "/models/mine lacks model.safetensors" in log.text
    assert "/models/mine" not in response.text


def test_a_task_that_fails_unseen_tells_no_values_either(log: Log) -> None:
    logs.configure()

    async def left() -> None:
        async def fails() -> None:
            raise ValueError(SECRET)

        task = asyncio.create_task(fails())
        await asyncio.sleep(0)
        del task

    asyncio.run(left())
    assert "never retrieved" in log.text
    assert SECRET not in log.text


def test_a_request_cannot_write_lines_of_its_own(log: Log) -> None:
    logs.configure()
    with serving() as server:
        httpx2.get(f"{server.url}/x%0A2026%20INFO%20status=200%1b[2J")
        for unfit in ("a b", "x" * 200, ""):
            given = httpx2.get(f"{server.url}/health", headers={"x-request-id": unfit}).headers["x-request-id"]
            assert given != unfit
            assert len(given) == 32
    assert len(log.text.splitlines()) == 4
    assert "\x1b" not in log.text
    assert '/x\\n2026 INFO status=200\\u001b[2J" status=404' in log.text


def test_a_server_without_room_tells_to_come_later(log: Log) -> None:
    logs.configure()
    asked = _ask(OSError(errno.ENOSPC, "No space left on device"))
    assert asked.status_code == 429
    assert int(asked.headers["retry-after"]) >= 1
    assert "no room" in asked.json()["error"]["message"]
    assert "No space left" in log.text
    assert _ask(OSError(errno.EIO, "secret")).status_code == 500


def test_a_request_that_the_end_of_the_server_cuts_off_is_told_so(log: Log) -> None:
    logs.configure()
    sent: list[Any] = []

    async def work() -> None:
        async def never(*_: Any) -> None:
            await asyncio.sleep(60)

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "GET", "path": "/v1/x", "headers": [], "server": ("127.0.0.1", 1)}
        task = asyncio.ensure_future(logs.CatchAll(never)(scope, never, send))
        await asyncio.sleep(0)
        task.cancel()  # so does uvicorn with what takes too long
        await task

    asyncio.run(work())
    assert sent[0]["status"] == 500
    assert "The server ended" in json.loads(sent[1]["body"])["error"]["message"]
    assert "Traceback" not in log.text


def test_a_refused_websocket_is_no_failure(log: Log) -> None:
    logs.configure()
    with serving() as server:
        url = f"{server.url.replace('http', 'ws')}/v1/realtime"
        with pytest.raises(InvalidStatus), connect(url, additional_headers={"Origin": "https://evil.example"}):
            pass
        httpx2.get(f"{server.url}/health")
    assert "path=/v1/realtime" in log.text
    assert "ERROR" not in log.text
