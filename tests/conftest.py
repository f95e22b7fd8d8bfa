"""What all tests share: recordings, tones, and a settings folder of their own."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import hark

ROOT = Path(__file__).resolve().parents[1]
os.environ.setdefault("OMP_NUM_THREADS", "1")  # pytest-xdist has a worker on each core; threads of each double the work
os.environ["HF_HUB_OFFLINE"] = "1"  # huggingface_hub otherwise asks its hub for a file once a day


@pytest.fixture(autouse=True)
def _own_settings(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the settings and models of the person who runs it."""
    folder = tmp_path_factory.mktemp("settings")
    for name in [name for name in os.environ if name.startswith("HARK_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HARK_SETTINGS", str(folder / "settings.toml"))
    monkeypatch.setenv("HARK_MODELS", str(folder / "models"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real recordings; its tests are skipped where it is absent."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the folder of real recordings is not here")
    return folder


@pytest.fixture(scope="session")
def examples() -> Path:
    """The recordings that come with hark."""
    return ROOT / "examples"


@pytest.fixture(scope="session")
def order(examples: Path) -> hark.Audio:
    """A spoken order, 3.4 s."""
    return hark.Audio.of(examples / "order.flac")


@pytest.fixture(scope="session")
def hesitant(examples: Path) -> hark.Audio:
    """A hesitant sentence, 3.9 s."""
    return hark.Audio.of(examples / "hesitant.flac")


@pytest.fixture
def tone(tmp_path: Path) -> Path:
    """One second of 440 Hz, 16 kHz mono, as a WAV file."""
    import soundfile

    path = tmp_path / "tone.wav"
    time = np.arange(16000) / 16000
    soundfile.write(path, (0.4 * np.sin(2 * np.pi * 440 * time)).astype(np.float32), 16000)
    return path
