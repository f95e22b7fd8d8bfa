"""The example that carries calls from Twilio to a live session, called by a scripted Twilio."""

from __future__ import annotations

import base64
import json
import runpy
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soxr
import uvicorn
from websockets.sync.client import connect

from hark.realtime.formats import Decoder
from serving import serving

if TYPE_CHECKING:
    from pathlib import Path

    import hark


def mu_law(clip: hark.Audio) -> list[str]:
    """A clip and a second of silence as Twilio sends them: 20 ms of mu-law at 8 kHz in base64."""
    sound = np.concatenate((clip.samples(16000), np.zeros(16000, np.float32)))
    values = Decoder("audio/pcmu")._decoded(bytes(range(256)))
    order = np.argsort(values, kind="stable")
    places = np.searchsorted(values[order], np.clip(soxr.resample(sound, 16000, 8000), -0.98, 0.98))
    data = order[places].astype(np.uint8).tobytes()
    return [base64.b64encode(data[at : at + 160]).decode() for at in range(0, len(data), 160)]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_calls_are_heard_and_answered(
    order: hark.Audio, examples: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving("builtin") as behind:
        monkeypatch.setenv("HARK_REALTIME", f"{behind.url.replace('http', 'ws')}/v1/realtime")
        app: Any = runpy.run_path(str(examples / "telephone.py"))["app"]
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        said = ""
        with connect(f"ws://127.0.0.1:{port}/media") as call:
            call.send(json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"}))
            call.send(json.dumps({"event": "start", "streamSid": "MZ1", "start": {"callSid": "CA1"}}))
            for piece in mu_law(order):
                media = {"track": "inbound", "payload": piece}
                call.send(json.dumps({"event": "media", "streamSid": "MZ1", "media": media}))
            ends = time.monotonic() + 20
            while not ("caller:" in said and "hark:" in said) and time.monotonic() < ends:
                time.sleep(0.05)
                said += capsys.readouterr().out
            call.send(json.dumps({"event": "stop", "streamSid": "MZ1"}))
        server.should_exit = True
        thread.join(20)
    assert "coffee" in said.partition("caller:")[2].partition("\n")[0]
    assert "hark:" in said
    assert "error:" not in said
