"""Every engine, made ready for the promises of `test_promises.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import hark
from tiny import realtime_server
from tiny.families import MAKERS, make
from tiny.openai_server import LoopbackServer, listening
from tiny.realtime_server import Scripted
from tiny.whisper import tiny_whisper

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENGINES = ("builtin", "echo", "faster-whisper", "openai", "realtime", *MAKERS)


@pytest.fixture(scope="session")
def openai_server() -> Iterator[LoopbackServer]:
    """A server whose model's answers depend on what it hears."""
    server = listening()
    yield server
    server.close()


@pytest.fixture(scope="session")
def realtime() -> Iterator[Scripted]:
    """A realtime server whose model's text depends on what it hears."""
    with Scripted(realtime_server.openai) as server:
        yield server


@pytest.fixture(scope="session", params=ENGINES)
def model(request: pytest.FixtureRequest) -> str:
    """The name or folder of a model of each engine; weights are tiny, random and made here."""
    if request.param in ("builtin", "echo"):
        return str(request.param)
    if request.param == "openai":
        return f"openai:m@{request.getfixturevalue('openai_server').url}"
    if request.param == "realtime":
        return f"realtime:m@{request.getfixturevalue('realtime').url}"
    folder: Path = request.getfixturevalue("tmp_path_factory").mktemp("models") / "tiny"
    if request.param == "faster-whisper":
        return str(tiny_whisper(folder))
    pytest.importorskip("transformers")
    return str(make(request.param, folder))


@pytest.fixture(scope="session")
def listener(model: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[hark.Listener]:
    """One loaded model of each engine, shared by all promises."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARK_SETTINGS", str(tmp_path_factory.mktemp("settings") / "settings.toml"))
        with hark.load(model) as loaded:
            yield loaded
