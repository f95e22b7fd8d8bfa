"""`POST /hark/...`: hark's own tasks as JSON, as files, and as events."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

import hark
from hark.server.task_views import VIEWS
from serving import Running, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with serving("builtin", "echo") as running:
        yield running


def asked(server: Running, task: str, clip: Path | bytes, **fields: Any) -> httpx2.Response:
    data = clip if isinstance(clip, bytes) else clip.read_bytes()
    return httpx2.post(f"{server.url}/hark/{task}", files={"file": ("clip.flac", data)}, data=fields, timeout=60)


def test_a_transcript_is_that_of_the_library(server: Running, examples: Path) -> None:
    clip = examples / "order.flac"
    wanted = hark.load("builtin").transcribe(clip)
    assert asked(server, "transcript", clip).json()["segments"] == wanted.to_dict()["segments"]
    for form, kind in (
        ("srt", "application/x-subrip"),
        ("vtt", "text/vtt"),
        ("txt", "text/plain"),
        ("tsv", "text/tab"),
    ):
        answer = asked(server, "transcript", clip, response_format=form)
        assert answer.text == wanted.to(form)
        assert answer.headers["content-type"].startswith(kind)
        assert answer.headers["content-disposition"] == f'attachment; filename="transcript.{form}"'
    assert "to de" in asked(server, "transcript", clip, model="echo", to="de").json()["text"]


def test_a_stream_tells_how_far_it_is_and_ends_with_all_files(server: Running, examples: Path) -> None:
    answer = asked(server, "transcript", examples / "order.flac", stream="true", response_format=["json", "srt", "vtt"])
    *lines, done = answer.text.removesuffix("\n\n").split("\n\n")
    assert done == "data: [DONE]"
    first, *middle, last = (json.loads(line.removeprefix("data: ")) for line in lines)
    assert first == {"type": "begun", "duration": pytest.approx(3.4, abs=0.1)}
    assert {event["type"] for event in middle} == {"heard"}
    assert max(event["seconds"] or 0 for event in middle) == pytest.approx(first["duration"], abs=0.1)
    assert [one for event in middle for one in event["segments"]] == last["result"]["segments"]
    assert set(last["files"]) == {"srt", "vtt"}
    assert last["files"]["vtt"].startswith("WEBVTT")


def test_notes_meaning_music_and_sounds_are_those_of_the_library(server: Running, examples: Path) -> None:
    clip, listener = examples / "order.flac", hark.load("echo")
    notes = asked(server, "notes", clip, model="echo", date="2026-11-20", response_format="md").text
    assert "2026" in notes
    found = asked(server, "notes", clip, model="echo", date="2026-11-20").json()
    assert (found["date"], found["title"]) == ("2026-11-20", listener.notes(clip, date="2026-11-20").title)
    assert asked(server, "understanding", clip, model="echo").json()["meaning"] == listener.understand(clip).meaning
    assert asked(server, "music", clip, model="echo").json()["tempo"] == listener.music(clip).tempo
    heard = asked(server, "sounds", clip, model="builtin")
    assert heard.json()["sounds"] == hark.load("builtin").sounds(clip).to_dict()["sounds"]


def test_what_cannot_be_done_is_refused(server: Running, examples: Path) -> None:
    clip = examples / "order.flac"
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"response_format": "pdf"}, "response_format"),
        ({"response_format": ["md", "json"]}, "one form"),
        ({"date": "soon"}, "no day"),
        ({"model": "nothing"}, "no model"),
        ({"colour": "red"}, "colour"),
        ({"url": "https://example.org/a.wav"}, "a file, and an address"),
        ({"language": "de"}, "de"),
    ]
    for fields, why in wrong:
        answer = asked(server, "notes", clip, **fields)
        assert answer.status_code in (400, 404), fields
        assert why in answer.json()["error"], fields
    assert "suggest" in asked(server, "notes", clip, suggest="jazz").json()["error"]
    assert asked(server, "notes", b"no audio").status_code == 400
    alone = httpx2.post(f"{server.url}/hark/notes", files={"url": (None, "https://example.org/a.wav")})
    assert "not fetched here" in alone.json()["error"]
    assert asked(server, "nothing", clip).status_code == 404


def test_models_are_listed_with_what_they_take(server: Running) -> None:
    listed = {one["id"]: one["hark"]["tasks"] for one in httpx2.get(f"{server.url}/v1/models").json()["data"]}
    assert listed == {"builtin": list(VIEWS), "echo": list(VIEWS)}
    about = httpx2.get(f"{server.url}/info").json()["server"]
    assert about == {
        "max_upload_mb": 256.0, "max_json_mb": 64.0, "max_seconds": 14400.0, "max_clips": 16, "urls": False,
        "realtime": True,
    }  # fmt: skip
