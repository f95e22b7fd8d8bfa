"""What docs/server.md shows runs word for word, but for the port."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import soundfile
from nodejs import CLIENTS

from serving import Running, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", (ROOT / "docs" / "server.md").read_text(encoding="utf-8"), re.DOTALL)
LINES = [line[2:] for kind, text in BLOCKS if kind == "console" for line in text.splitlines() if "curl" in line]


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with serving("builtin") as running:
        yield running


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the recordings; of the meeting, whose whole takes long, the decision."""
    examples = tmp_path_factory.mktemp("place") / "examples"
    examples.mkdir()
    shutil.copy(ROOT / "examples" / "order.flac", examples)
    meeting, rate = soundfile.read(
        ROOT / "examples" / "standup.flac", dtype="int16", start=26 * 16000, frames=9 * 16000
    )
    soundfile.write(examples / "standup.flac", meeting, rate)
    return examples.parent


def ran(server: Running, place: Path, *command: str, code: str = "") -> str:
    environment = {
        name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"
    }  # it means loopback too
    done = subprocess.run(
        [part.replace("http://127.0.0.1:8000", server.url) for part in command],
        input=code.replace("http://127.0.0.1:8000", server.url),
        capture_output=True, text=True, timeout=240, cwd=place, env=environment, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "error" not in done.stdout.lower(), done.stdout
    return done.stdout


def said(text: str) -> bool:
    """Was one of the two recordings heard?"""
    return bool({"coffee", "release"} & set(re.findall(r"[a-z]+", text.lower())))


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
@pytest.mark.parametrize("line", LINES)
def test_curl(server: Running, place: Path, line: str) -> None:
    assert said(ran(server, place, "bash", "-c", line))


@pytest.mark.parametrize("code", [text for kind, text in BLOCKS if kind == "python"])
def test_python(server: Running, place: Path, code: str) -> None:
    out = ran(server, place, sys.executable, "-", code=code)
    assert said(out) or "handler" in code


@pytest.mark.parametrize("code", [text for kind, text in BLOCKS if kind == "js"])
def test_javascript(server: Running, place: Path, code: str, tmp_path: Path) -> None:
    if shutil.which("node") is None or not (CLIENTS / "node_modules" / "openai").is_dir():
        pytest.skip("Node or its packages are not here: make test installs them")
    (tmp_path / "node_modules").symlink_to(CLIENTS / "node_modules")
    script = tmp_path / "sample.mjs"
    script.write_text(code.replace("http://127.0.0.1:8000", server.url), encoding="utf-8")
    assert said(ran(server, place, "node", "--no-warnings", str(script)))
