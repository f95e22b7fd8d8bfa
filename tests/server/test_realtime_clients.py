"""Live sessions with OpenAI's client for JavaScript, as browsers use it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import soxr
from nodejs import node

from hark.server import keys
from serving import serving

if TYPE_CHECKING:
    from pathlib import Path

    import hark

KEY = "hark-test-key-0123456789abcdef"


def test_openai_for_browsers_holds_a_dialogue(order: hark.Audio, tmp_path: Path) -> None:
    sound = np.concatenate((np.zeros(8000, np.float32), order.samples(16000), np.zeros(16000, np.float32)))
    pcm = tmp_path / "sound.pcm"
    pcm.write_bytes((np.clip(soxr.resample(sound, 16000, 24000), -1, 1) * 32767).astype("<i2").tobytes())
    with serving(keys=(keys.of(KEY),)) as server:
        found = node("--experimental-websocket", "openai_realtime.mjs", f"{server.url}/v1", KEY, str(pcm))
    assert found["text"] == found["whole"]
    assert found["text"].startswith("echo heard system: Be brief. | user: [3.")
    assert found["status"] == "completed"
    assert [error["code"] for error in found["errors"]] == ["response_cancel_not_active"]
    assert found["events"][0] == "session.created"
