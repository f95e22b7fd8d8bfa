"""`EndpointHandler` as Hugging Face's inference toolkit runs it."""

from __future__ import annotations

import base64
import contextlib
import importlib.util
import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

import hark
from hark.server.handler import EndpointHandler
from tiny.whisper import tiny_whisper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HANDLER = '"""What the endpoint runs."""\nfrom hark.server.handler import EndpointHandler\n'
QUESTION = "What does the person want?"


@pytest.fixture
def clip(examples: Path) -> bytes:
    return (examples / "order.flac").read_bytes()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A model's repository with a handler of its own."""
    folder = tiny_whisper(tmp_path / "repository")
    (folder / "handler.py").write_text(HANDLER)
    return folder


@contextlib.contextmanager
def endpoint(folder: Path) -> Iterator[Callable[[bytes, str], tuple[int, Any]]]:
    """The toolkit's way with a request (`webservice_starlette.predict`): body and type in, status and JSON out."""
    spec = importlib.util.spec_from_file_location("handler.EndpointHandler", folder / "handler.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with contextlib.closing(module.EndpointHandler(str(folder))) as handler:

        def predict(body: bytes, kind: str) -> tuple[int, Any]:
            try:
                data = json.loads(body) if kind == "application/json" else {"inputs": bytes(body)}
                return 200, json.loads(json.dumps(handler(data), allow_nan=False))
            except Exception as error:  # noqa: BLE001 - as the toolkit does
                return 400, {"error": str(error)}

        yield predict


def test_a_repository_with_two_lines_is_served(repository: Path, clip: bytes) -> None:
    b64 = base64.b64encode(clip).decode()
    with hark.load(str(repository)) as listener:
        plain = listener.transcribe(hark.Audio.of(clip))
        timed = listener.transcribe(hark.Audio.of(clip), timestamps="segment")
    refused = (
        ({"inputs": {"audio": b64, "text": QUESTION}}, "cannot be asked questions"),
        ({"inputs": b64, "parameters": {"min_length": 5}}, "min_length"),
        ({"inputs": b64, "parameters": {"nothing": 5}}, "Leave it out."),
        ({"inputs": "http://127.0.0.1:9/clip.wav"}, "not fetched here"),
        ({"inputs": str(repository / "model.bin")}, "no base64"),
        ({"inputs": {"audio": "file:///etc/passwd"}}, "no base64"),
        ({"inputs": {"audio": b64}, "stream": True}, "does not stream"),
    )
    with endpoint(repository) as predict:
        assert plain.text
        assert predict(clip, "audio/flac") == (200, {"text": plain.text})
        body = json.dumps({"inputs": b64, "parameters": {"return_timestamps": True}}).encode()
        chunks = [{"text": one.text, "timestamp": [one.start, one.end]} for one in timed.segments]
        assert predict(body, "application/json") == (200, {"text": timed.text, "chunks": chunks})
        for wrong, says in refused:
            status, found = predict(json.dumps(wrong).encode(), "application/json")
            assert (status, says in found["error"]) == (400, True), found


def test_the_model_is_named_by_the_environment(monkeypatch: pytest.MonkeyPatch, clip: bytes, tmp_path: Path) -> None:
    monkeypatch.setenv("HARK_MODEL", "echo")
    inputs = {"audio": base64.b64encode(clip).decode(), "text": QUESTION}
    asked = f"echo heard user: [3.4 s, 16000 Hz, sha256 cc15d29b] {QUESTION}"
    with contextlib.closing(EndpointHandler(str(tmp_path))) as handler:
        assert handler({"inputs": inputs}) == [{"generated_text": asked}]
        assert handler({"inputs": {"audio": clip, "text": QUESTION}}) == [{"generated_text": asked}]
        assert handler(inputs) == {"generated_text": asked}
        seeded = handler({"inputs": inputs, "parameters": {"generate_kwargs": {"seed": 1}}})
        assert seeded == [{"generated_text": f"{asked}; options seed 1"}]


def test_without_a_name_it_is_the_default(clip: bytes, tmp_path: Path) -> None:
    with contextlib.closing(EndpointHandler()) as handler:
        assert handler({"inputs": clip}) == {"text": "please make me a large coffee with two sugars"}
    with pytest.raises(hark.errors.HarkError):
        EndpointHandler(str(tmp_path / "nothing"))


def test_it_is_called_from_several_threads(monkeypatch: pytest.MonkeyPatch, examples: Path) -> None:
    monkeypatch.setenv("HARK_MODEL", "echo")
    clips = [(examples / name).read_bytes() for name in ("order.flac", "hesitant.flac")] * 8
    with contextlib.closing(EndpointHandler()) as handler, ThreadPoolExecutor(8) as pool:
        alone = [handler({"inputs": clip}) for clip in clips[:2]]
        assert list(pool.map(handler, [{"inputs": clip} for clip in clips])) == alone * 8
    assert alone[0] != alone[1]
