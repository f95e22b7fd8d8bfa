"""Every format, whole, streamed and cut, gives the sound that was put in."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest

from hark.audio.audio import Audio

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FORMATS = {
    "a.wav": (None, 44100, {}),
    "a.flac": (None, 44100, {}),
    "a.aiff": (None, 44100, {}),
    "a.ogg": (None, 44100, {}),
    "a.mp3": ("libmp3lame", 44100, {}),
    "noxing.mp3": ("libmp3lame", 44100, {"write_xing": "0"}),
    "a.m4a": ("aac", 44100, {}),
    "fast.mp4": ("aac", 44100, {"movflags": "faststart", "video": "yes"}),
    "a.aac": ("aac", 44100, {}),
    "a.mkv": ("pcm_s16le", 44100, {}),
    "a.webm": ("libopus", 48000, {}),
    "a.opus": ("libopus", 48000, {}),
    "a.wma": ("wmav2", 44100, {}),
    "a.amr": ("libopencore_amrnb", 8000, {}),
}
EXACT = {"a.wav", "a.flac", "a.aiff", "a.mkv"}


@pytest.fixture(params=FORMATS)
def written(
    request: pytest.FixtureRequest, encode: Callable[..., Path], sound: Callable[..., np.ndarray]
) -> tuple[Path, np.ndarray, int]:
    codec, rate, options = FORMATS[request.param]
    samples = sound(4.0, rate, 1 if rate == 8000 else 2)
    return encode(request.param, samples, rate, codec, **options), samples, rate


def best_match(heard: np.ndarray, true: np.ndarray, most: int = 4000) -> float:
    """The highest correlation of two signals over delays of up to `most` samples (coders delay)."""
    size = 1 << (len(heard) + len(true)).bit_length()
    product = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(true, size)), size)
    return float(max(product[:most].max(), product[-most:].max()) / np.linalg.norm(heard) / np.linalg.norm(true))


def test_every_format_gives_the_sound_back(written: tuple[Path, np.ndarray, int]) -> None:
    path, samples, rate = written
    audio = Audio.of(path)
    assert (audio.rate, audio.channels) == (rate, samples.shape[1])
    native = audio.samples(rate, mono=False)
    assert native.dtype == np.float32
    assert audio.duration == len(native) / rate == pytest.approx(4.0, abs=0.12)
    assert audio.notices == ()
    if path.name in EXACT:
        assert np.abs(native - samples).max() < 1 / 32000
    assert best_match(native[:, 0], samples[:, 0]) > 0.95
    assert np.linalg.norm(native) == pytest.approx(np.linalg.norm(samples), rel=0.15)


def test_every_format_streams_cuts_and_says_its_length(written: tuple[Path, np.ndarray, int]) -> None:
    path, _, rate = written
    audio = Audio.of(path.read_bytes())
    said = audio.duration  # before anything was decoded
    whole = audio.samples()
    assert said == pytest.approx(audio.duration, abs=0.25)
    assert np.array_equal(np.concatenate(list(audio.stream(block_seconds=0.3))), whole)
    native = audio.samples(rate, mono=False)
    first, last = round(1.2345 * rate), round(2.5 * rate)
    assert np.array_equal(audio[1.2345:2.5].samples(rate, mono=False), native[first:last])


def test_mp3_in_blocks_is_what_ffmpeg_decodes(encode: Callable[..., Path]) -> None:
    """soundfile seeks after each block, which loses libmpg123's bit reservoir; FFmpeg is the judge."""
    noise = np.random.default_rng(3).uniform(-0.6, 0.6, (44100 * 8, 2)).astype(np.float32)
    noise[::7000] = 0.9
    path = encode("noise.mp3", noise, 44100, "libmp3lame")
    heard = Audio.of(path).samples(44100, mono=False)
    with av.open(str(path)) as container:
        true = np.concatenate([frame.to_ndarray().T for frame in container.decode(audio=0)])
    size = min(len(heard), len(true))
    assert abs(len(heard) - len(true)) <= 1152
    assert np.abs(heard[:size] - true[:size]).max() < 1e-4


def test_files_put_end_to_end_are_heard_to_the_end(
    encode: Callable[..., Path], sound: Callable[..., np.ndarray]
) -> None:
    for name, codec in (("a.mp3", "libmp3lame"), ("a.ogg", None)):
        path = encode(name, sound(3.0), 44100, codec)
        both = Audio.of(path.read_bytes() * 2)
        assert len(both.samples()) / 16000 == pytest.approx(6.0, abs=0.2), name


def test_late_sound_of_a_video_keeps_its_time(tmp_path: Path) -> None:
    """The audio track starts 1.5 s after the video's: times must be those of the recording."""
    path = tmp_path / "late.mkv"
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=5)
        video.width = video.height = 64
        video.pix_fmt = "yuv420p"
        stream = container.add_stream("flac", rate=16000, layout="mono")
        for _ in range(15):
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")))
        container.mux(video.encode(None))
        for at in range(0, 16000, 1000):
            frame = av.AudioFrame.from_ndarray(np.full((1, 1000), 9000, np.int16), format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 16000, 24000 + at, stream.codec_context.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    heard = Audio.of(path).samples()
    assert int(np.argmax(np.abs(heard) > 0.1)) / 16000 == pytest.approx(1.5, abs=0.03)
    assert len(heard) / 16000 == pytest.approx(2.5, abs=0.03)


def test_decoders_say_nothing_on_stderr(encode: Callable[..., Path], sound: Callable[..., np.ndarray]) -> None:
    paths = [
        encode("a.mp3", sound(3.0), 44100, "libmp3lame"),
        encode("a.m4a", sound(3.0), 44100, "aac", movflags="faststart"),
    ]
    code = """
        import sys
        from hark.audio.audio import Audio
        for path in sys.argv[1:]:
            data = open(path, "rb").read()
            middle = len(data) // 2
            hole = data[:middle] + bytes(3000) + data[middle + 3000:]
            for broken in (data, data[:middle], hole, data[:64] + data[4000:]):
                try:
                    Audio.of(broken).samples()
                    Audio.of(broken)[1:2].samples()
                except ValueError:
                    pass
    """
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout == ""


def test_real_recordings(shared_data: Path) -> None:
    seconds = {"jfk.flac": 11.0, "reading.flac": 13.69, "digits_8khz.wav": 8.308, "multilingual.mp3": 59.9}
    for name, length in seconds.items():
        audio = Audio.of(shared_data / "clips" / name)
        assert len(audio.samples()) / 16000 == pytest.approx(length, abs=0.01)
        assert audio.notices == ()


@pytest.mark.parametrize("channels", [(2, 1), (1, 2)])
def test_channels_that_change_within_a_file_are_all_heard(
    channels: tuple[int, int], encode: Callable[..., Path], sound: Callable[..., np.ndarray]
) -> None:
    parts = [encode(f"{count}.aac", sound(1.0, 44100, count), 44100, "aac").read_bytes() for count in channels]
    audio = Audio.of(b"".join(parts))
    heard = audio.samples(44100)
    assert len(heard) == pytest.approx(2 * 44100, abs=6000)
    assert np.std(heard[: len(heard) // 2]) > 0.1
    assert np.std(heard[len(heard) // 2 :]) > 0.1


@pytest.mark.parametrize(("codec", "channels"), [("aac", 8), ("wavpack", 8), ("aac", 16), ("wavpack", 16)])
def test_each_of_many_channels_is_heard(codec: str, channels: int, tmp_path: Path) -> None:
    """Where there are eight planes or more, PyAV takes what lies behind them for further ones, and crashes."""
    path, layout = tmp_path / "a.mkv", {8: "7.1", 16: "hexadecagonal"}[channels]
    tones = 300 * (np.arange(channels) + 1)
    sound = 0.1 * np.sin(2 * np.pi * np.arange(48000)[:, np.newaxis] / 48000 * tones)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=48000, layout=layout)
        form = stream.codec_context.format.name
        frame = av.AudioFrame.from_ndarray(sound.astype(np.float32).reshape(1, -1), format="flt", layout=layout)
        frame.sample_rate = 48000
        convert = av.AudioResampler(format=form, layout=layout, rate=48000, frame_size=1024)
        for piece in [*convert.resample(frame), *convert.resample(None), None]:
            container.mux(stream.encode(piece))
    heard = Audio.of(path).samples(48000, mono=False)[8000:40000]
    assert heard.shape[1] == channels
    loudest = np.abs(np.fft.rfft(heard, axis=0)).argmax(0) * 48000 / len(heard)
    found = [n for n in range(channels) if abs(loudest[n] - tones[n]) < 5]
    assert len(found) >= channels - 1  # AAC keeps little of the channel for low frequencies
