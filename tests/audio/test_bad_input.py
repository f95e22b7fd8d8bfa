"""Bad input gets an error that names the file and says what is wrong with it, or a notice where it can be used."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import subprocess
import sys
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from hark.audio.audio import Audio
from hark.errors import (
    AudioEmptyError,
    AudioError,
    AudioNotFoundError,
    AudioTooLargeError,
    AudioUnreadableError,
    HarkError,
    OptionError,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def wav(samples: np.ndarray, rate: int = 16000, subtype: str = "PCM_16") -> bytes:
    out = io.BytesIO()
    soundfile.write(out, samples, rate, format="WAV", subtype=subtype)
    return out.getvalue()


def with_data_size(data: bytes, size: int) -> bytes:
    at = data.index(b"data") + 4
    return data[:at] + struct.pack("<I", size) + data[at + 4 :]


SECOND = (0.3 * np.sin(np.arange(16000) / 5)).astype(np.float32)


def test_missing_offers_names_that_are_close(tone: Path) -> None:
    with pytest.raises(AudioNotFoundError, match=r"tome\.wav") as caught:
        Audio.of(tone.with_name("tome.wav"))
    assert "tone.wav" in caught.value.hint
    with pytest.raises(FileNotFoundError) as other:
        Audio.of(str(tone.with_suffix(".mp3")))
    assert "tone.wav" in other.value.hint  # type: ignore[attr-defined]
    with pytest.raises(AudioNotFoundError) as far:
        Audio.of("/no/such/folder/a.wav")
    assert "/no/such/folder" in far.value.hint


@pytest.mark.parametrize("path", ["", "a\0b.wav", "x" * 5000, "~nobody/a.wav"])
def test_paths_that_cannot_be(path: str) -> None:
    with pytest.raises(AudioError):
        Audio.of(path)


def test_a_link_to_nothing_says_where_it_leads(tmp_path: Path) -> None:
    (tmp_path / "link.wav").symlink_to("gone.wav")
    with pytest.raises(AudioNotFoundError, match="link") as caught:
        Audio.of(tmp_path / "link.wav")
    assert "gone.wav" in caught.value.hint


def test_a_missing_file_in_a_deleted_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    with pytest.raises(AudioNotFoundError):
        Audio.of("a.wav")


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(AudioUnreadableError, match="is a folder"):
        Audio.of(tmp_path)


def test_a_file_that_may_not_be_read(tone: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    tone.chmod(0)
    with pytest.raises(AudioUnreadableError, match="permission"):
        Audio.of(tone)


def test_empty(tmp_path: Path) -> None:
    path = tmp_path / "empty.wav"
    path.touch()
    for given in (path, b"", io.BytesIO(), "data:audio/wav;base64,", np.zeros(0, np.float32), np.zeros((0, 2))):
        with pytest.raises(AudioEmptyError):
            Audio.of(given, 16000 if isinstance(given, np.ndarray) else None)


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a", "b")
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"%PDF-1.7 ...", "PDF"),
        (b"\x89PNG\r\n\x1a\n" + bytes(64), "PNG"),
        (b"\xff\xd8\xff\xe0" + bytes(64), "JPEG"),
        (b"GIF89a" + bytes(64), "GIF"),
        (b"RIFF\x40\0\0\0WEBPVP8 " + bytes(64), "WebP"),
        (zipped(), "ZIP"),
        (b"\x1f\x8b\x08" + bytes(64), "gzip"),
        (b"  <!DOCTYPE html><html>404</html>", "HTML"),
        (b'{"error": "not found"}', "text"),
        ("ein Brief, über alles".encode(), "text"),
        ("ein Brief".encode("utf-16"), "text"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS"),
        (b"\x7fELF" + bytes(64), "program"),
        (b"MThd" + bytes(64), "MIDI"),
        (bytes(5000), "zero bytes"),
        (b"\x01" + np.random.default_rng(1).bytes(20000), "not audio"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_audio_is_named_whatever_its_ending(data: bytes, what: str, tmp_path: Path) -> None:
    path = tmp_path / "song.mp3"
    path.write_bytes(data)
    with pytest.raises(AudioUnreadableError, match="song") as caught:
        Audio.of(path).samples()
    assert what in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize("given", [None, 5, 2.5, object(), {}, {"x": 1}, {"array": None}, (1, 2, "x"), {1, 2}])
def test_what_cannot_be_heard(given: object) -> None:
    with pytest.raises(AudioError):
        Audio.of(given)


def test_text_files_and_broken_base64(tone: Path) -> None:
    with tone.open(encoding="latin-1") as file, pytest.raises(AudioUnreadableError, match="text"):
        Audio.of(file)
    with pytest.raises(AudioUnreadableError, match="base64"):
        Audio.of("data:audio/wav;base64,@@@@")
    with pytest.raises(AudioError, match="ftp"):
        Audio.of("ftp://example.org/a.wav")


def test_a_lying_ending_just_works(tone: Path) -> None:
    for name in ("a.mp3", "a.raw", "a.txt", "noending", "a.sd2", "ä ö.flac"):
        copy = tone.with_name(name)
        copy.write_bytes(tone.read_bytes())
        assert len(Audio.of(copy).samples()) == 16000


def test_a_video_without_sound(silent_video: Path) -> None:
    with pytest.raises(AudioUnreadableError, match=r"mute\.mp4 has no sound"):
        Audio.of(silent_video).samples()


def test_no_samples() -> None:
    with pytest.raises(AudioEmptyError, match="no samples"):
        Audio.of(wav(np.zeros(0, np.float32))).samples()


def test_silence_is_audio() -> None:
    audio = Audio.of(wav(np.zeros(16000, np.float32)))
    assert not audio.samples().any()
    assert audio.notices == ()


@pytest.mark.parametrize("name", ["a.wav", "a.aiff", "a.flac", "a.ogg", "a.mp3", "fast.m4a", "a.mkv"])
def test_truncated_files_are_heard_as_far_as_they_go(
    name: str, encode: Callable[..., Path], sound: Callable[..., np.ndarray]
) -> None:
    codec = {"mp3": "libmp3lame", "m4a": "aac", "mkv": "pcm_s16le"}.get(name.split(".")[1])
    data = encode(name, sound(10.0), 44100, codec, **({"movflags": "faststart"} if codec == "aac" else {})).read_bytes()
    audio = Audio.of(data[: len(data) * 6 // 10], name=name)
    samples = audio.samples()
    assert 5.0 < len(samples) / 16000 < 6.8
    assert audio.duration == pytest.approx(len(samples) / 16000, abs=1e-3)
    (notice,) = audio.notices
    assert notice.kind == "truncated"
    assert name in notice.text
    assert f"{audio.duration:.1f} s" in notice.text
    if name != "a.ogg":
        assert "of 10." in notice.text


def test_an_m4a_without_its_index(encode: Callable[..., Path], sound: Callable[..., np.ndarray]) -> None:
    data = encode("a.m4a", sound(3.0), 44100, "aac").read_bytes()
    with pytest.raises(AudioUnreadableError, match="index is missing"):
        Audio.of(data[: len(data) // 2]).samples()


def test_encrypted(encode: Callable[..., Path], sound: Callable[..., np.ndarray]) -> None:
    data = encode("a.m4a", sound(1.0), 44100, "aac", movflags="faststart").read_bytes()
    with pytest.raises(AudioUnreadableError, match="encrypted"):
        Audio.of(data.replace(b"mp4a", b"drms", 1)).samples()


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF024])
def test_a_wav_written_to_a_pipe_is_not_truncated(size: int) -> None:
    audio = Audio.of(with_data_size(wav(SECOND), size))
    assert len(audio.samples()) == 16000
    assert audio.notices == ()


def test_a_hole_in_an_mp3_is_passed_over(encode: Callable[..., Path], sound: Callable[..., np.ndarray]) -> None:
    data = encode("a.mp3", sound(10.0), 44100, "libmp3lame").read_bytes()
    middle = len(data) // 2
    audio = Audio.of(data[:middle] + bytes(4000) + data[middle + 4000 :])
    assert len(audio.samples()) / 16000 > 9.5


def test_numbers_that_are_none() -> None:
    broken = SECOND.copy()
    broken[[5, 100]] = np.nan, np.inf
    for audio in (Audio.of(broken, 16000), Audio.of(wav(broken, subtype="FLOAT"))):
        samples = audio.samples()
        assert samples[5] == samples[100] == 0
        assert np.array_equal(np.delete(samples, [5, 100]), np.delete(SECOND, [5, 100]))
        (notice,) = audio.notices
        assert (notice.kind, "2 samples" in notice.text) == ("cleaned", True)


@pytest.mark.parametrize("rate", [1, 50, 2**31 - 1])
def test_rates_no_recorder_has(rate: int) -> None:
    data = bytearray(wav(SECOND))
    data[24:28] = struct.pack("<I", rate)
    with pytest.raises(AudioUnreadableError, match="Hz"):
        Audio.of(bytes(data)).samples()


def test_too_long_and_too_large(monkeypatch: pytest.MonkeyPatch, tone: Path) -> None:
    monkeypatch.setenv("HARK_MAX_SECONDS", "0.5")
    for given in (tone, (16000, SECOND), {"bytes": with_data_size(wav(SECOND), 0)}):
        with pytest.raises(AudioTooLargeError) as caught:
            list(Audio.of(given).stream())
        assert "HARK_MAX_SECONDS" in caught.value.hint
    assert len(Audio.of(tone)[0.2:0.4].samples()) == 3200
    monkeypatch.setenv("HARK_MAX_BYTES", "1000")
    for source in (tone, tone.read_bytes(), io.BytesIO(tone.read_bytes())):
        with pytest.raises(AudioTooLargeError) as large:
            Audio.of(source)
        assert "HARK_MAX_BYTES" in large.value.hint


def test_a_decompression_bomb_ends_at_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hours of silence in a small FLAC that hides its length: decoding stops at the limit, in little memory."""
    path = tmp_path / "bomb.flac"
    with soundfile.SoundFile(path, "w", 48000, 2, format="FLAC", subtype="PCM_16") as file:
        for _ in range(20):
            file.write(np.zeros((48000 * 60, 2), np.int16))
    data = bytearray(path.read_bytes())
    assert len(data) < 500_000
    data[21] &= 0xF0
    data[22:26] = bytes(4)  # total samples in STREAMINFO: 0 is "unknown"
    path.write_bytes(data)
    assert Audio.of(path).duration == 1200
    code = """
import resource, sys
from hark.audio.audio import Audio
from hark.errors import AudioTooLargeError
def peak():
    # A child of fork and exec inherits the ru_maxrss of its parent on Linux; VmHWM is its own.
    try:
        return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) / 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # macOS counts bytes
Audio.of(sys.argv[1])[:1].samples()
before = peak()
try:
    for _ in Audio.of(sys.argv[1]).stream(): pass
except AudioTooLargeError:
    print(peak() - before)
"""
    monkeypatch.setenv("HARK_MAX_SECONDS", "900")
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 30  # MiB


PLAYLISTS = {
    "a.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{url}\n#EXT-X-ENDLIST\n",
    "blank.m3u8": "\n \n#EXTM3U\n#EXTINF:10,\n{url}\n",
    "a.ffconcat": "ffconcat version 1.0\nfile '{url}'\n",
    "bare.ffconcat": "file '{url}'\n",
    "a.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
    "a.mpd": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{url}</BaseURL></MPD>',
    "a.pls": "[playlist]\nFile1={url}\n",
    "a.asx": '<asx version="3.0"><entry><ref href="{url}"/></entry></asx>',
    "binary.m3u8": "\0#EXTM3U\n#EXTINF:10,\n{url}\n",
}


@pytest.mark.parametrize("name", PLAYLISTS)
def test_a_playlist_opens_nothing(name: str, tone: Path) -> None:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        for url in (f"http://127.0.0.1:{server.server_port}/a.wav", tone.as_uri(), str(tone), tone.name):
            path = tone.with_name(name)
            path.write_text(PLAYLISTS[name].format(url=url))
            for given in (path, path.read_bytes()):
                with pytest.raises(AudioUnreadableError):
                    Audio.of(given).samples()
        server.shutdown()
    assert asked == []


def test_ffmpeg_itself_may_open_nothing_even_where_a_playlist_is_not_recognised(tone: Path) -> None:
    """The second line of defence: the demuxers that open other files are not allowed at all."""
    from hark.audio.readers import AvReader

    for name, text in PLAYLISTS.items():
        with pytest.raises((ValueError, OSError, LookupError, HarkError, Exception)) as caught:
            AvReader(io.BytesIO(text.format(url=tone.as_uri()).encode()))
        assert type(caught.value).__module__.startswith("av"), name


def test_random_damage_never_gives_anything_but_our_errors(
    encode: Callable[..., Path], sound: Callable[..., np.ndarray]
) -> None:
    random = np.random.default_rng(11)
    for name, codec in {"a.wav": None, "a.flac": None, "a.mp3": "libmp3lame", "a.m4a": "aac", "a.ogg": None}.items():
        good = encode(name, sound(1.0), 44100, codec).read_bytes()
        for _ in range(12):
            data = bytearray(good)
            for at in random.integers(0, len(data), 20):
                data[at] = random.integers(256)
            data[random.integers(60)] = 0x7F
            try:
                samples = Audio.of(bytes(data)).samples()
            except AudioError:
                continue
            assert np.isfinite(samples).all()


@pytest.mark.parametrize("form", ["WAV", "AIFF", "FLAC", "OGG", "MP3", "W64", "CAF", "AU"])
def test_a_header_cut_anywhere_is_told(form: str) -> None:
    out = io.BytesIO()
    soundfile.write(out, SECOND, 16000, format=form)
    for size in range(1, 120):
        with contextlib.suppress(AudioError):  # anything else is not suppressed
            assert len(Audio.of(out.getvalue()[:size]).samples()) < len(SECOND)


class FailingFile(io.BytesIO):
    """A file that cannot be read any more after its first bytes; `error` says why."""

    error: BaseException

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        if self.tell() > 9000:
            raise self.error
        return super().readinto(buffer)


def test_a_disk_that_fails_within_a_recording_is_told_and_ctrl_c_is_heard(capfd: pytest.CaptureFixture[str]) -> None:
    from hark.audio.decode import Pass, open_reader

    long = np.tile(SECOND, 20)  # libsndfile may ask for as much as a block at once
    file = FailingFile(wav(long))
    file.error = OSError(5, "Input/output error")
    decoding = Pass(open_reader(file, "a.wav"), "a.wav")
    assert 0 < sum(map(len, decoding.blocks())) < len(long)
    assert "Input/output error" in decoding.notices["truncated"].text
    file = FailingFile(wav(long))
    file.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        list(Pass(open_reader(file, "a.wav"), "a.wav").blocks())
    assert capfd.readouterr().err == ""


def test_files_that_are_closed_or_give_no_bytes() -> None:
    closed = io.BytesIO(b"RIFF")
    closed.close()
    with pytest.raises(AudioUnreadableError, match="closed"):
        Audio.of(closed)

    class Numbers:
        def read(self, _size: int) -> int:
            return 5

    with pytest.raises(AudioUnreadableError, match="int"):
        Audio.of(Numbers())
    assert Audio.of({"array": SECOND, "sampling_rate": 16000, "path": 5}).name == "5"


def test_no_room_for_temporary_files_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tempfile

    class Pipe(io.BytesIO):
        """Ten megabytes, too many to be kept in memory."""

        def seekable(self) -> bool:
            return False

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(AudioUnreadableError, match="temporary") as caught:
        Audio.of(Pipe(b"RIFF" + bytes(10_000_000)))
    assert "TMPDIR" in caught.value.hint


@pytest.mark.parametrize("rate", [True, 1, 10**12, 0, -16000, 1.5, "16000", float("nan"), float("inf")])
def test_rates_that_no_recording_has(rate: object) -> None:
    with pytest.raises(AudioError, match="samples per second"):
        Audio.of(SECOND, rate)  # type: ignore[arg-type]


@pytest.mark.parametrize("rate", [True, "x", None, float("nan"), float("inf"), 16000.5, 1])
def test_rates_that_cannot_be_given(rate: object) -> None:
    with pytest.raises(OptionError):
        Audio.of(SECOND, 16000).samples(rate)  # type: ignore[arg-type]


@pytest.mark.parametrize("seconds", ["x", None, 0, -1, float("nan"), float("inf")])
def test_blocks_that_cannot_be(seconds: object) -> None:
    with pytest.raises(OptionError):
        next(Audio.of(SECOND, 16000).stream(block_seconds=seconds))  # type: ignore[arg-type]


def test_cuts_at_the_end_of_time() -> None:
    audio = Audio.of(SECOND, 16000)
    assert audio[: float("inf")].id == audio[:1e308].id == audio.id
    for start in (float("inf"), 1e308):
        assert audio[start:].duration == 0
        with pytest.raises(AudioEmptyError):
            audio[start:].samples()
