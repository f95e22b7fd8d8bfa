"""`hark evaluate` as a person uses it."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from hark.cli import app
from tiny.openai_server import CHAT, LoopbackServer, chat_chunks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six recordings by two speakers, in a folder that is the current one."""
    monkeypatch.chdir(tmp_path)
    rows = []
    for number in range(6):
        soundfile.write(tmp_path / f"{number}.wav", np.full(1600, (number + 1) / 10), 16000)
        rows.append(
            {
                "audio": f"{number}.wav",
                "prompt": "What is said?",
                "text": f"the number {number}",
                "speaker": f"s{number % 2}",
            }
        )
    path = tmp_path / "labels.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["evaluate", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


class Counting:
    """A server that says the number of a recording, told by its level; `busy` is how many it was asked at once."""

    def __init__(self) -> None:
        self.lock, self.now, self.busy, self.asked, self.failing = threading.Lock(), 0, 0, 0, False

    def __call__(self, ask: Any) -> None:
        with self.lock:
            self.now, self.asked = self.now + 1, self.asked + 1
            self.busy = max(self.busy, self.now)
        time.sleep(0.05)
        level = np.frombuffer(ask.wavs[0][-2:], "<i2")[0] / 32768
        with self.lock:
            self.now -= 1
        number = round(level * 10) - 1
        if self.failing and number == 3:
            ask.reply({"error": {"message": "no such sound"}}, 400)
        else:
            ask.stream(chat_chunks(f"the number {number if number < 4 else 0}"))


@pytest.fixture
def counting() -> Iterator[tuple[str, Counting]]:
    route = Counting()
    server = LoopbackServer({CHAT: route})
    yield f"openai:m@{server.url}", route
    server.close()


def test_a_server_is_asked_several_questions_at_a_time(data: Path, counting: tuple[str, Counting]) -> None:
    model, route = counting
    route.failing = True
    status, said, notes = run(model, data, "--task", "asr", "--by", "speaker", "--jobs", 3, "--out", "out")
    assert (status, notes) == (0, "")
    assert 1 < route.busy <= 3
    assert "WER                  27.78 %" in said  # two words wrong, and three of the one that failed
    assert "s1: WER 44.44 %, 3 samples" in said
    assert "1 failed and are counted as wrong" in said
    told = json.loads(run(model, data, "--task", "asr", "--out", "out", "--retry", "--json", "-q")[1])
    assert told["failed"] == 1
    route.failing = False
    told = json.loads(run(model, data, "--task", "asr", "--out", "out", "--retry", "--json")[1])
    assert (told["failed"], told["figures"][0]["value"], told["runs"]) == (0, pytest.approx(2 / 18), 3)
    assert told["data"]["path"] == str(data)


def test_two_models_are_compared(data: Path, counting: tuple[str, Counting]) -> None:
    model, route = counting
    status, said, _ = run(model, data, "--task", "asr", "--against", "echo", "--limit", 4)
    assert status == 0
    assert "against echo, 4 samples that both have" in said
    folders = sorted(path.parent for path in data.parent.glob("evaluations/*/*/results.html"))
    assert [folder.parent.name for folder in folders] == [
        "echo",
        model.replace("/", "-").replace(":", "-").replace("@", "-").replace("---", "-"),
    ]
    before = route.asked
    for arguments in (
        (folders[1], "--against", folders[0]),
        (model, data, "--task", "asr", "--limit", 4, "--against", folders[0]),
    ):
        told = json.loads(run(*arguments, "--json", "-q")[1])
        assert told["samples"] == 4
        assert told["differences"][0]["verdict"] in ("better", "not told apart")
    assert route.asked == before == 4  # nothing was asked again
    assert (folders[1] / "against-echo.html").is_file()
    other = run(model, data, "--task", "asr", "--set", "normaliser=none", "--against", folders[0], "--out", "none")
    assert other[0] == 1
    assert "different measures" in other[2]
    assert not (data.parent / "none").exists()


def test_a_suite_has_a_page_of_its_parts(data: Path) -> None:
    for name in ("a", "b"):
        (data.parent / "lists" / name).mkdir(parents=True)
        rows = [json.loads(line) for line in data.read_text().splitlines()][: 2 if name == "a" else 3]
        named = [{"audio_filepath": f"../../{row['audio']}", "text": row["text"]} for row in rows]
        (data.parent / "lists" / name / "test.jsonl").write_text("\n".join(map(json.dumps, named)))
    status, said, _ = run("echo", "lists", "--suite", "open-asr", "--out", "out")
    assert status == 0
    assert "mean: WER" in said
    told = json.loads((data.parent / "out" / "suite.json").read_text())
    values = [part["figures"][0]["value"] for part in told["parts"].values()]
    assert told["figures"][0]["value"] == pytest.approx(sum(values) / 2)
    assert 'href="a-test/results.html"' in (data.parent / "out" / "index.html").read_text()
    compared = json.loads(run("echo", "lists", "--suite", "open-asr", "--out", "out", "--against", "out", "--json")[1])
    assert set(compared["against"]) == {"a/test", "b/test"}
    assert run("echo", "lists", "--suite", "open-asr", "--task", "asr")[0] == 1


def test_tasks_are_told_from_data_and_have_options(data: Path) -> None:
    told = json.loads(
        run("echo", data, "--json", "-q", "--task", "asr", "--set", "normaliser=none", "--limit", 2, "--seed", 3)[1]
    )
    assert told["task"]["options"]["normaliser"] == "none"
    assert (told["samples"], told["data"]["limit"], told["data"]["seed"]) == (2, 2, 3)
    assert json.loads(run("echo", data, "--json", "-q", "--limit", 1)[1])["task"]["name"] == "qa"  # they ask something
    tasks = json.loads(run("--list", "--json")[1])
    assert {"asr", "choice"} <= set(tasks["tasks"])
    assert {"mmau", "mmar", "af-reasoning", "open-asr"} == set(tasks["suites"])
    made = json.loads(run("echo", "--task", "hallucination", "--set", "seconds=1", "--json", "-q")[1])
    assert made["samples"] == 6


def test_recordings_are_written_down_while_they_go_on(data: Path, examples: Path) -> None:
    row = {"audio": str(examples / "order.flac"), "text": "please order two boxes of paper"}
    data.write_text(json.dumps(row))
    how = ("--streaming", "--set", "chunk=2", "--set", "normaliser=none", "--resamples", 0)
    told = json.loads(run("echo", data, *how, "--json", "-q")[1])
    assert told["task"]["options"] == {
        "task": "asr",
        "options": {"normaliser": "none"},
        "policy": "local-agreement",
        "chunk": 2.0,
    }
    figures = {figure["name"]: figure["value"] for figure in told["figures"]}
    assert figures["WER"] > 0
    assert 0 < figures["LAAL"] <= figures["LAAL, computation-aware"]
    assert run("echo", data, "--streaming", "--task", "choice")[0] == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("echo", "labels.jsonl", "--task", "asrr"), "no task 'asrr'"),
        (("echo", "labels.jsonl", "--task", "asr", "--set", "x=1"), "no option 'x'"),
        (("echo", "labels.jsonl", "--set", "x"), "sets nothing"),
        (("echo", "labels.jsonl", "--by", "colour"), "says its 'colour'"),
        (("echo", "labels.jsonl", "--suite", "no"), "no suite"),
        (("echo", "nothing.jsonl"), "No such file"),
        (("echo",), "neither data nor a task"),
        (("echo", "labels.jsonl", "--task", "choice"), "they lack choices"),
        (("echo", "labels.jsonl", "--against", "nobody"), "There is no model 'nobody'"),
        (("builtin", "labels.jsonl", "--beams", 3), "honour the option beams"),
    ],
)
def test_what_cannot_be_is_said(data: Path, arguments: tuple[Any, ...], says: str) -> None:
    status, _, notes = run(*arguments, "-q", "--resamples", 0)
    assert status == 1
    assert says in notes
    assert not (data.parent / "evaluations").exists()  # before anything was asked


def test_what_cannot_be_scored_is_left_out(data: Path) -> None:
    (data.parent / "0.wav").write_bytes(b"no sound")
    rows = [json.dumps({"audio": f"{number}.wav", "text": ""}) for number in range(3)]
    data.write_text("\n".join(rows))
    told = json.loads(run("echo", data, "--task", "hallucination", "--set", "made=false", "--json", "-q")[1])
    assert (told["samples"], told["data"]["unscored"]) == (2, {"a recording that can be read": 1})


def test_a_run_in_which_all_fails_ends_badly(data: Path) -> None:
    for number in range(6):
        (data.parent / f"{number}.wav").write_bytes(b"no sound")
    status, said, notes = run("echo", data)
    assert status == 1
    assert "6 failed" in said
    assert "All samples failed" in notes
