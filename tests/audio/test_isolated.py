"""Decoding in processes of their own: as in this one, and whatever happens to them is told and mended."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import pytest
import soundfile

from hark.audio.audio import Audio
from hark.audio.isolated import IsolatedSource, OpenSource
from hark.audio.isolated_pool import Decoders, Limits
from hark.audio.sources import BytesSource, FileSource
from hark.errors import AudioEmptyError, AudioError, AudioTooLargeError, AudioUnreadableError, HarkError, OutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def decoders() -> Iterator[Decoders]:
    found = Decoders(size=2)
    yield found
    found.close()


@contextlib.contextmanager
def decoding(size: int = 1, **limits: Any) -> Iterator[Decoders]:
    found = Decoders(Limits(**limits), size=size)
    try:
        yield found
    finally:
        found.close()


def isolated(data: bytes, decoders: Decoders, name: str = "a") -> Audio:
    return Audio.of(IsolatedSource(BytesSource(data, name), decoders))


def wav(samples: np.ndarray, rate: int = 16000, form: str = "WAV", **options: str) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, samples, rate, format=form, **options)
    return out.getvalue()


NOISE = (np.random.default_rng(5).standard_normal(160_000) * 0.1).astype(np.float32)
GOOD = wav(NOISE)


def result(audio: Audio) -> Any:
    """Everything that can be learned of a recording, or the error."""
    try:
        whole = audio.samples(audio.rate, mono=False)
        cut = audio[0.3:1.7].samples()
        last = audio.channel(audio.channels - 1)[0.2:].samples()
        notices = audio.notices
    except AudioError as error:
        return type(error), error.message, error.hint, audio.id
    about = (audio.id, audio.rate, audio.channels, audio.duration, notices)
    return about, whole.shape, whole.tobytes(), cut.tobytes(), last.tobytes()


FORMATS = {
    "a.wav": None, "a.flac": None, "a.ogg": None, "a.aiff": None, "a.caf": None, "a.w64": None, "a.au": None,
    "a.mp3": "libmp3lame", "a.m4a": "aac", "a.opus": "libopus", "a.webm": "libopus", "a.mkv": "pcm_s16le",
    "a.wma": "wmav2", "a.ts": "aac", "a.wv": "wavpack", "a.mp4": "aac",
}  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_decoded_apart_is_what_is_decoded_here(
    name: str, decoders: Decoders, encode: Callable[..., Path], sound: Callable[..., np.ndarray]
) -> None:
    codec = FORMATS[name]
    rate = 48000 if codec == "libopus" else 44100
    options = {"video": "yes"} if name == "a.mp4" else {}
    data = encode(name, sound(3.0, rate), rate, codec, **options).read_bytes()
    random = np.random.default_rng(3)
    damaged = bytearray(data)
    for at in random.integers(len(data) // 3, len(data), 30):
        damaged[at] = random.integers(256)
    for given in (data, data[: len(data) * 6 // 10], data[:200], bytes(damaged), data + data):
        here, apart = Audio.of(given, name=name), isolated(given, decoders, name)
        assert result(apart) == result(here)


def test_numbers_that_are_none_are_cleaned_as_here(decoders: Decoders) -> None:
    samples = NOISE[:16000].copy()
    samples[[5, 100]] = np.nan, np.inf
    data = wav(samples, subtype="FLOAT")
    (notice,) = [*dict.fromkeys(result(isolated(data, decoders))[0][4])]
    assert notice.kind == "cleaned"
    assert result(isolated(data, decoders)) == result(Audio.of(data, name="a"))


@pytest.mark.parametrize(
    ("data", "kind"),
    [(b"%PDF-1.7 ...", AudioUnreadableError), (wav(NOISE[:0]), AudioEmptyError), (b"\1" * 500, AudioUnreadableError)],
)
def test_errors_are_those_of_here(data: bytes, kind: type[AudioError], decoders: Decoders) -> None:
    assert result(isolated(data, decoders)) == result(Audio.of(data, name="a"))
    audio = isolated(data, decoders)
    for _ in range(2):
        with pytest.raises(kind):
            audio.samples()


def test_files_by_name_and_files_without_one(decoders: Decoders, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(GOOD)
    audio = Audio.of(IsolatedSource(FileSource(path), decoders))
    assert (audio.id, audio.name) == (Audio.of(path).id, "a.wav")
    with tempfile.SpooledTemporaryFile(max_size=10) as file:
        file.write(GOOD)
        audio = Audio.of(IsolatedSource(OpenSource(file, "upload"), decoders))  # type: ignore[arg-type]
    assert np.array_equal(audio.samples(), Audio.of(path).samples())  # though whoever opened it closed it
    assert audio.id == Audio.of(path).id


def test_it_is_decoded_once_and_nothing_is_left(decoders: Decoders, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[str] = []
    decode = decoders.decode
    monkeypatch.setattr(decoders, "decode", lambda file, name: counted.append(name) or decode(file, name))
    result(isolated(GOOD, decoders))
    assert counted == ["a"]
    process = psutil.Process()
    before = process.num_fds()
    for _ in range(20):
        result(isolated(GOOD, decoders))
        with pytest.raises(AudioUnreadableError):
            isolated(b"\1" * 500, decoders).samples()
    assert process.num_fds() <= before
    for pid in decoders.pids:
        assert psutil.Process(pid).num_fds() < 10


def test_many_at_once(decoders: Decoders) -> None:
    clips = [wav(np.roll(NOISE, number)) for number in range(60)]
    found: dict[int, bytes] = {}

    def work(number: int) -> None:
        found[number] = isolated(clips[number], decoders).samples().tobytes()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(decoders.pids) <= 2
    assert all(found[number] == Audio.of(clips[number]).samples().tobytes() for number in range(60))


def running(work: Callable[[], Any]) -> tuple[threading.Thread, list[BaseException | Any]]:
    found: list[BaseException | Any] = []

    def run() -> None:
        try:
            found.append(work())
        except HarkError as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, found


def busy(decoders: Decoders) -> int:
    """Wait until its one process is at work, and stop it there."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        for pid in decoders.pids:
            if psutil.Process(pid).rlimit(psutil.RLIMIT_NOFILE)[0] == 0:
                os.kill(pid, signal.SIGSTOP)
                return pid
        time.sleep(0.001)
    raise AssertionError


LONG = wav(np.tile(NOISE, 300), form="FLAC")


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSEGV])
def test_a_process_that_dies_is_replaced_and_only_its_recording_fails(end: signal.Signals) -> None:
    with decoding() as decoders:
        decoders.warm()
        thread, found = running(isolated(LONG, decoders, "bomb").samples)
        pid = busy(decoders)
        waiting, well = running(isolated(GOOD, decoders).samples)
        os.kill(pid, end)
        os.kill(pid, signal.SIGCONT)
        thread.join(20)
        waiting.join(20)
        assert isinstance(found[0], AudioUnreadableError)
        assert "bomb broke the decoder" in found[0].message
        assert len(well[0]) == len(NOISE)
        assert pid not in decoders.pids
        os.kill(decoders.pids[0], signal.SIGKILL)  # while it has nothing to do: nobody notices
        time.sleep(0.05)
        assert len(isolated(GOOD, decoders).samples()) == len(NOISE)


def test_a_process_that_hangs_is_killed_in_time() -> None:
    with decoding(wall_seconds=0.6) as decoders:
        decoders.warm()
        begun = time.monotonic()
        thread, found = running(isolated(LONG, decoders, "slow").samples)
        pid = busy(decoders)
        thread.join(20)
        assert time.monotonic() - begun < 5
        assert "slow took longer than 0.6 s" in found[0].message
        assert not psutil.pid_exists(pid)
        assert len(isolated(GOOD, decoders).samples()) == len(NOISE)


def test_who_waits_no_longer_frees_the_process() -> None:
    gone = threading.Event()
    decoders = Decoders(Limits(), size=1, unwanted=gone.is_set)
    with contextlib.closing(decoders):
        decoders.warm()
        thread, found = running(isolated(LONG, decoders).samples)
        pid = busy(decoders)
        queued, also = running(isolated(GOOD, decoders).samples)
        gone.set()
        thread.join(5)
        queued.join(5)
        assert "Nobody waits" in found[0].message
        assert "Nobody waits" in also[0].message
        assert not psutil.pid_exists(pid)
        gone.clear()
        assert len(isolated(GOOD, decoders).samples()) == len(NOISE)


def test_limits() -> None:
    with decoding(seconds=5, channels=4, bytes=2_000_000) as decoders:
        for data, what in (
            (GOOD, "longer than the limit of 5 seconds"),
            (wav(np.zeros((100, 5))), "has 5 channels; up to 4"),
            (wav(np.zeros((150_000, 4)), 48000), "limit of 1.90735 MiB"),
            (unpromised(NOISE), "longer than the limit of 5 seconds"),
            (unpromised(np.zeros((150_000, 4)), 48000), "limit of 1.90735 MiB"),
        ):
            with pytest.raises(AudioTooLargeError) as caught:
                isolated(data, decoders).samples()
            assert what in caught.value.message
            assert caught.value.hint
        assert len(isolated(wav(NOISE[:16000]), decoders).samples()) == 16000


def unpromised(samples: np.ndarray, rate: int = 16000) -> bytes:
    """A FLAC that does not say how long it is."""
    data = bytearray(wav(samples, rate, "FLAC"))
    data[21] &= 0xF0
    data[22:26] = bytes(4)  # total samples in STREAMINFO: 0 is "unknown"
    return bytes(data)


def test_a_bomb_is_stopped_by_what_it_writes() -> None:
    with decoding(seconds=100) as decoders:
        decoders.warm()
        silence = unpromised(np.zeros(48000 * 300, np.int16), 48000)  # which does not say how long it is
        assert len(silence) < 200_000
        begun = time.monotonic()
        with pytest.raises(AudioTooLargeError, match="100 seconds"):
            isolated(silence, decoders).samples()
        assert time.monotonic() - begun < 5


def test_a_process_may_take_only_so_much_memory() -> None:
    data = b"OggS\0\2" + np.random.default_rng(1).bytes(3_000_000)
    with decoding(memory=2**20) as decoders, pytest.raises(AudioUnreadableError, match="memory"):
        isolated(data, decoders).samples()


def test_a_full_disk_is_told(decoders: Decoders, monkeypatch: pytest.MonkeyPatch) -> None:
    from hark.audio import isolated_pool

    empty = isolated_pool._empty
    monkeypatch.setattr(isolated_pool, "_empty", lambda _: os.open("/dev/full", os.O_RDWR))
    with pytest.raises(OutputError, match="no room to decode a"):
        isolated(GOOD, decoders).samples()
    monkeypatch.setattr(isolated_pool, "_empty", empty)
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "tempdir", "/nowhere")
        with pytest.raises(OutputError, match="no room to decode a") as caught:
            isolated(GOOD, decoders).samples()
    assert "TMPDIR" in caught.value.hint
    assert len(isolated(GOOD, decoders).samples()) == len(NOISE)


SAID: dict[str, Any] = {"rate": 16000, "channels": 1, "frames": 0, "firm": True, "exact": True, "trouble": ""}
SAID |= {"counted": 0, "offset": None, "kind": "=f4"}
LIES = {"counted": 10, "offset": 0, "kind": "<i2"}  # of a recording with 20 bytes


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"error": "SystemExit", "message": "x"},
        {"error": "HarkError", "message": "x"},
        {"error": 5},
        SAID | {"counted": 5},
        SAID | {"rate": 0},
        SAID | {"channels": -1},
        SAID | {"more": 1},
        SAID | LIES | {"offset": 1},
        SAID | LIES | {"offset": -1},
        SAID | LIES | {"kind": "<i4"},
        SAID | LIES | {"kind": "O"},
        SAID | LIES | {"channels": 2},
        SAID | LIES | {"counted": 2**62, "channels": 2**62},
    ],
)
def test_what_a_process_says_is_not_believed(said: dict[str, Any]) -> None:
    """A recording may have taken it over."""
    from hark.audio import isolated_pool

    with tempfile.TemporaryFile(buffering=0) as file, tempfile.TemporaryFile() as out:
        file.write(bytes(20))
        with pytest.raises(AudioUnreadableError):
            isolated_pool._decoded(said, file.fileno(), out.fileno(), "a")
        for right in (SAID, SAID | LIES):
            assert isolated_pool._decoded(right, file.fileno(), out.fileno(), "a").rate == 16000


SUBTYPES = {"PCM_U8": True, "PCM_16": True, "PCM_24": False, "PCM_32": True, "FLOAT": True, "DOUBLE": False}
SUBTYPES |= {"ULAW": False, "IMA_ADPCM": False}


@pytest.mark.parametrize("form", ["WAV", "WAVEX"])
@pytest.mark.parametrize(("subtype", "lies"), SUBTYPES.items())
def test_frames_of_plain_pcm_are_read_where_they_lie(
    form: str, subtype: str, lies: bool, decoders: Decoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hark.audio import isolated_pool

    places: list[bool] = []
    check = isolated_pool._decoded

    def seen(said: dict[str, Any], *rest: Any) -> Any:
        places.append(said.get("offset") is not None)
        return check(said, *rest)

    monkeypatch.setattr(isolated_pool, "_decoded", seen)
    if form == "WAVEX" and subtype == "IMA_ADPCM":
        pytest.skip("there is no such file")
    loud = np.concatenate([NOISE[:9000] * 12, [-1.0, 1.0, 0.0]])  # at and beyond full scale
    for channels in (1, 2):
        data = wav(np.repeat(loud, channels).reshape(-1, channels), form=form, subtype=subtype)
        at = data.index(b"data")
        chunk = b"LIST" + (7).to_bytes(4, "little") + b"INFOabc\0"
        for given in (data, data[:-1], data[: at + 1009], data[:at] + chunk + data[at:], data + chunk, data + b"x" * 9):
            assert result(isolated(given, decoders)) == result(Audio.of(given, name="a"))
    assert len(places) == 12
    assert all(places) is any(places) is lies


def test_two_frames_and_one(decoders: Decoders) -> None:
    for count in (1, 2, 255, 256, 257, 513):
        data = wav(NOISE[:count])
        assert result(isolated(data, decoders)) == result(Audio.of(data, name="a"))


def test_a_process_at_work_can_open_nothing_and_knows_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARK_API_KEYS", "a secret")
    with decoding() as decoders:
        decoders.warm()
        thread, _ = running(isolated(LONG, decoders).samples)
        pid = busy(decoders)
        process = psutil.Process(pid)
        assert process.rlimit(psutil.RLIMIT_NOFILE)[0] == 0
        assert process.rlimit(psutil.RLIMIT_CORE) == (0, 0)
        assert process.rlimit(psutil.RLIMIT_AS)[1] == 2**30
        assert "a secret" not in str(process.environ())
        assert process.net_connections("inet") == []
        os.kill(pid, signal.SIGKILL)
        thread.join(20)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_processes_end_with_the_one_that_started_them(end: signal.Signals) -> None:
    code = """
import sys, time
from hark.audio.isolated_pool import Decoders
decoders = Decoders(size=1)
decoders.warm()
print(*decoders.pids, flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == 1
        parent.send_signal(end)
        parent.wait(20)
    until = time.monotonic() + 10
    while any(map(psutil.pid_exists, pids)):
        assert time.monotonic() < until
        time.sleep(0.02)


def test_silence_takes_no_room_and_is_the_same(decoders: Decoders) -> None:
    for quiet in (np.zeros(5_000_000), np.concatenate([NOISE, np.zeros(2_000_000), NOISE]), np.full(300_000, -0.0)):
        data = wav(quiet.astype(np.float32), subtype="DOUBLE")
        source = IsolatedSource(BytesSource(data, "a"), decoders)
        assert Audio.of(source).samples().tobytes() == Audio.of(data).samples().tobytes()
        room = os.fstat(source._decoded().file).st_blocks * 512
        assert room < np.count_nonzero(quiet) * 4 + 2_000_000
