"""Sounds made for the tests of `audio/`, and every way to write them to a file."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest
import soundfile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_FRAME = {"libopencore_amrnb": 160, "libopus": 960, "libmp3lame": 1152}


@pytest.fixture(scope="session")
def sound() -> Callable[..., np.ndarray]:
    """Makes (n, channels) float32: a rising tone, other in each channel, with a little noise."""

    def make(seconds: float, rate: int = 44100, channels: int = 2) -> np.ndarray:
        time = np.arange(round(seconds * rate)) / rate
        noise = np.random.default_rng(7).standard_normal((len(time), channels)) * 0.01
        tones = [0.3 * np.sin(2 * np.pi * (200 * (c + 1) + 30 * time) * time) for c in range(channels)]
        return (np.stack(tones, 1) + noise).astype(np.float32)

    return make


@pytest.fixture
def encode(tmp_path: Path) -> Callable[..., Path]:
    """Writes (n, channels) samples to a file: by soundfile, or by FFmpeg's encoder where a codec is named."""

    def write(name: str, samples: np.ndarray, rate: int, codec: str | None = None, **options: str) -> Path:
        path = tmp_path / name
        if codec is None:
            soundfile.write(path, samples, rate, **options)
        else:
            _ffmpeg(path, samples, rate, codec, options)
        return path

    return write


def _ffmpeg(path: Path, samples: np.ndarray, rate: int, codec: str, options: dict[str, Any]) -> None:
    layout = "stereo" if samples.shape[1] == 2 else "mono"
    video = options.pop("video", None)
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        if not codec.startswith("pcm"):
            stream.bit_rate = 12200 if rate == 8000 else 128000
        finish = _picture(container) if video else None
        convert = av.AudioResampler(
            format=stream.codec_context.format.name, layout=layout, rate=rate, frame_size=_FRAME.get(codec, 1024)
        )
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T), format="fltp", layout=layout)
        frame.sample_rate = rate
        for piece in [*convert.resample(frame), *convert.resample(None)]:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
        if finish:
            finish()


def _picture(container: Any) -> Callable[[], None]:
    """Adds a video track of one second; what is returned writes it, once all tracks are there."""
    stream = container.add_stream("mpeg4", rate=5)
    stream.width = stream.height = 64
    stream.pix_fmt = "yuv420p"

    def write() -> None:
        for index in range(5):
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 5)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))

    return write


@pytest.fixture
def silent_video(tmp_path: Path) -> Path:
    """A video without an audio track."""
    path = tmp_path / "mute.mp4"
    with av.open(str(path), "w") as container:
        _picture(container)()
    return path
