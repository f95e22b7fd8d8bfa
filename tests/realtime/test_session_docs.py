"""What docs/live.md shows of sessions over a WebSocket runs word for word, but for the port."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from serving import serving

ROOT = Path(__file__).resolve().parents[2]


def test_the_example_of_a_session_runs() -> None:
    page = (ROOT / "docs" / "live.md").read_text(encoding="utf-8")
    section = page.partition("## Over a WebSocket")[2]
    found = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert found
    with serving("builtin") as server:
        code = found[1].replace("http://127.0.0.1:8000", server.url)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
        ran = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code],
            cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == 'I heard: "please make me a large coffee with two sugars"'
