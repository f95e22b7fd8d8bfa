"""`hark listen` and `hark talk`: speech heard as it comes, from recordings and raw samples in place of a microphone."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner, Result

from hark.audio.pacing import Feed, paced
from hark.cli import app
from hark.errors import AudioUnreadableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import hark

RATE = 16000


def run(*arguments: object, typed: bytes | None = None) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)], input=typed)


def pcm(*pieces: np.ndarray) -> bytes:
    return (np.clip(np.concatenate(pieces), -1, 1) * 32767).astype("<i2").tobytes()


def quiet(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * RATE), np.float32)


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory, order: hark.Audio, hesitant: hark.Audio) -> Path:
    """Two turns, with pauses of 1.5 s."""
    path = tmp_path_factory.mktemp("twice") / "twice.wav"
    pieces = (quiet(0.5), order.samples(), quiet(1.5), hesitant.samples(), quiet(1.5))
    soundfile.write(path, np.concatenate(pieces), RATE)
    return path


# hark listen


def test_each_turn_is_a_line_and_the_transcript_is_written_at_the_end(twice: Path, tmp_path: Path) -> None:
    result = run("listen", "--file", twice, "-q", "-o", tmp_path / "said.json")
    assert result.exit_code == 0, result.output
    first, second = result.stdout.splitlines()
    assert "coffee" in first
    assert result.stderr == ""
    said = json.loads((tmp_path / "said.json").read_text())
    assert said["text"] == f"{first} {second}"
    assert said["duration"] == pytest.approx(soundfile.info(twice).duration, abs=0.01)
    assert said["segments"][-1]["start"] > 5


def test_json_tells_what_settles_and_what_may_change(twice: Path) -> None:
    result = run("listen", "--file", twice, "--json", "-m", "echo")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    finals = [line for line in lines if line["type"] == "final"]
    assert len(finals) == 2
    assert 0.2 < finals[0]["start"] < 0.8
    assert finals[0]["end"] < finals[1]["start"]
    said = ""
    for line in lines:
        if line["type"] == "partial":
            assert line["settled"].startswith(said)
            assert line["settled"] + line["open"]
            said = line["settled"]
        else:
            assert line["text"].startswith(said)
            for segment in line["segments"]:
                assert line["start"] <= segment["start"] < segment["end"] <= line["end"] + 0.01
            said = ""
    assert any(line.get("open") for line in lines)
    assert any(line.get("settled") for line in lines)


def test_raw_samples_are_heard_as_they_come(order: hark.Audio) -> None:
    result = run("listen", "-", "-q", typed=pcm(quiet(0.5), order.samples()) + b"\0")  # it ends within a turn
    assert result.exit_code == 0
    assert "coffee" in result.stdout


def test_a_recording_at_its_own_pace_takes_its_time(order: hark.Audio, tmp_path: Path) -> None:
    soundfile.write(path := tmp_path / "order.wav", order.samples()[: 2 * RATE], RATE)
    begin = time.monotonic()
    result = run("listen", "--file", path, "--realtime", "-m", "echo", "-q")
    assert time.monotonic() - begin >= 2.0
    assert result.stdout.startswith("echo heard")


@pytest.mark.parametrize("command", ["listen", "talk"])
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["x.wav"], "--file x.wav"),
        (["-", "--file", "x.wav"], "There is a recording, and raw samples"),
        (["--realtime"], "--realtime goes with --file"),
        (["-", "--silence", "0"], "silence cannot be 0"),
        (["--file", "missing.wav"], "missing.wav"),
        (["--file", __file__], "test_listen.py"),
    ],
)
def test_what_makes_no_sense_is_refused(command: str, arguments: list[str], said: str) -> None:
    result = run(command, *arguments, "-m", "echo")
    assert result.exit_code == 1
    assert said in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-o", "said"], "no ending"),
        (["-o", "said.doc"], "no format 'doc'"),
        (["-o", "no/such/said.srt"], "no folder"),
        (["--language", "de"], "language 'de'"),
    ],
)
def test_what_cannot_be_written_is_told_before_anybody_speaks(arguments: list[str], said: str) -> None:
    result = run("listen", "-", *arguments)
    assert result.exit_code == 1
    assert said in result.stderr


@pytest.mark.parametrize("command", ["listen", "talk"])
def test_without_a_microphone_other_ways_are_named(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    result = run(command, "-m", "echo")
    assert result.exit_code == 1
    assert "hark-audio[microphone]" in result.stderr
    assert "--file" in result.stderr
    assert "arecord" in result.stderr


# hark talk


def test_each_turn_is_answered(twice: Path) -> None:
    result = run("talk", "--file", twice, "-m", "echo", "-q")
    assert result.exit_code == 0, result.output
    you, first, again, second = result.stdout.splitlines()
    assert re.fullmatch(r"you: \(\d\.\d s\)", you)
    assert re.fullmatch(r"hark: echo heard user: \[\d\.\d s, .*\]", first)
    assert again.startswith("you:")
    assert second.count(" | ") == 2
    assert first.removeprefix("hark: ") in second  # what was answered before is remembered


def test_a_dialogue_that_follows_a_system_prompt_and_writes_down(twice: Path) -> None:
    result = run("talk", "--file", twice, "-m", "echo", "--system", "Be brief.", "--max-new-tokens", "4", "--words")
    lines = result.stdout.splitlines()
    assert next(line for line in lines if line.startswith("hark: ")) == "hark: echo heard system: Be ..."
    assert sum(line.startswith("you: echo heard") for line in lines) == 2


def test_the_events_are_those_of_the_session(twice: Path) -> None:
    result = run("talk", "--file", twice, "-m", "echo", "--json")
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert [event["response"]["status"] for event in events if event["type"] == "response.done"] == ["completed"] * 2


def test_what_the_model_cannot_honour_is_refused_before_anybody_speaks() -> None:
    result = run("talk", "-", "--max-new-tokens", "5", typed=b"")
    assert result.exit_code == 1
    assert "max_new_tokens" in result.stderr


# The terminal, and Ctrl-C


class Terminal:
    """A command in a terminal of its own."""

    def __init__(self, *arguments: object) -> None:
        leader, follower = pty.openpty()
        environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}
        code = "from hark.cli import main; main()"
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)], stdin=subprocess.PIPE, stdout=follower,
            stderr=follower, env=environment,
        )  # fmt: skip
        os.close(follower)
        self._leader, self.text = leader, ""

    def until(self, wanted: str, seconds: float = 60) -> str:
        """What is shown, up to some text; or to the end."""
        ends = time.monotonic() + seconds
        while wanted not in self.text:
            ready, _, _ = select.select([self._leader], [], [], max(0, ends - time.monotonic()))
            assert ready, f"{wanted!r} did not come:\n{self.text}"
            try:
                self.text += os.read(self._leader, 4096).decode(errors="replace")
            except OSError:  # the end, of a terminal
                assert wanted == "\0", self.text
                break
        return self.text

    def end(self) -> int:
        self.until("\0")
        os.close(self._leader)
        assert self.process.stdin
        self.process.stdin.close()
        return self.process.wait(30)


def test_a_terminal_shows_open_text_dim_and_replaces_it(order: hark.Audio) -> None:
    terminal = Terminal("listen", "-")
    assert terminal.process.stdin
    terminal.process.stdin.write(pcm(quiet(0.5), order.samples()[: 5 * RATE // 2]))
    terminal.process.stdin.flush()
    shown = terminal.until("please make")
    assert "Listening" in shown
    assert re.search(r"\x1b\[2m[^\x1b]*please make", shown)
    terminal.process.stdin.write(pcm(order.samples()[5 * RATE // 2 :], quiet(1.0)))
    terminal.process.stdin.close()
    assert terminal.end() == 0
    assert re.search(r"\x1b\[2K\r?[^\x1b]*please make me a large coffee with two sugars\r\n", terminal.text)


def test_ctrl_c_ends_and_keeps_what_was_said(order: hark.Audio, tmp_path: Path) -> None:
    terminal = Terminal("listen", "-", "--json", "-o", tmp_path / "said.srt")
    assert terminal.process.stdin
    terminal.process.stdin.write(pcm(quiet(0.5), order.samples()))  # nobody paused yet
    terminal.process.stdin.flush()
    terminal.until("partial")
    time.sleep(0.3)
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end() == 0
    assert "coffee" in json.loads(terminal.text.splitlines()[-1])["text"]
    assert "coffee" in (tmp_path / "said.srt").read_text()


def test_ctrl_c_ends_a_dialogue() -> None:
    terminal = Terminal("talk", "-", "-m", "echo")
    assert terminal.process.stdin
    terminal.process.stdin.write(pcm(quiet(0.5)))
    terminal.process.stdin.flush()
    terminal.until("Ctrl-C")
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end() == 0


# sound at its own pace


def test_a_feed_misses_nothing_while_nobody_has_time() -> None:
    feed = Feed(np.full(100, n, np.float32) for n in range(50))
    time.sleep(0.1)
    blocks = list(feed)
    assert len(blocks) < 50
    assert np.array_equal(np.concatenate(blocks), np.repeat(np.arange(50, dtype=np.float32), 100))
    feed.close()


def test_a_feed_ends_where_it_is_stopped_and_raises_what_its_source_does() -> None:
    def forever() -> Iterator[Any]:
        while True:
            time.sleep(0.01)
            yield np.zeros(10, np.float32)

    feed = Feed(forever())
    blocks = iter(feed)
    next(blocks)
    feed.stop()
    assert sum(len(block) for block in blocks) < 1000
    assert feed.stopped
    feed.close()

    def broken() -> Iterator[Any]:
        yield np.ones(10, np.float32)
        raise AudioUnreadableError("The microphone gives no sound any more.")

    heard = []
    with pytest.raises(AudioUnreadableError):
        heard.extend(Feed(broken()))
    assert np.concatenate(heard).sum() == 10  # what came before is heard


def test_paced_blocks_come_when_they_would_be_spoken() -> None:
    begin = time.monotonic()
    times = [time.monotonic() - begin for _ in paced(np.zeros(RATE // 10, np.float32) for _ in range(4))]
    assert all(at >= 0.1 * (n + 1) - 0.005 for n, at in enumerate(times))


# docs/live.md


def test_what_the_page_shows_of_the_terminal_is_true(examples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(examples.parent)
    page = (examples.parent / "docs" / "live.md").read_text(encoding="utf-8")
    section = page.partition("## In the terminal")[2].partition("## Over a WebSocket")[0]
    shown = re.search(r"```console\n(.*?)```", section, re.DOTALL)
    assert shown
    for block in re.split(r"^\$ ", shown[1], flags=re.MULTILINE)[1:3]:
        command, _, expected = block.partition("\n")
        assert sorted(run(*command.split()[1:]).stdout.splitlines()) == sorted(expected.splitlines())
    code = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert code
    ran = subprocess.run([sys.executable, "-c", code[1]], capture_output=True, text=True, check=True)
    assert ran.stdout.endswith("please make me a large coffee with two sugars  True\n")
