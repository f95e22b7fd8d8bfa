"""Sound to measure with: made the same on every machine, and encoded to what people have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import av
import numpy as np
import soundfile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RATE = 44100
CODECS = {"mp3": ("libmp3lame", 1152), "m4a": ("aac", 1024)}


def seconds_of_sound(seconds: int) -> Iterator[np.ndarray]:
    """(44100, 2) float32 for each second: voiced syllables over noise, so that coders have real work to do."""
    random = np.random.default_rng(0)
    time = np.arange(RATE) / RATE
    for second in range(seconds):
        pitch = 110 * 2 ** (random.uniform(-0.5, 0.5) + 0.1 * np.sin(2 * np.pi * 2 * time))
        phase = 2 * np.pi * np.cumsum(pitch) / RATE
        voice = sum(np.sin(k * phase) / k for k in range(1, 20)) * (0.5 + 0.5 * np.sin(2 * np.pi * 4 * time + second))
        left = 0.15 * voice + 0.02 * random.standard_normal(RATE)
        right = 0.10 * voice + 0.02 * random.standard_normal(RATE)
        yield np.stack([left, right], 1).astype(np.float32)


def write(path: Path, seconds: int) -> Path:
    """Encode that many seconds to a file, by its ending; the same 20 s repeat, so that it is soon made."""
    loop = list(seconds_of_sound(min(20, seconds)))
    pieces = (loop[index % len(loop)] for index in range(seconds))
    kind = path.suffix[1:]
    if kind not in CODECS:
        with soundfile.SoundFile(path, "w", RATE, 2, subtype="PCM_16") as file:
            for piece in pieces:
                file.write(piece)
        return path
    codec, size = CODECS[kind]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE, layout="stereo")
        stream.bit_rate = 128_000
        convert = av.AudioResampler(
            format=stream.codec_context.format.name, layout="stereo", rate=RATE, frame_size=size
        )
        for piece in pieces:
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(piece.T), format="fltp", layout="stereo")
            frame.sample_rate = RATE
            for part in convert.resample(frame):
                container.mux(stream.encode(part))
        for part in convert.resample(None):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return path
