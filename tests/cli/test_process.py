"""The command line as a process: streams that are closed or full, and signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

HARK = f"{sys.executable} -m hark"
COMMANDS = {
    "ask": "ask {tone} What?",
    "json": "ask --json {tone} What?",
    "transcribe": "transcribe {tone}",
    "chat": "chat {tone} <<< What?",
    "models": "models",
    "help": "--help",
}
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/dev/full and /proc are of Linux")


@pytest.fixture(autouse=True)
def _echo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARK_MODEL", "echo")


def shell(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, timeout=60)


@linux
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_what_cannot_be_written_is_told(command: str, tone: Path) -> None:
    full = shell(f"{HARK} {command.format(tone=tone)} > /dev/full")
    assert full.returncode == 1
    assert "could not be written" in full.stderr
    assert "Traceback" not in full.stderr


@pytest.mark.parametrize("command", list(COMMANDS.values())[:-1], ids=list(COMMANDS)[:-1])
def test_a_closed_stdout_is_told(command: str, tone: Path) -> None:
    closed = shell(f"{HARK} {command.format(tone=tone)} >&-")
    assert closed.returncode == 1
    assert "standard output is closed" in closed.stderr
    assert "Traceback" not in closed.stderr


@pytest.mark.parametrize("stderr", ["2>&-", pytest.param("2>/dev/full", marks=linux)])
def test_a_stderr_that_takes_nothing_costs_no_result(stderr: str, tmp_path: Path) -> None:
    import numpy as np
    import soundfile

    soundfile.write(tmp_path / "silence.wav", np.zeros(16000), 16000)  # has a note
    result = shell(f"{HARK} ask {tmp_path / 'silence.wav'} What? {stderr}")
    assert result.returncode == 0
    assert "1.0 s of silence" in result.stdout


@pytest.mark.parametrize("command", ["ask - What?", "run -", "chat"])
def test_a_closed_stdin_is_told(command: str) -> None:
    result = shell(f"{HARK} {command} <&-")
    assert result.returncode == 1
    assert "Standard input is closed" in result.stderr


@linux
@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_signals_end_the_workers_and_leave_no_file(
    name: str, status: int, examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    clip = examples / "standup.flac"
    command = [sys.executable, "-m", "hark", "transcribe", "-m", "builtin", clip]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline()  # now the workers are there
        workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii").split()
        process.send_signal(getattr(signal, name))
        _, errors = process.communicate(timeout=20)
    assert process.returncode == status
    assert errors == b""
    until = time.monotonic() + 5
    while any(os.path.exists(f"/proc/{worker}") for worker in workers) and time.monotonic() < until:
        time.sleep(0.05)
    assert [worker for worker in workers if os.path.exists(f"/proc/{worker}")] == []
    assert list(tmp_path.iterdir()) == []


DROPPED = """
import os, signal, time
from hark import cli
class Ends:
    def __del__(self):  # what is raised in here is dropped
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)
def work():
    Ends()
    time.sleep(20)
cli.app, cli._AGAIN = work, 0.2
cli.main()
"""


@linux
def test_a_signal_ends_it_wherever_it_comes() -> None:
    done = subprocess.run([sys.executable, "-c", DROPPED], capture_output=True, timeout=20, check=False)
    assert done.returncode == 143


@linux
def test_the_output_may_be_a_pipe(tone: Path) -> None:
    result = shell(f"{HARK} transcribe {tone} -f srt -o /dev/stdout | cat")
    assert "00:00:00,000 -->" in result.stdout
    assert result.stderr == ""


def test_tab_completion_says_nothing_of_wrong_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARK_SETTINGS", str(tmp_path))
    monkeypatch.setenv("_HARK_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "hark ask -m f")
    monkeypatch.setenv("COMP_CWORD", "3")
    result = shell(f"{sys.executable} -c 'import sys; sys.argv[0] = \"hark\"; import hark.cli; hark.cli.main()'")
    assert "Traceback" not in result.stderr
