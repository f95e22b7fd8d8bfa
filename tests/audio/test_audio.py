"""One value for everything that can be heard: what it may be made of, equality, cutting, laziness."""

from __future__ import annotations

import base64
import gc
import io
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile

from hark.audio.audio import Audio
from hark.errors import AudioEmptyError, AudioError, OptionError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

N = 16000
SAMPLES = (0.4 * np.sin(2 * np.pi * 440 * np.arange(N) / N)).astype(np.float32)


def ways(path: Path) -> dict[str, Callable[[], Any]]:
    data = path.read_bytes()
    text = base64.b64encode(data).decode()
    written = io.BytesIO()
    written.write(data)
    return {
        "text": lambda: str(path),
        "path": lambda: path,
        "file address": lambda: path.as_uri(),
        "bytes": lambda: data,
        "bytearray": lambda: bytearray(data),
        "memoryview": lambda: memoryview(data),
        "file": lambda: path.open("rb"),
        "memory file": lambda: io.BytesIO(data),
        "memory file just written": lambda: written,
        "base64": lambda: text,
        "base64 in lines": lambda: base64.encodebytes(data).decode(),
        "data address": lambda: f"data:audio/wav;base64,{text}",
        "dict of bytes": lambda: {"bytes": data, "path": "tone.wav"},
        "dict of path": lambda: {"bytes": None, "path": str(path)},
    }


def test_the_same_content_is_the_same_audio_however_it_is_given(tone: Path) -> None:
    first = Audio.of(tone)
    for how, given in ways(tone).items():
        source = given()
        audio = Audio.of(source)
        assert audio == first, how
        assert hash(audio) == hash(first), how
        assert np.array_equal(audio.samples(), first.samples()), how
        if hasattr(source, "close") and not isinstance(source, io.BytesIO):
            source.close()
    assert Audio.of(first) is first


def test_names(tone: Path) -> None:
    assert Audio.of(tone).name == "tone.wav"
    assert Audio.of(tone.read_bytes()).name == "bytes"
    assert Audio.of(SAMPLES, N).name == "array"
    assert Audio.of(tone, name="call 7").name == "call 7"
    assert Audio.of({"bytes": tone.read_bytes(), "path": "x/y.wav"}).name == "y.wav"
    with tone.open("rb") as file:
        assert Audio.of(file).name == "tone.wav"
    assert Audio.of("https://example.org/c.ogg?token=secret").name == "https://example.org/c.ogg"


def test_standard_input(tone: Path) -> None:
    code = "import sys; from hark.audio.audio import Audio; a = Audio.of(sys.stdin.buffer); print(a.name, a.duration)"
    done = subprocess.run([sys.executable, "-c", code], input=tone.read_bytes(), capture_output=True, check=True)
    assert done.stdout.decode().split() == ["stdin", "1.0"]


def test_a_named_pipe_is_read_once_and_heard_often(tone: Path, tmp_path: Path) -> None:
    import os

    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(tone.read_bytes()))
    writer.start()
    audio = Audio.of(pipe)
    writer.join()
    assert np.array_equal(audio.samples(), audio.samples())
    assert audio == Audio.of(tone)


@pytest.mark.parametrize(
    ("given", "scale"),
    [
        (SAMPLES, 1e-7),
        (SAMPLES.astype(np.float64), 1e-7),
        (SAMPLES.astype(np.float16), 1e-3),
        (np.rint(SAMPLES * 32768).astype(np.int16), 2e-5),
        (np.rint(SAMPLES.astype(np.float64) * 2**31).astype(np.int32), 1e-7),
        (np.rint(SAMPLES * 128).astype(np.int8), 1e-2),
        (np.rint(SAMPLES * 128 + 128).astype(np.uint8), 1e-2),
        (SAMPLES.tolist(), 1e-7),
        (np.rint(SAMPLES * 32768).astype(int).tolist(), 2e-5),
    ],
    ids=["f4", "f8", "f2", "i2", "i4", "i1", "u1", "floats", "ints"],
)
def test_arrays_are_scaled_by_their_type(given: Any, scale: float) -> None:
    assert np.abs(Audio.of(given, N).samples() - SAMPLES).max() <= scale


def test_floats_beyond_full_scale_are_kept() -> None:
    assert np.array_equal(Audio.of(SAMPLES * 5, N).samples(), SAMPLES * 5)


def test_layouts_of_channels() -> None:
    pair = np.stack([SAMPLES, -SAMPLES / 2], 1)
    for given in (pair, pair.T, np.asfortranarray(pair), pair.T[np.newaxis]):
        audio = Audio.of(given, N)
        assert audio.channels == 2
        assert np.array_equal(audio.samples(mono=False), pair)
    assert Audio.of(SAMPLES[np.newaxis], N).channels == Audio.of(SAMPLES[:, np.newaxis], N).channels == 1


@pytest.mark.parametrize("shape", [(2, 2), (3, 4), (40, 50), (2, 3, 100), (33, 1000)])
def test_unclear_layouts_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(AudioError, match=r"shape|axes"):
        Audio.of(np.zeros(shape, np.float32), N)


def test_pairs_dicts_and_tensors() -> None:
    class Tensor:
        dtype = "torch.float32"

        def detach(self) -> Tensor:
            return self

        def cpu(self) -> np.ndarray:
            return SAMPLES

        def __array__(self) -> np.ndarray:
            raise AssertionError("a tensor that needs gradients cannot be read directly")

    whole = Audio.of(SAMPLES, N)
    for given in (
        (N, SAMPLES),
        (SAMPLES, N),
        {"array": SAMPLES, "sampling_rate": N},
        {"raw": SAMPLES, "sampling_rate": N},
    ):
        assert Audio.of(given) == whole
    assert Audio.of(Tensor(), N) == whole


@pytest.mark.parametrize("rate", [None, 0, -1, 16000.5, "fast", float("nan"), float("inf")])
def test_arrays_need_a_rate(rate: Any) -> None:
    with pytest.raises(AudioError, match=r"rate|samples per second"):
        Audio.of(SAMPLES, rate)


def test_a_rate_for_a_file_is_refused(tone: Path) -> None:
    with pytest.raises(AudioError, match="says its own"):
        Audio.of(tone, 8000)


def test_an_array_changed_later_changes_nothing() -> None:
    mine = SAMPLES.copy()
    audio = Audio.of(mine, N)
    mine[:] = 0
    assert np.array_equal(audio.samples(), SAMPLES)


def test_other_content_is_another_audio(tone: Path) -> None:
    assert Audio.of(SAMPLES, N) != Audio.of(SAMPLES, N // 2)
    assert Audio.of(SAMPLES, N) != Audio.of(SAMPLES[1:], N)
    assert len({Audio.of(tone), Audio.of(tone), Audio.of(SAMPLES, N)}) == 2
    assert len(Audio.of(tone).id) == 64


def test_cutting(tone: Path) -> None:
    audio = Audio.of(tone)
    whole = audio.samples()
    part = audio[0.25:0.75]
    assert (part.start, part.stop, part.duration) == (0.25, 0.75, 0.5)
    assert np.array_equal(part.samples(), whole[4000:12000])
    inner = part[0.1:0.2]
    assert inner.start == pytest.approx(0.35)
    assert np.array_equal(inner.samples(), whole[5600:7200])
    assert part[0.4:9].duration == pytest.approx(0.1)
    assert np.array_equal(audio[-0.25:].samples(), whole[12000:])
    assert audio[0.5:9].duration == 0.5
    assert audio[:] == audio
    assert part == Audio.of(tone.read_bytes())[0.25:0.75]
    assert part != audio[0.25:0.8]
    assert len({part, audio[0.25:0.75], audio}) == 2


def test_wrong_cuts(tone: Path) -> None:
    audio = Audio.of(tone)
    for wrong in (slice(0, 1, 2), 3, slice("a", None), slice(float("nan"), None)):
        with pytest.raises(AudioError):
            audio[wrong]  # type: ignore[index]
    for nothing in (audio[0.5:0.5], audio[0.7:0.2], audio[5:], audio[5:6]):
        assert nothing.duration == 0
        with pytest.raises(AudioEmptyError):
            nothing.samples()


@pytest.mark.parametrize("rate", [0, -1, 16000.5, 10**9, True])
def test_wrong_rates_wanted(tone: Path, rate: Any) -> None:
    with pytest.raises(OptionError):
        Audio.of(tone).samples(rate)
    with pytest.raises(OptionError):
        next(Audio.of(tone).stream(block_seconds=0))


def test_wav_for_servers(tone: Path) -> None:
    audio = Audio.of(np.stack([SAMPLES, SAMPLES], 1), N)
    samples, rate = soundfile.read(io.BytesIO(audio.to_wav()), dtype="float32")
    assert rate == 16000
    assert np.abs(samples - SAMPLES).max() < 1 / 60000
    assert np.array_equal(Audio.of(Audio.of(tone).to_wav()).samples(), Audio.of(tone).samples())
    loud, _ = soundfile.read(io.BytesIO(Audio.of(SAMPLES * 4, N).to_wav()), dtype="float32")
    assert loud.max() == pytest.approx(1, abs=1e-4)
    assert loud.min() == -1


def test_nothing_is_decoded_before_it_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "no.wav"
    path.write_bytes(b"certainly not a recording")
    audio = Audio.of(path)
    assert audio.name == "no.wav"
    assert audio[1:2].start == 1
    assert "no.wav" in repr(audio)
    with pytest.raises(AudioError):
        _ = audio.rate


def test_temporary_files_go_with_the_audio(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    big = io.BytesIO()
    soundfile.write(big, np.zeros(5_000_000, np.float32), 16000, format="WAV")
    audio = Audio.of(big)
    assert len(list(tmp_path.iterdir())) == 1
    part = audio[1:2]
    del audio
    gc.collect()
    assert len(part.samples()) == 16000
    del part
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_threads_hear_the_same(tone: Path) -> None:
    audio = Audio.of(tone)
    heard: list[np.ndarray] = []
    threads = [threading.Thread(target=lambda: heard.append(audio.samples())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(heard) == 8
    assert all(np.array_equal(one, heard[0]) for one in heard)
