"""Bytes -> samples at native rate and channels, streamed: soundfile where libsndfile reads the format, else PyAV."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO

import av
import numpy as np
import soundfile

from hark import settings
from hark.answers.answer import Notice
from hark.audio import sniff
from hark.audio.arrays import RATES
from hark.audio.claims import ogg_breaks_off, ogg_is_plain, wav_is_open
from hark.audio.readers import AvReader, Reader, SoundfileReader, UnusableError
from hark.errors import AudioEmptyError, AudioTooLargeError, AudioUnreadableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

_MAX_CHANNELS = 1024
_FAILURES = (soundfile.LibsndfileError, av.FFmpegError, OSError, ValueError, RuntimeError, MemoryError, EOFError)
_LIBSNDFILE = (b"RIFF", b"RF64", b"fLaC", b"FORM", b".snd", b"caff", b"riff", b"NIST", b"Crea", b"2BIT")
_SHORTFALL_SECONDS = 0.5
_HINT = "Give a recording or a video: wav, flac, mp3, m4a, ogg, opus, webm, mp4, mkv and most others are read."


def open_reader(file: BinaryIO, name: str) -> Reader:
    """Open a file by what is in it; the reader owns the file from then on.

    Raises:
        AudioEmptyError: there are no bytes or no samples. AudioUnreadableError: it is not audio, or no codec reads it.
    """
    try:
        head = file.read(4096)
        _check_head(head, name)
        reader = _opened(file, head, name)
    except BaseException:
        file.close()
        raise
    if reader.rate not in RATES or not 1 <= reader.channels <= _MAX_CHANNELS:
        reader.close()
        raise AudioUnreadableError(
            f"{name} says it has {reader.channels} channels at {reader.rate} Hz, which is no recording.", hint=_HINT
        )
    return reader


def _check_head(head: bytes, name: str) -> None:
    if not head:
        raise AudioEmptyError(f"{name} is empty: 0 bytes.", hint="Record or download it again.")
    what = sniff.not_audio(head)
    if what:
        raise AudioUnreadableError(f"{name} is {what}, not audio.", hint=_HINT)


def _opened(file: BinaryIO, head: bytes, name: str) -> Reader:
    failures: list[BaseException] = []
    broken = head.startswith(b"OggS") and ogg_breaks_off(file)
    for kind in (SoundfileReader, AvReader) if _for_libsndfile(file, head) else (AvReader, SoundfileReader):
        try:
            file.seek(0)
            reader: Reader = kind(file)
        except UnusableError as error:
            raise AudioUnreadableError(f"{name} {error}.", hint=error.hint) from error
        except _FAILURES as error:
            failures.append(error)
        else:
            reader.trouble = reader.trouble or ("its last page is incomplete" if broken else "")
            return reader
    raise _unreadable(name, head, failures) from failures[-1]


def _for_libsndfile(file: BinaryIO, head: bytes) -> bool:
    """Formats libsndfile reads to the end, and exactly as they are.

    MP3 is left to FFmpeg: libsndfile stops too early without a Xing header, where files were put end to end and where a
    stretch is damaged, libmpg123 prints to stderr, and soundfile's seek after each block damages the sound.
    """
    if head.startswith(b"OggS"):
        return ogg_is_plain(file) and not ogg_breaks_off(file)
    if head.startswith(b"RIFF"):
        return not wav_is_open(file)
    return head.startswith(_LIBSNDFILE)


def _unreadable(name: str, head: bytes, failures: list[BaseException]) -> AudioUnreadableError:
    if head[4:8] == b"ftyp":
        return AudioUnreadableError(
            f"{name} is a broken MP4/M4A file: its index is missing or damaged.",
            hint="The recording or download broke off; record or download it again.",
        )
    if any(isinstance(error, MemoryError) for error in failures):
        return AudioUnreadableError(f"{name} needs more memory than there is.", hint="Its header may be damaged.")
    if sniff.is_audio(head):
        return AudioUnreadableError(
            f"{name} looks like audio but is damaged or coded in a way that cannot be read.", hint=_HINT
        )
    return AudioUnreadableError(f"{name} is not audio, or of no known format.", hint=_HINT)


def decoded(reader: Reader) -> Iterator[NDArray[np.float32]]:
    """A reader's blocks; a failure in the middle is the end of what could be decoded, and becomes its `trouble`."""
    try:
        yield from reader.blocks()
    except _FAILURES as error:
        reader.trouble = str(error) or type(error).__name__


class Pass:
    """One pass over a recording: limits kept, bad numbers cleaned, what is noticed kept in `notices`.

    Attributes:
        counted: frames of the whole recording, once its end was reached.
        notices: what a person should know, by kind.
    """

    def __init__(self, reader: Reader, name: str) -> None:
        self.reader, self.name = reader, name
        self.counted: int | None = None
        self.notices: dict[str, Notice] = {}
        self._cleaned = 0

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[NDArray[np.float32]]:
        """(n, channels) float32 blocks of the frames from `start` to before `stop`.

        Raises:
            AudioTooLargeError: longer than `settings.max_seconds`. AudioEmptyError: no samples in the file.
            AudioUnreadableError: nothing could be decoded.
        """
        reader = self.reader
        limit = self._limit(stop)
        at = reader.seek(start) if start else 0
        for block in decoded(reader):
            first, at = at, at + len(block)
            if at > limit and (stop is None or limit < stop):
                raise self._too_long()
            wanted = block[max(0, start - first) : None if stop is None else max(0, stop - first)]
            if len(wanted):
                yield self._clean(wanted)
            if stop is not None and at >= stop:
                self._notice_cleaned()
                return
        self._end(at)

    def _limit(self, stop: int | None) -> int:
        seconds = settings.current().max_seconds
        limit = int(seconds * self.reader.rate)
        if self.reader.firm and (self.reader.frames or 0) > limit and (stop is None or stop > limit):
            raise self._too_long()
        return limit

    def _clean(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        with np.errstate(invalid="ignore"):
            fine = bool(np.isfinite(block.min()) and np.isfinite(block.max()))  # both are NaN where there is one
        if fine:
            return block
        good = np.isfinite(block)
        self._cleaned += int(block.size - np.count_nonzero(good))
        return np.where(good, block, np.float32(0.0))

    def _end(self, frames: int) -> None:
        reader = self.reader
        if frames == 0:
            if reader.trouble:
                raise AudioUnreadableError(
                    f"Nothing in {self.name} could be decoded: {reader.trouble.rstrip('.')}.", hint=_HINT
                )
            raise AudioEmptyError(f"{self.name} holds no samples: its length is 0 s.", hint="Record it again.")
        self.counted = frames
        self._notice_cleaned()
        said = reader.frames if reader.firm else None
        missing = (said - frames) / reader.rate if said else 0.0
        if reader.trouble or missing > (0.05 if reader.exact else _SHORTFALL_SECONDS):
            of = f" of {said / reader.rate:.1f} s" if said and said > frames else ""
            why = f" ({reader.trouble.strip().rstrip('.')})" if reader.trouble else ""
            self._notice(
                "truncated", f"{self.name} breaks off at {frames / reader.rate:.1f} s{of}{why}; what is there was used."
            )

    def _notice_cleaned(self) -> None:
        if self._cleaned:
            self._notice(
                "cleaned",
                f"{self.name} has {self._cleaned} samples that are no numbers (NaN, infinite); they count as silence.",
            )

    def _notice(self, kind: Any, text: str) -> None:
        self.notices[kind] = Notice(kind, text)

    def _too_long(self) -> AudioTooLargeError:
        hours = settings.current().max_seconds / 3600
        return AudioTooLargeError(
            f"{self.name} is longer than the limit of {hours:.4g} hours.",
            hint="Raise max_seconds in the settings (HARK_MAX_SECONDS), or cut it.",
        )


def close_quietly(close: Callable[[], None]) -> None:
    """Close a decoder whose result is not wanted any more, whatever it says."""
    try:
        close()
    except _FAILURES:
        return
