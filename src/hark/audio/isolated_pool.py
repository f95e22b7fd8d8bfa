"""Processes that decode (`isolated_worker.py`): started when needed, kept, killed when they take too long, replaced."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hark import errors
from hark.audio.arrays import RATES
from hark.errors import AudioError, AudioUnreadableError, HarkError, OutputError, UnsupportedError
from hark.machine import usable_cores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LOOK_SECONDS = 0.25  # how often it is asked whether anybody still waits
_START_SECONDS = 60.0  # on a machine that is busy; the libraries load in a third of a second
_KEPT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
_LONGEST = 2**16  # bytes of a reply
_NAME = 500  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a recording may take: sound, space when decoded (float32), time, and memory of the process."""

    seconds: float = 4 * 3600.0
    channels: int = 64
    bytes: int = 8 * 2**30
    wall_seconds: float = 120.0
    memory: int = 2**30


class _Reply(BaseModel):
    """What `isolated_worker.py` says."""

    model_config = ConfigDict(extra="forbid", strict=True)

    rate: int
    channels: int = Field(ge=1)
    frames: int | None
    firm: bool
    exact: bool
    trouble: str
    counted: int = Field(ge=0)
    offset: int | None = Field(ge=0)
    kind: Literal["|u1", "<i2", "<i4", "<f4", "=f4"]


@dataclass(frozen=True, eq=False)
class Decoded:
    """What was in a recording.

    Attributes:
        file: number of an open file with frames by channels; it is closed when this goes.
        offset, kind: where the first frame lies in it, and what numpy calls the type of its samples.
        counted: how many frames; others as in `hark.audio.readers.Reader`.
    """

    file: int
    offset: int
    kind: str
    rate: int
    channels: int
    frames: int | None
    firm: bool
    exact: bool
    trouble: str
    counted: int

    def __post_init__(self) -> None:
        weakref.finalize(self, os.close, self.file)


class Decoders:
    """At most `size` processes (as many as there are cores); `decode` may be called from any number of threads.

    `unwanted` tells, in the thread that waits for a recording, whether it need wait no longer.

    Raises:
        UnsupportedError: the system cannot pass open files to a process.
    """

    def __init__(
        self, limits: Limits | None = None, size: int | None = None, unwanted: Callable[[], bool] = lambda: False
    ) -> None:
        if not hasattr(socket, "send_fds"):
            raise UnsupportedError(
                "This system cannot decode in a process of its own.", hint="Use Linux, macOS, or Windows' WSL."
            )
        self.limits = limits or Limits()
        self.size = size or usable_cores()
        self.unwanted = unwanted
        self._room = threading.BoundedSemaphore(self.size)
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()
        self._closed = False

    @property
    def pids(self) -> list[int]:
        """The processes that are running now."""
        with self._lock:
            return [worker.process.pid for worker in self._all]

    def decode(self, file: BinaryIO, name: str) -> Decoded:
        """Decode a file; blocks until a process is free and has done it.

        Raises:
            AudioError: it cannot be used, is over a limit, took too long, or broke the decoder.
            OutputError: there is no room for what was decoded.
        """
        name = name[:_NAME]
        with self._turn(), _given(file, name) as recording:
            out = _empty(name)
            try:
                with self._worker() as worker:
                    said = worker.ask(name, self.limits, recording, out)
                return _decoded(said, recording, out, name)
            finally:
                os.close(out)

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        while not self._room.acquire(timeout=_LOOK_SECONDS):
            _check_wanted(self.unwanted)
        try:
            yield
        finally:
            self._room.release()

    def warm(self) -> None:
        """Start all processes now, and wait until they are ready.

        Raises:
            HarkError: they cannot be started.
        """
        with contextlib.ExitStack() as taken:
            for _ in range(self.size):
                taken.enter_context(self._turn())
            for worker in [taken.enter_context(self._worker()) for _ in range(self.size)]:
                worker.ready()

    def close(self) -> None:
        """End all processes; whatever is decoded now, or later, fails."""
        with self._lock:
            self._closed = True
            workers, self._all, self._idle = self._all, set(), []
        for worker in workers:
            worker.end()

    @contextlib.contextmanager
    def _worker(self) -> Iterator[_Worker]:
        """A process for one piece of work; where that fails in the process, it is the last."""
        worker = self._take()
        try:
            yield worker
        except BaseException:
            with self._lock:
                self._all.discard(worker)
            worker.end()
            raise
        with self._lock:
            if worker in self._all:
                self._idle.append(worker)

    def _take(self) -> _Worker:
        with self._lock:
            while self._idle:
                worker = self._idle.pop()
                if worker.process.poll() is None:
                    return worker
                self._all.discard(worker)
                worker.end()
            if self._closed:
                raise HarkError("The server is ending.")
            worker = _Worker(self.limits.memory, self.unwanted)
            self._all.add(worker)
            return worker


class _Worker:
    def __init__(self, memory: int, unwanted: Callable[[], bool]) -> None:
        self._unwanted, self._ready = unwanted, False
        self.door, theirs = socket.socketpair()
        script = Path(__file__).with_name("isolated_worker.py")
        # Nothing of the environment that is worth stealing. -P keeps the script's folder off the path.
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        environment |= {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path)), "OMP_NUM_THREADS": "1"}
        environment |= {"OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
        # Blocks of samples are taken from memory at hand (glibc): fresh pages cost a fifth of the time of an upload.
        environment |= {"MALLOC_MMAP_THRESHOLD_": str(2**23), "MALLOC_TRIM_THRESHOLD_": str(2**24)}
        with theirs:
            try:
                self.process = subprocess.Popen(
                    [sys.executable, "-P", str(script), str(memory)], env=environment, cwd="/",
                    stdin=theirs.fileno(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                )  # fmt: skip
            except OSError as error:
                self.door.close()
                raise _not_started(str(error)) from error

    def ready(self) -> None:
        """Wait until it has begun."""
        if self._ready:
            return
        try:
            self._reply(time.monotonic() + _START_SECONDS)
        except (OSError, ValueError) as error:
            raise _not_started("it does not answer") from error
        self._ready = True

    def ask(self, name: str, limits: Limits, recording: int, out: int) -> dict[str, Any]:
        """Have a recording decoded.

        Raises:
            AudioUnreadableError: it took too long, or the process died of it.
        """
        self.ready()
        request = json.dumps({"name": name, **asdict(limits)}).encode() + b"\n"
        try:
            self.door.settimeout(limits.wall_seconds)
            sent = socket.send_fds(self.door, [request], [recording, out])
            self.door.sendall(request[sent:])
            return self._reply(time.monotonic() + limits.wall_seconds)
        except TimeoutError:
            raise AudioUnreadableError(
                f"{name} took longer than {limits.wall_seconds:g} s to decode.", hint="Cut it, or convert it to FLAC."
            ) from None
        except (OSError, ValueError):
            raise AudioUnreadableError(
                f"{name} broke the decoder, or needs more memory than it may take.", hint="Convert it to WAV or FLAC."
            ) from None

    def _reply(self, deadline: float) -> dict[str, Any]:
        said = b""
        while not said.endswith(b"\n"):
            left = deadline - time.monotonic()
            self.door.settimeout(max(0.001, min(left, _LOOK_SECONDS)))
            try:
                more = self.door.recv(_LONGEST)
            except TimeoutError:
                _check_wanted(self._unwanted)
                if left > 0:
                    continue
                raise
            if not more or len(said) > _LONGEST:
                raise ConnectionError
            said += more
        found: dict[str, Any] = json.loads(said)
        return found

    def end(self) -> None:
        """Kill it and collect it: it holds nothing worth saving."""
        self.process.kill()
        self.process.wait()
        self.door.close()


def _check_wanted(unwanted: Callable[[], bool]) -> None:
    if unwanted():
        raise HarkError("Nobody waits for this recording any more.")


@contextlib.contextmanager
def _given(file: BinaryIO, name: str) -> Iterator[int]:
    """The number of an open file with the bytes of `file`, which is closed in the end."""
    with file:
        try:
            number = file.fileno()
        except OSError:  # it is in memory
            number = -1
        if number >= 0:
            yield number
            return
        copy = _empty(name)
        try:
            _fill(copy, file.read(), name)
            yield copy
        finally:
            os.close(copy)


def _empty(name: str) -> int:
    try:
        with tempfile.TemporaryFile(buffering=0) as file:
            return os.dup(file.fileno())
    except OSError as error:
        raise _no_room(name, error) from error


def _fill(file: int, data: bytes, name: str) -> None:
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[os.write(file, rest) :]
    except OSError as error:
        raise _no_room(name, error) from error


def _no_room(name: str, error: OSError) -> OutputError:
    return OutputError(
        f"There is no room to decode {name}: {error.strerror}.",
        hint="Is there space in the folder for temporary files (TMPDIR)?",
    )


def _not_started(why: str) -> HarkError:
    return HarkError(f"The process that decodes audio cannot be started: {why}.", hint="Run `hark doctor`.")


def _decoded(said: dict[str, Any], recording: int, out: int, name: str) -> Decoded:
    """What a process found, checked: a recording may have taken it over."""
    if "error" in said:
        kind = getattr(errors, str(said["error"]), None)
        if not (isinstance(kind, type) and issubclass(kind, AudioError | OutputError)):
            kind = AudioUnreadableError
        raise kind(str(said.get("message")), hint=str(said.get("hint")))
    try:
        found = _Reply.model_validate(said)
    except ValidationError:
        found = None
    file = out if found is None or found.offset is None else recording
    if found is None or found.rate not in RATES or not _holds(file, found):
        raise AudioUnreadableError(f"{name} broke the decoder.", hint="Convert it to WAV or FLAC.")
    values = found.model_dump() | {"offset": found.offset or 0}
    return Decoded(file=os.dup(file), **values)


def _holds(file: int, found: _Reply) -> bool:
    """Are as many frames in a file as were found?"""
    size = (found.offset or 0) + found.counted * found.channels * np.dtype(found.kind).itemsize
    there = os.fstat(file).st_size
    return size == there if found.offset is None else size <= there
