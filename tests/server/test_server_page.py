"""The page at `/`, as a browser with a microphone sees it, and as its files are."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from importlib.resources import files
from itertools import product
from typing import TYPE_CHECKING, Any

import httpx2
import numpy as np
import pytest
import soundfile
import soxr
from nodejs import CLIENTS, node

from hark.server import keys
from serving import serving
from tiny.openai_server import CHAT, TRANSCRIBE, LoopbackServer, chat_chunks, verbose

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import hark
    from serving import Running
    from tiny.openai_server import Exchange

PAGE = files("hark.server").joinpath("page")
FILES = {one.name: one.read_text(encoding="utf-8") for one in PAGE.iterdir()}
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
KEY = keys.new()
EVIL = "<img src=x onerror=alert(1)>", "<script>alert(2)</script>"


def slowly(ask: Exchange) -> None:
    def chunks() -> Iterator[Any]:
        for chunk in chat_chunks(*(f"word{n} " for n in range(300))):
            time.sleep(0.04)
            yield chunk

    ask.stream(chunks())


@pytest.fixture(scope="module")
def microphone(order: hark.Audio, hesitant: hark.Audio, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the browser's microphone hears: a turn, a pause that ends it, another turn, and quiet."""
    quiet = [np.zeros(round(seconds * 16000), np.float32) for seconds in (0.4, 2.0, 5.0)]
    heard = np.concatenate([quiet[0], order.samples(16000), quiet[1], hesitant.samples(16000), quiet[2]])
    path = tmp_path_factory.mktemp("microphone") / "microphone.wav"
    soundfile.write(path, soxr.resample(heard, 16000, 48000), 48000, subtype="PCM_16")
    return path


@pytest.fixture(scope="module")
def seen(microphone: Path, examples: Path) -> Iterator[dict[str, Any]]:
    if CHROMIUM is None or not (CLIENTS / "node_modules" / "playwright-core").is_dir():
        pytest.skip("Chromium or playwright-core is not here: make test installs the latter")
    slow = LoopbackServer({CHAT: slowly, TRANSCRIBE: lambda ask: ask.reply(verbose(ask.wavs[0], "one two three"))})
    evil = LoopbackServer({CHAT: lambda ask: ask.stream(chat_chunks(*EVIL))})
    bad = LoopbackServer({CHAT: lambda ask: ask.reply({"error": {"message": "no"}}, 500)})
    others = [f"{name}=openai:m@{one.url}" for name, one in (("slow", slow), ("evil", evil), ("bad", bad))]
    try:
        with (
            serving("echo", "builtin", *others, url_hosts=("example.org",)) as main,
            serving("echo", keys=(keys.of(KEY),)) as locked,
        ):
            given = {
                "main": main.url, "locked": locked.url, "key": KEY, "chromium": CHROMIUM, "examples": str(examples),
                "microphone": str(microphone),
            }  # fmt: skip
            yield node("page.mjs", json.dumps(given), timeout=180)
    finally:
        for one in (slow, evil, bad):
            one.close()


def found(seen: dict[str, Any], name: str) -> Any:
    assert "error_" not in seen[name], seen[name]["error_"]
    return seen[name]


def test_a_question_and_another_are_answered_and_survive_a_reload(seen: dict[str, Any]) -> None:
    it = found(seen, "asks")
    first, second = it["before"]
    assert "echo heard" in first
    assert "What is ordered?" in first
    assert "What is ordered?" in second  # the whole conversation was sent
    assert "Is that all?" in second
    assert it["after"]["answers"] == it["before"]
    assert it["after"]["asked"] == ["What is ordered?", "Is that all?"]
    assert it["after"]["waiting"][0].startswith("hesitant.flac")
    assert it["left"] == 0


def test_a_recording_is_made_and_asked_about(seen: dict[str, Any]) -> None:
    it = found(seen, "records")
    assert "0:02" <= it["time"] < "0:10"
    seconds = float(re.search(r"([\d.]+) s,", it["answers"][0])[1])  # type: ignore[index]
    assert 2.0 <= seconds < 10.0
    assert it["left"] == 0, "one was discarded"


def test_live_turns_are_written_answered_and_interrupted(seen: dict[str, Any]) -> None:
    it = found(seen, "talks")
    assert it["why"] == ["Interrupted.", "Stopped."]
    assert it["spoken"] == ["one two three"] * 2
    assert len(it["clips"]) == 2
    assert all("0:03" <= time <= "0:05" for time in it["clips"]), it["clips"]
    assert [state for state in it["states"] if state != "Thinking"][:4] == [
        "Connecting", "Listening", "Hearing you", "Answering",
    ]  # fmt: skip
    assert all(text.startswith("word0 word1") for text in it["answers"][:2])
    assert it["answers"][2].count("16000 Hz") == 2, "both turns are part of the conversation"


def test_tasks_are_views_that_play_and_can_be_kept(seen: dict[str, Any]) -> None:
    it = found(seen, "views")
    assert "coffee" in " ".join(it["lines"])
    assert it["srt"]["name"] == "order.transcript.srt"
    assert "00:00:00," in it["srt"]["text"]
    assert "coffee" in it["srt"]["text"]
    assert it["headings"] == ["Notes", "Meaning", "Music"]
    assert it["notes"]["text"].startswith("<!doctype html>")
    assert it["music"]
    assert it["failed"] == []


def test_what_a_model_says_is_text(seen: dict[str, Any]) -> None:
    it = found(seen, "escapes")
    assert it == {"answers": ["".join(EVIL)], "asked": "<b>bold</b>", "made": 0}


def test_errors_are_told_and_can_be_tried_again(seen: dict[str, Any]) -> None:
    it = found(seen, "fails")
    assert "fail" in it["error"]
    assert "cannot be reached" in it["gone"]
    assert "echo heard" in it["answers"][0]


def test_a_stopped_answer_keeps_what_came_and_there_is_one_at_a_time(seen: dict[str, Any]) -> None:
    it = found(seen, "stops")
    assert it["asked"] == 1
    for text in (it["kept"], it["stopped"]):
        assert "word0 word1" in text
        assert "Stopped." in text
        assert "Try again" in text


def test_a_key_is_asked_for_and_kept_for_the_tab(seen: dict[str, Any]) -> None:
    it = found(seen, "unlocks")
    assert it["focus"] == "key"
    assert "echo heard" in it["answers"][0]
    assert it["stored"] == ["hark-key"]


def test_files_are_dropped_and_addresses_added(seen: dict[str, Any]) -> None:
    it = found(seen, "drops")
    assert it["problem"] == "empty.flac is empty."
    assert it["tray"] == ["two.flac"]
    assert "127.0.0.1" in it["refused"]


def test_a_keyboard_is_enough(seen: dict[str, Any]) -> None:
    it = found(seen, "keyboard")
    assert it["slider"] == "0:02 of 0:03"
    assert it["chosen"] == "transcript"
    assert it["nameless"] == []
    assert it["wide"] == 390, "nothing is wider than a phone"


def test_nothing_was_asked_of_others_and_nothing_complained(seen: dict[str, Any]) -> None:
    assert seen["foreign"] == []
    assert seen["violations"] == []
    assert seen["console"] == []


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with serving("echo") as running:
        yield running


def test_the_browser_is_opened_where_that_is_wanted(tmp_path: Path) -> None:
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}.new && mv {opened}.new {opened}\n', encoding="utf-8")
    browser.chmod(0o700)
    command = [sys.executable, "-m", "hark", "serve", "--port", "0", "--model", "echo", "--quiet", "--open"]
    environment = os.environ | {"BROWSER": f"{browser} %s"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout
            address = process.stdout.readline().split()[-1]
            until = time.monotonic() + 10
            while not opened.exists() and time.monotonic() < until:
                time.sleep(0.05)
            assert opened.read_text(encoding="utf-8").strip() == address
            assert "Ask a recording anything" in httpx2.get(address).text
        finally:
            process.terminate()


def test_it_is_held_to_itself(server: Running) -> None:
    page = httpx2.get(f"{server.url}/")
    policy = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert {policy[f"{kind}-src"] for kind in ("script", "style", "connect", "img", "worker")} == {"'self'"}
    assert (policy["frame-ancestors"], policy["media-src"]) == ("'none'", "blob:")
    assert not re.search(r"unsafe|\*|https?:", page.headers["content-security-policy"])
    assert (page.headers["x-content-type-options"], page.headers["referrer-policy"]) == ("nosniff", "no-referrer")
    for name, text in FILES.items():
        part = httpx2.get(f"{server.url}/page/{name}")
        assert part.text == text
        again = httpx2.get(f"{server.url}/page/{name}", headers={"if-none-match": part.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    for path in ("/page/", "/page/../app.py", "/page/%2e%2e/app.py", "/page/nothing.js"):
        assert httpx2.get(server.url + path).status_code == 404
    assert httpx2.post(f"{server.url}/", content=b"").status_code == 400, "it is Hugging Face's door still"


def test_it_is_small_and_whole() -> None:
    assert sum(len(text.encode()) for text in FILES.values()) < 60_000
    for name, text in FILES.items():
        assert not re.search(r"https?://(?!www\.w3\.org/)\w", text), name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", text), (
            name
        )
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?! type=\"module\" src=)", FILES["index.html"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_its_colours_can_be_read(scheme: str) -> None:
    """WCAG 2.2, 1.4.3: 4.5 to 1 for text."""
    blocks = re.findall(r":root\s*{([^}]*)}", FILES["style.css"])
    colours = dict(re.findall(r"--(\w+):\s*(#\w+)", blocks[scheme == "dark"]))

    def light(name: str) -> float:
        digits = colours[name].removeprefix("#")
        digits = digits if len(digits) == 6 else "".join(2 * digit for digit in digits)
        linear = [
            v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4
            for v in (int(digits[n : n + 2], 16) / 255 for n in (0, 2, 4))
        ]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    pairs = [
        *product(("ink", "soft", "mark", "bad"), ("back", "card")),
        ("soft", "sunk"),
        ("ink", "tint"),
        ("mark", "tint"),
        ("on", "mark"),
    ]
    for pair in pairs:
        low, high = sorted(map(light, pair))
        assert (high + 0.05) / (low + 0.05) >= 4.5, pair
