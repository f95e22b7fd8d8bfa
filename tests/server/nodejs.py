"""Runs a script of `clients/` with Node, which holds the JavaScript clients that the server is tested with."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

CLIENTS = Path(__file__).parent / "clients"


def node(script: str, *args: str, timeout: float = 60.0) -> Any:
    """What a script writes to stdout, as JSON; the test is skipped where Node or its packages are missing."""
    if shutil.which("node") is None or not (CLIENTS / "node_modules" / "openai").is_dir():
        pytest.skip("Node or its packages are not here: make test installs them")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "HF_"))}
    ran = subprocess.run(
        ["node", "--no-warnings", script, *args],
        cwd=CLIENTS, env=environment, capture_output=True, text=True, timeout=timeout, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, f"{script} failed:\n{ran.stderr}\n{ran.stdout}"
    return json.loads(ran.stdout)
