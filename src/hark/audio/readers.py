"""The two decoders behind one face: libsndfile (soundfile) and FFmpeg (PyAV), giving float32 blocks at native rate."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

import av
import numpy as np
import soundfile
from av.audio.frame import format_dtypes

from hark.audio.arrays import to_float
from hark.audio.claims import mpeg_is_counted, promised_frames

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

BLOCK = 2**17  # samples of all channels in a block
_UNKNOWN = 2**60  # libsndfile gives this many frames or more when a header does not say
_MAX_GAP_SECONDS = 3600.0
_MIN_GAP_SECONDS = 0.05
_MAX_STREAMS = 200
_AS_THEY_LIE = {"PCM_U8": "|u1", "PCM_16": "<i2", "PCM_32": "<i4", "FLOAT": "<f4"}  # samples of WAV, for numpy
_PROOF = 256  # frames

# What FFmpeg may read. Everything that opens further files or addresses (hls, dash, concat, sdp, rtsp, image2, lavfi,
# devices) is left out.
DEMUXERS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,ast,au,avi,caf,dsf,dts,dtshd,dv,eac3,flac,flv,gsm,iff,ircam,kux,latm,"
    "live_flv,loas,matroska,webm,mlp,mov,mp4,m4a,3gp,3g2,mj2,mp3,mpc,mpc8,mpeg,mpegts,mxf,nistsphere,nut,ogg,oma,"
    "qcp,rm,shn,sox,spdif,swf,tak,truehd,tta,voc,vqf,w64,wav,wsaud,wtv,wv,xwma,adx,aa,aea,act,bonk,hca,osq,qoa,rka"
)


class UnusableError(Exception):
    """What is wrong with a container that FFmpeg reads well; `open_reader` adds the name."""

    def __init__(self, why: str, hint: str) -> None:
        super().__init__(why)
        self.hint = hint


class Reader(Protocol):
    """An open recording.

    Attributes:
        rate, channels: native.
        frames: how many the container says there are (None: it does not say).
        firm: whether fewer decoded frames than `frames` mean that the file broke off.
        exact: whether `frames` is right to the frame where it is right.
        counted: how many frames there are, where that is known.
        trouble: what went wrong after some sound was decoded; empty when nothing did.
    """

    rate: int
    channels: int
    frames: int | None
    firm: bool
    exact: bool
    counted: int | None
    trouble: str

    def seek(self, frame: int) -> int:
        """Go to a frame, or as far as can be done exactly; returns where reading goes on."""

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """(n, channels) blocks up to the end."""

    def close(self) -> None:
        """Let go of the file."""


class _Straight(soundfile.SoundFile):  # type: ignore[misc]
    """Reads straight on: soundfile would seek after each block, which damages MP3 (libmpg123 loses its reservoir)."""

    def seekable(self) -> bool:
        return False


class _Calm:
    """The file as libsndfile's callbacks see it: what is raised in a callback is printed and lost, so it is kept."""

    def __init__(self, file: BinaryIO) -> None:
        self._file: Any = file
        self._failure: BaseException | None = None

    def readinto(self, buffer: Any) -> int:
        try:
            return int(self._file.readinto(buffer))
        except BaseException as error:  # noqa: BLE001 - Ctrl-C too, raised again by `check`
            self._failure = error
            return 0

    def seek(self, offset: int, whence: int = 0) -> int:
        # Before the start, where a damaged header sends it: libsndfile sees by `tell` that it did not get there.
        with contextlib.suppress(ValueError, OSError):
            self._file.seek(offset, whence)
        return self.tell()

    def tell(self) -> int:
        return int(self._file.tell())

    def check(self) -> None:
        """Raise what went wrong in a callback."""
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a file its frames lie as they are: from which byte on, of which numpy type, and how many."""

    offset: int
    kind: str
    frames: int


class SoundfileReader:
    """Reads with libsndfile."""

    exact = True
    counted: int | None = None

    def __init__(self, file: BinaryIO) -> None:
        promised = promised_frames(file)
        file.seek(0)
        self._file, self._calm = file, _Calm(file)
        try:
            self._sound = _Straight(self._calm)
        finally:
            self._calm.check()
        self.rate, self.channels = int(self._sound.samplerate), int(self._sound.channels)
        counted = int(self._sound.frames)
        self.frames: int | None = promised or (counted if 0 < counted < _UNKNOWN else None)
        self.firm = self._sound.format != "OGG"
        self.trouble = ""

    def seek(self, frame: int) -> int:
        """Go to a frame, except in the formats where that is not sample-exact."""
        if self._sound.format in ("MP3", "OGG"):
            return 0
        there = min(frame, int(self._sound.frames))
        return int(self._sound.seek(there)) if self._sound.frames < _UNKNOWN else 0

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """(n, channels) blocks up to the end, or to where the file breaks off."""
        size = max(256, BLOCK // self.channels)
        # Scaled here, 16-bit samples are the same and take a fifth of the time.
        whole = self._sound.subtype == "PCM_16" and self._sound.format != "FLAC"
        while True:
            block = np.empty((size, self.channels), np.int16 if whole else np.float32)
            if not whole:
                # NaN marks what libsndfile did not fill when it fails within a block (a FLAC that breaks off).
                block[:, 0] = np.nan
            try:
                count = self._sound.buffer_read_into(block, dtype=block.dtype.name)
            except soundfile.LibsndfileError as error:
                self.trouble = str(error.error_string)
                count = 0
                if self._sound.format == "FLAC":
                    filled = ~np.isnan(block[:, 0])
                    count = int(filled.argmin()) if not filled.all() else size
            if count:
                yield to_float(block[:count])
            self._calm.check()
            if (self.trouble and count < size) or not count:
                return

    def place(self) -> Place | None:
        """Where the frames of plain PCM lie; None of all else. Asked before anything was read.

        libsndfile stands at the first frame once it has opened a file; that both ends are what it reads is made sure.
        """
        kind, frames = _AS_THEY_LIE.get(self._sound.subtype), int(self._sound.frames)
        if kind is None or self._sound.format not in ("WAV", "WAVEX") or not 0 < frames < _UNKNOWN:
            return None
        found = Place(self._calm.tell(), kind, frames)
        ends = all(self._is_at(found, first) for first in (0, max(0, frames - _PROOF)))
        self._sound.seek(0)
        return found if ends else None

    def _is_at(self, place: Place, first: int) -> bool:
        """Are some frames what libsndfile reads?"""
        count, kind = min(_PROOF, place.frames - first), np.dtype(place.kind)
        read = np.empty((count, self.channels), np.float32)
        self._sound.seek(first)
        if self._sound.buffer_read_into(read, dtype="float32") != count:
            return False
        self._file.seek(place.offset + first * self.channels * kind.itemsize)
        raw = self._file.read(count * self.channels * kind.itemsize)
        return len(raw) == read.size * kind.itemsize and to_float(np.frombuffer(raw, kind)).tobytes() == read.tobytes()

    def close(self) -> None:
        """Close the decoder and the file."""
        self._sound.close()
        self._file.close()


class AvReader:
    """Reads with FFmpeg, from a Python file only: FFmpeg itself opens nothing.

    Raises:
        UnusableError: there is no audio stream, or an encrypted one. av.FFmpegError: FFmpeg cannot read it.
    """

    exact = False
    counted: int | None = None

    def __init__(self, file: BinaryIO) -> None:
        file.seek(0)
        self._file = file
        self._container = av.open(
            file,
            mode="r",
            metadata_errors="replace",
            container_options={"format_whitelist": DEMUXERS, "protocol_whitelist": "none"},
            io_open=_refuse_to_open,
        )
        self.trouble = ""
        try:
            self._stream = _first_audio(self._container)
            self._frames = self._decoded()
            self._first = next(self._frames, None)
        except BaseException:
            self._container.close()
            raise
        context = self._stream.codec_context
        # What the decoder gives counts, not the header: HE-AAC doubles its rate, parametric stereo its channels.
        self.rate = int(self._first.sample_rate if self._first else context.sample_rate or 0)
        self.channels = len(self._first.layout.channels) if self._first else int(context.channels)
        self.frames, self.firm = self._claim()

    def _claim(self) -> tuple[int | None, bool]:
        stream, container = self._stream, self._container
        if stream.duration and stream.time_base:
            seconds, firm = float(stream.duration * stream.time_base), True
        elif container.duration:
            seconds, firm = container.duration / av.time_base, not container.streams.video
        else:
            return None, False
        # These have no header that says how long they are; FFmpeg guesses from the bit rate.
        guessed = container.format.name in (
            "aac",
            "ac3",
            "eac3",
            "amr",
            "amrnb",
            "amrwb",
            "loas",
            "latm",
            "mpegts",
            "mpeg",
        )
        if container.format.name == "mp3":
            at = self._file.tell()
            guessed = not mpeg_is_counted(self._file)
            self._file.seek(at)
        return round(seconds * self.rate), firm and not guessed

    def seek(self, frame: int) -> int:  # noqa: ARG002 - FFmpeg's seeking is not sample-exact
        """Stay at the start: what comes before `frame` is decoded and dropped."""
        return 0

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """(n, channels) blocks up to the end, time stamps' gaps (lost packets, a late start) filled with silence."""
        size = max(256, BLOCK // self.channels)
        begin = (self._container.start_time or 0) / av.time_base
        base = float(self._first.time_base or 0) if self._first else 0.0
        fifo, held, done = av.AudioFifo(), None, 0
        for frame in self._frames_from_first():
            if frame.sample_rate != self.rate:
                self.trouble = f"its sample rate changes from {self.rate} to {frame.sample_rate} Hz"
                break
            gap = 0.0 if frame.pts is None else frame.pts * base - begin - done / self.rate
            if _MIN_GAP_SECONDS < gap < _MAX_GAP_SECONDS:
                yield from self._drained(fifo)
                missing = round(gap * self.rate)
                done += missing
                yield from _silence(missing, self.channels)
            done += frame.samples
            frame.pts = None  # AudioFifo wants time stamps without a gap, or none
            kind = (frame.format.name, len(frame.layout.channels))
            if kind != held:  # AudioFifo would copy channels that are not there, and crash
                yield from self._drained(fifo)
                fifo, held = av.AudioFifo(), kind
            fifo.write(frame)
            if fifo.samples >= size:
                yield _with_channels(_samples(fifo.read(size)), self.channels)
        yield from self._drained(fifo)

    def _frames_from_first(self) -> Iterator[Any]:
        if self._first is not None:
            yield self._first
        yield from self._frames

    def _drained(self, fifo: Any) -> Iterator[NDArray[np.float32]]:
        if fifo.samples:
            yield _with_channels(_samples(fifo.read(0, partial=True)), self.channels)

    def _decoded(self) -> Iterator[Any]:
        """Decoded frames; a damaged packet is passed over (its time stays, as a gap)."""
        damaged = 0
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    break
                frames = packet.decode()
            except av.error.InvalidDataError as error:
                damaged += 1
                if damaged > 1000:
                    self.trouble = str(error.strerror)
                    return
                continue
            except av.FFmpegError as error:
                self.trouble = str(error.strerror)
                return
            yield from (frame for frame in frames if frame.samples)
        if damaged > 1:
            self.trouble = f"{damaged} damaged packets in it could not be decoded"

    def close(self) -> None:
        """Close the decoder and the file."""
        with contextlib.suppress(av.FFmpegError):
            self._container.close()
        self._file.close()


def _first_audio(container: Any) -> Any:
    if len(container.streams) > _MAX_STREAMS:
        raise UnusableError(f"has {len(container.streams)} tracks, which is no recording", "Take one track out of it.")
    if not container.streams.audio:
        raise UnusableError("has no sound: there is no audio track in it", "Was it recorded without a microphone?")
    stream = container.streams.audio[0]
    if stream.codec_context is None:
        raise UnusableError("is coded in a way FFmpeg does not know", "Convert it first.")
    if stream.codec_context.codec_tag in ("drms", "enca", "aavd"):
        raise UnusableError("is encrypted (DRM)", "Only recordings without copy protection can be heard.")
    return stream


def _refuse_to_open(url: str, _flags: int, _options: dict[str, str]) -> Any:
    raise PermissionError(f"{url} is not opened: a recording may not name other files")


def _samples(frame: Any) -> NDArray[np.float32]:
    channels = len(frame.layout.channels)
    if not frame.format.is_planar:
        return to_float(frame.to_ndarray().reshape(-1, channels))
    # PyAV takes what lies behind the planes for more of them where there are eight or more: `to_ndarray` crashes.
    kind = np.dtype(format_dtypes[frame.format.name])
    planes = [np.frombuffer(plane, kind, frame.samples) for plane in frame.planes[:channels]]
    return to_float(np.stack(planes)).T


def _with_channels(samples: NDArray[np.float32], channels: int) -> NDArray[np.float32]:
    if samples.shape[1] == channels:
        return samples
    mono = samples.mean(axis=1, dtype=np.float32, keepdims=True)
    return np.repeat(mono, channels, axis=1)


def _silence(frames: int, channels: int) -> Iterator[NDArray[np.float32]]:
    size = max(256, BLOCK // channels)
    for first in range(0, frames, size):
        yield np.zeros((min(size, frames - first), channels), np.float32)
