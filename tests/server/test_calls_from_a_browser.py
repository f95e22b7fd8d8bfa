"""A call over WebRTC from a page of another address, in Chromium."""

from __future__ import annotations

import contextlib
import http.server
import json
import shutil
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
import soxr

pytest.importorskip("aiortc")

import aioice.ice
from nodejs import CLIENTS, node

from serving import serving
from tiny.openai_server import CHAT, Exchange, LoopbackServer, chat_chunks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import hark

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
QUIET = 0.6, 1.3, 5.0  # seconds before, between and after the turns


@pytest.fixture
def microphone(order: hark.Audio, hesitant: hark.Audio, tmp_path: Path) -> Path:
    first, between, last = (np.zeros(round(seconds * 16000), np.float32) for seconds in QUIET)
    heard = np.concatenate([first, order.samples(16000), between, hesitant.samples(16000), last])
    path = tmp_path / "microphone.wav"
    soundfile.write(path, soxr.resample(heard, 16000, 48000), 48000, subtype="PCM_16")
    return path


class Page(http.server.BaseHTTPRequestHandler):
    """A page of nothing, with an address of its own."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        pass


@contextlib.contextmanager
def page() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as served:
        thread = threading.Thread(target=served.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{served.server_port}"
        finally:
            served.shutdown()
            thread.join()


def at_length_first(ask: Exchange) -> None:
    """The first answer is long and slow, others are not."""

    def slowly() -> Iterator[Any]:
        for chunk in chat_chunks(*(f"word{number} " for number in range(400))):
            time.sleep(0.02)
            yield chunk

    turns = len(ask.wavs)
    ask.stream(slowly() if turns == 1 else chat_chunks(f"I heard {turns} turns."))


def test_turns_from_a_browser_are_answered_and_interrupt(microphone: Path, order: hark.Audio) -> None:
    if CHROMIUM is None or not (CLIENTS / "node_modules" / "playwright-core").is_dir():
        pytest.skip("There is no Chromium here, or no playwright-core: make test installs the latter")
    model = LoopbackServer({CHAT: at_length_first})
    with page() as address, serving(f"slow=openai:m@{model.url}", origins=(address,)) as server:
        alone = not aioice.ice.get_host_addresses(use_ipv4=True, use_ipv6=True)  # a machine with nothing but loopback
        given = {
            "flags": ["--allow-loopback-in-peer-connection"] if alone else [],
            "chromium": CHROMIUM, "page": address, "server": server.url, "microphone": str(microphone), "done": 2,
            "session": {"type": "realtime", "model": "slow", "instructions": "Be brief."},
        }  # fmt: skip
        seen = node("webrtc.mjs", json.dumps(given))
        assert server.service.live.count == 0
    model.close()
    assert seen["hangup"] == 200
    assert seen["location"].startswith("/v1/realtime/calls/rtc_")
    events = seen["events"]
    assert events[0]["type"] == "session.created"
    assert events[0]["session"]["instructions"] == "Be brief."
    first, second = [one["response"] for one in events if one["type"] == "response.done"]
    assert (first["status"], first["status_details"]["reason"]) == ("cancelled", "turn_detected")
    assert second["output"][0]["content"][0]["text"] == "I heard 2 turns."
    starts = [one["audio_start_ms"] / 1000 for one in events if one["type"].endswith("speech_started")]
    assert len(starts) == 2
    apart = order.duration + QUIET[1]  # true to the recording, whenever the call was connected
    assert starts[1] - starts[0] == pytest.approx(apart, abs=0.5)
