"""Sound as it comes: from a microphone, or as raw samples from another program."""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from hark.audio.audio import RATE
from hark.audio.resample import resampled
from hark.errors import AudioUnreadableError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_BLOCK = 0.064  # seconds
_SILENT = 5.0  # seconds without a block after which a microphone is gone
_RAW = (
    "arecord -q -t raw -f S16_LE -r 16000 | hark listen - (or hark command --microphone -) needs no PortAudio; "
    "hark listen --file x.wav hears a recording."
)


def microphone() -> Iterator[NDArray[np.float32]]:
    """Blocks of mono samples at 16 kHz from the default microphone, until the iterator is closed.

    Raises:
        MissingExtraError: sounddevice or PortAudio is not installed.
        AudioUnreadableError: there is no microphone, or it may not be used.
    """
    sounddevice = _sounddevice()
    waiting: queue.SimpleQueue[NDArray[np.float32]] = queue.SimpleQueue()

    def take(block: Any, *_: Any) -> None:
        waiting.put(np.array(block, np.float32))

    try:
        rate = int(sounddevice.query_devices(kind="input")["default_samplerate"])
        stream = sounddevice.InputStream(rate, int(rate * _BLOCK), channels=1, dtype="float32", callback=take)
    except (sounddevice.PortAudioError, ValueError) as error:
        raise AudioUnreadableError(f"There is no microphone to be used: {error}.", hint=f"Or: {_RAW}") from error
    with stream:
        for block in resampled(_taken(waiting), 1, rate, RATE):
            yield block[:, 0]


def _taken(waiting: queue.SimpleQueue[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    while True:
        try:
            yield waiting.get(timeout=_SILENT)
        except queue.Empty:
            raise AudioUnreadableError("The microphone gives no sound any more.", hint="Is it still there?") from None


def raw(stream: BinaryIO) -> Iterator[NDArray[np.float32]]:
    """Blocks of mono samples from a stream of 16-bit little-endian samples at 16 kHz, as soon as they come."""
    rest = b""
    read = getattr(stream, "read1", stream.read)
    while data := read(round(_BLOCK * RATE) * 2):
        data = rest + data
        whole = len(data) // 2 * 2
        rest = data[whole:]
        yield np.frombuffer(data[:whole], "<i2").astype(np.float32) / np.float32(32768)


def _sounddevice() -> Any:
    try:
        import sounddevice
    except ImportError as error:
        missing = MissingExtraError.of("The microphone", "microphone")
        raise MissingExtraError(missing.message, hint=f"{missing.hint} Or: {_RAW}") from error
    except OSError as error:
        raise MissingExtraError(
            "The microphone needs PortAudio, which is not installed.",
            hint=f"sudo apt install libportaudio2. Or: {_RAW}",
        ) from error
    return sounddevice
