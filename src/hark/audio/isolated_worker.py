"""A process that decodes what nobody trusts: it is given open files, may open none, and can be killed at any time.

It is run as a script with a Unix socket as its standard input, and ends when that does. A request is a line of JSON
(`name`, `seconds`, `channels`, `bytes`, `wall_seconds`) that carries two files (SCM_RIGHTS): the recording, and an
empty one for float32 frames at native rate and channels, as they lie in memory. The reply is a line of JSON: `rate`,
`channels`, `frames`, `firm`, `exact`, `trouble`, `counted`, `offset` and `kind`, or `error` (the name of a class of
`hark.errors`), `message` and `hint`. Where the recording is plain PCM nothing is written: its frames lie there from
the byte `offset` on, of the numpy type `kind`. While it decodes it has no right to open files or sockets
(RLIMIT_NOFILE is 0), and an alarm ends it where nobody is left to kill it.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import soundfile

from hark.audio.decode import decoded, open_reader
from hark.audio.readers import SoundfileReader
from hark.errors import AudioError, AudioTooLargeError, AudioUnreadableError, HarkError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hark.audio.readers import Reader

_GRACE = 5.0  # seconds after which the alarm rings that the parent should have killed
_LONGEST = 2000  # characters of what a decoder says


def main() -> None:
    """Decode what is asked until nobody asks."""
    # Ctrl-C reaches the whole process group; whether the work is over is the parent's decision.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    door = socket.socket(fileno=0)
    _warm()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(ValueError, OSError):  # a lower limit is set already
        resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]),) * 2)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")  # where memory runs out, this goes before the server does
    try:
        door.sendall(b"{}\n")
        while (asked := _receive(door)) is not None:
            door.sendall(json.dumps(_answer(*asked)).encode() + b"\n")
    except (BrokenPipeError, ConnectionResetError):  # the parent is gone
        os._exit(0)


def _warm() -> None:
    """Let the libraries load what they load late: once confined they cannot."""
    for form in ("WAV", "FLAC", "OGG", "MP3"):  # libsndfile and FFmpeg
        out = io.BytesIO()
        soundfile.write(out, np.zeros(4800, np.float32), 48000, format=form)
        out.seek(0)
        for _ in decoded(open_reader(out, "silence")):
            pass
    with contextlib.suppress(AudioError):
        open_reader(io.BytesIO(b"\x01nothing" * 100), "nothing")


def _receive(door: socket.socket) -> tuple[dict[str, Any], int, int] | None:
    """The next request; None when the parent is gone."""
    said, files = b"", []
    while not said.endswith(b"\n"):
        more, brought, _, _ = socket.recv_fds(door, 2**16, 2)
        if not more:
            return None
        said += more
        files += brought
    return json.loads(said), files[0], files[1]


def _answer(request: dict[str, Any], recording: int, out: int) -> dict[str, Any]:
    """What is found in a recording, or what is wrong with it."""
    name = request["name"]
    try:
        with os.fdopen(recording, "rb") as file, _confined(request["wall_seconds"]):
            return _decode(file, out, request)
    except (AudioError, OutputError) as error:
        return _error(error)
    except MemoryError:
        return _error(
            AudioUnreadableError(f"{name} needs more memory than it may take.", hint="Its header may be damaged.")
        )
    except Exception as error:  # noqa: BLE001 - the parent raises it
        return _error(AudioUnreadableError(f"{name} cannot be decoded: {type(error).__name__}: {error}."))
    finally:
        os.close(out)


def _error(error: HarkError) -> dict[str, Any]:
    return {"error": type(error).__name__, "message": error.message[:_LONGEST], "hint": error.hint[:_LONGEST]}


@contextlib.contextmanager
def _confined(seconds: float) -> Iterator[None]:
    """Without the right to open anything, and not for longer than some seconds."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    signal.setitimer(signal.ITIMER_REAL, seconds + _GRACE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        signal.setitimer(signal.ITIMER_REAL, 0)


def _decode(file: BinaryIO, out: int, limits: dict[str, Any]) -> dict[str, Any]:
    file.seek(0)
    reader = open_reader(file, limits["name"])
    with contextlib.closing(reader):
        _check_claim(reader, limits)
        place = reader.place() if isinstance(reader, SoundfileReader) else None
        if place:
            _check_frames(place.frames, reader, limits)
            counted = place.frames
        else:
            counted = _write(reader, out, limits)
        return {
            "rate": reader.rate,
            "channels": reader.channels,
            "frames": reader.frames,
            "firm": reader.firm,
            "exact": reader.exact,
            "trouble": reader.trouble[:_LONGEST],
            "counted": counted,
            "offset": place.offset if place else None,
            "kind": place.kind if place else "=f4",
        }


def _check_claim(reader: Reader, limits: dict[str, Any]) -> None:
    """Refuse what says itself that it is over the limits.

    Raises:
        AudioTooLargeError: there are more channels, or more frames, than are taken.
    """
    if reader.channels > limits["channels"]:
        raise AudioTooLargeError(
            f"{limits['name']} has {reader.channels} channels; up to {limits['channels']} are taken.",
            hint="Mix it down.",
        )
    _check_frames((reader.frames or 0) if reader.firm else 0, reader, limits)


def _write(reader: Reader, out: int, limits: dict[str, Any]) -> int:
    """Write all frames; gives their number.

    Raises:
        AudioTooLargeError: there are more than the limits allow. OutputError: there is no room.
    """
    counted = 0
    for block in decoded(reader):
        counted += len(block)
        _check_frames(counted, reader, limits)
        _put(np.ascontiguousarray(block, np.float32), out, limits["name"])
    os.ftruncate(out, counted * 4 * reader.channels)
    return counted


def _check_frames(frames: int, reader: Reader, limits: dict[str, Any]) -> None:
    if frames > int(limits["seconds"] * reader.rate):
        raise AudioTooLargeError(
            f"{limits['name']} is longer than the limit of {limits['seconds']:.6g} seconds.",
            hint="Cut it, or send it in parts.",
        )
    if frames * 4 * reader.channels > limits["bytes"]:
        raise AudioTooLargeError(
            f"{limits['name']} is over the limit of {limits['bytes'] / 2**20:.6g} MiB when decoded.",
            hint="Cut it, or send fewer channels at a lower rate.",
        )


def _put(block: Any, out: int, name: str) -> None:
    if not (block[0].any() or block.view(np.uint32).any()):  # hours of silence come in small files: they take no room
        os.lseek(out, block.nbytes, os.SEEK_CUR)
        return
    rest = memoryview(block).cast("B")
    try:
        while rest:
            rest = rest[os.write(out, rest) :]
    except OSError as error:
        raise OutputError(
            f"There is no room to decode {name}: {error.strerror}.",
            hint="Is there space in the folder for temporary files (TMPDIR)?",
        ) from error


if __name__ == "__main__":
    main()
