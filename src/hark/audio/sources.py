"""Where the bytes of a recording are: a path, memory, a temporary file, a URL; told from what people give."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import tempfile
import threading
import weakref
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from hark import settings
from hark.audio import base64_text, sniff
from hark.audio.addresses import shown
from hark.errors import AudioEmptyError, AudioError, AudioNotFoundError, AudioTooLargeError, AudioUnreadableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hark.audio.readers import Reader

_IN_MEMORY = 8 * 2**20
_CHUNK = 2**20
_TAKEN = "Give a path, a URL, bytes, a binary file, or an array with its rate."


class FileSource:
    """A file on disk, checked when it is named and read when it is heard."""

    def __init__(self, path: str | os.PathLike[str], name: str | None = None) -> None:
        self.path = Path(path)
        self.name = name or self.path.name or str(path)
        _check_file(self.path)

    def open(self) -> BinaryIO:
        """Open the bytes for reading, from the start, apart from every other reader."""
        try:
            # By number: soundfile would take the ending of a name for the format (`.raw`).
            return os.fdopen(os.open(self.path, os.O_RDONLY), "rb")
        except OSError as error:
            raise _file_error(self.path, error) from error

    def digest(self) -> str:
        """The sha256 of the bytes."""
        return _digest(self)

    def reader(self) -> Reader:
        """Start to decode."""
        from hark.audio.decode import open_reader

        return open_reader(self.open(), self.name)


class BytesSource(FileSource):
    """Bytes in memory, or in a temporary file that goes when they are not used any more."""

    def __init__(self, data: bytes | BinaryIO, name: str) -> None:
        self.name = name
        self._data: bytes | None = None
        if isinstance(data, bytes):
            _check_size(len(data), name)
            _check_some(len(data), name)
            self._data = data
        else:
            self._spool(data, name)

    def open(self) -> BinaryIO:
        """Open the bytes for reading, from the start, apart from every other reader."""
        return BytesIO(self._data) if self._data is not None else super().open()

    def _spool(self, file: BinaryIO, name: str) -> None:
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as spool:
            size = _copy(file, spool, name)
            _check_some(size, name)
            spool.seek(0)
            if size <= _IN_MEMORY:
                self._data = spool.read()
                return
            self.path = _temporary(self, name)
            with self.path.open("wb", buffering=0) as out:
                _copy(spool, out, name)


class UrlSource(FileSource):
    """A URL, fetched once, when it is first heard; `fetching` writes what is there into a file."""

    def __init__(
        self, url: str, name: str | None = None, fetching: Callable[[str, BinaryIO], object] | None = None
    ) -> None:
        self.url, self._fetching = url, fetching
        self.name = name or shown(url)
        self._lock = threading.Lock()
        self._fetched = False

    def open(self) -> BinaryIO:
        """Open the bytes for reading, fetching them first if that was not done yet."""
        with self._lock:
            if not self._fetched:
                self.path, self._fetched = self._fetch(), True
        return super().open()

    def _fetch(self) -> Path:
        from hark.audio.fetch import fetch

        path = _temporary(self, self.name)
        try:
            with path.open("wb", buffering=0) as out:  # a full disk is found by the write, not by the close
                (self._fetching or fetch)(self.url, out)
            _check_some(path.stat().st_size, self.name)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return path


def source_of(given: Any, rate: int | None, name: str | None) -> Any:
    """The source behind whatever people give; `hark.audio.audio.Audio.of` lists what that may be.

    Raises:
        AudioError: it is nothing that can be heard.
    """
    if isinstance(given, FileSource):
        return given
    if isinstance(given, Mapping):
        return _from_mapping(given, rate, name)
    if hasattr(given, "get_all_samples"):  # torchcodec's AudioDecoder, as `datasets` gives it
        everything = given.get_all_samples()
        return _from_array(everything.data, everything.sample_rate, name)
    if isinstance(given, tuple) and len(given) == 2 and sum(isinstance(part, int) for part in given) == 1:
        samples, said = given if isinstance(given[1], int) else given[::-1]
        return _from_array(samples, said, name)
    encoded = _encoded(given, name)
    if encoded is None:
        return _from_array(given, rate, name)
    if rate is not None:
        raise AudioError(
            f"A rate was given for {encoded.name}, which says its own.", hint="Give rate only with raw samples."
        )
    return encoded


def _encoded(given: Any, name: str | None) -> FileSource | None:
    if isinstance(given, str):
        return _from_text(given, name)
    if isinstance(given, os.PathLike):
        return _from_path(os.fsdecode(given), name)
    if isinstance(given, bytes | bytearray | memoryview):
        return BytesSource(bytes(given), name or "bytes")
    if hasattr(given, "read"):
        return BytesSource(_at_start(given), name or _file_name(given))
    return None


def _from_array(samples: Any, rate: Any, name: str | None) -> Any:
    if not (
        hasattr(samples, "__array__") or hasattr(samples, "__array_interface__") or isinstance(samples, list | tuple)
    ):
        raise AudioUnreadableError(f"A {type(samples).__name__} is nothing that can be heard.", hint=_TAKEN)
    from hark.audio.arrays import ArraySource

    return ArraySource(samples, rate, name or "array")


def _from_mapping(given: Mapping[str, Any], rate: int | None, name: str | None) -> Any:
    """What `datasets` and transformers pipelines give: array or raw with sampling_rate, or bytes and path."""
    samples = next((given[key] for key in ("array", "raw") if given.get(key) is not None), None)
    if samples is not None:
        said = given.get("sampling_rate", rate)
        named = given.get("path")
        return _from_array(samples, said, name or (_last(named)))
    if given.get("bytes") is not None:
        named = given.get("path")
        return source_of(given["bytes"], rate, name or (_last(named)))
    for key in ("path", "url"):
        if given.get(key):
            return source_of(given[key], rate, name)
    raise AudioUnreadableError(
        f"A dict with the keys {', '.join(map(str, given)) or '(none)'} is nothing that can be heard.",
        hint='Give {"array": samples, "sampling_rate": 16000}, or {"bytes": ...}, or {"path": ...}.',
    )


def _last(path: Any) -> str | None:
    """The name of the file at the end of a path, which whoever made the dict may have left out."""
    return Path(str(path)).name if path else None


def _from_text(text: str, name: str | None) -> FileSource:
    scheme = text[:8].lower()
    if scheme.startswith(("http://", "https://")):
        return UrlSource(text, name)
    if scheme.startswith("file:"):
        return _from_path(_file_url(text), name)
    if scheme.startswith("data:"):
        return _from_data_uri(text, name)
    decoded = _from_base64(text)
    if decoded is not None:
        return BytesSource(decoded, name or "base64")
    if "://" in text[:16] and not os.path.exists(text):
        raise AudioError(f"{text[:80]} is no address that can be fetched.", hint="Use http:// or https://, or a path.")
    return _from_path(text, name)


def _from_path(text: str, name: str | None) -> FileSource:
    if not text:
        raise AudioNotFoundError("The name of the file is empty.", hint=_TAKEN)
    path = Path(text)
    try:
        stream = path.is_fifo() or path.is_char_device()
    except (OSError, ValueError):
        stream = False
    if not stream:
        return FileSource(path, name)
    try:
        with path.open("rb") as file:  # a pipe gives its bytes once
            return BytesSource(file, name or path.name)
    except OSError as error:
        if isinstance(error, AudioError):
            raise
        raise _file_error(path, error) from error


def _from_data_uri(text: str, name: str | None) -> BytesSource:
    head, comma, body = text.partition(",")
    try:
        data = base64_text.decode(unquote(body)) if head.endswith(";base64") else unquote_to_bytes(body)
    except (binascii.Error, ValueError) as error:
        raise AudioUnreadableError("The data URI is not valid base64.", hint="data:audio/wav;base64,...") from error
    if not comma:
        raise AudioUnreadableError("The data URI has no data: no comma in it.", hint="data:audio/wav;base64,...")
    return BytesSource(data, name or head[:40])


def _from_base64(text: str) -> bytes | None:
    """The bytes behind long base64 text that begins like audio, else None: it is a path then."""
    if len(text) < 64:
        return None
    try:
        start = base64.b64decode("".join(text[:80].split())[:64], validate=True)
        return base64_text.decode("".join(text.split())) if sniff.is_audio(start) else None
    except (binascii.Error, ValueError):
        return None


def _file_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.netloc not in ("", "localhost"):
        raise AudioError(f"{text[:80]} names another machine.", hint="Use file:///path, or a plain path.")
    return unquote(parts.path)


def _at_start(file: Any) -> BinaryIO:
    """A file written a moment ago stands at its end; what is meant is its content."""
    seekable = getattr(file, "seekable", None)
    try:
        if seekable is not None and seekable():
            at = file.tell()
            if at and at == file.seek(0, os.SEEK_END):
                at = 0
            file.seek(at)
    except (OSError, ValueError) as error:
        raise AudioUnreadableError(f"{_file_name(file)} cannot be read: {error}.", hint=_TAKEN) from error
    opened: BinaryIO = file
    return opened


def _file_name(file: Any) -> str:
    named = getattr(file, "name", None)
    if named in ("<stdin>", 0):
        return "stdin"
    return Path(named).name if isinstance(named, str) else "file"


def _copy(source: Any, target: Any, name: str) -> int:
    size = 0
    try:
        while chunk := source.read(_CHUNK):
            if isinstance(chunk, str):
                raise AudioUnreadableError(f"{name} was opened as text.", hint='Open it with mode "rb".')
            if not isinstance(chunk, bytes | bytearray | memoryview):
                raise AudioUnreadableError(f"{name} gives no bytes but {type(chunk).__name__}.", hint=_TAKEN)
            size += len(chunk)
            _check_size(size, name)
            _keep(chunk, target, name)
    except (OSError, ValueError) as error:
        if isinstance(error, AudioError):
            raise
        raise AudioUnreadableError(f"{name} cannot be read: {error}.") from error
    return size


def _keep(chunk: bytes | bytearray | memoryview, target: Any, name: str) -> None:
    try:
        rest = memoryview(chunk)
        while rest:  # an unbuffered file takes what there is space for
            rest = rest[target.write(rest) :]
        target.flush()
    except OSError as error:
        raise _not_kept(name, error) from error


def _not_kept(name: str, error: OSError) -> AudioUnreadableError:
    return AudioUnreadableError(
        f"{name} cannot be kept in a temporary file: {error.strerror or error}.",
        hint="Is there space in the folder for temporary files (TMPDIR)? Or save it, and give the file.",
    )


def _temporary(owner: object, name: str) -> Path:
    try:
        handle, path = tempfile.mkstemp(prefix="hark-")
    except OSError as error:  # there is no folder that can be written to
        raise _not_kept(name, error) from error
    os.close(handle)
    weakref.finalize(owner, Path(path).unlink, missing_ok=True)
    return Path(path)


def _digest(source: FileSource) -> str:
    with source.open() as file:
        try:
            return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
        except OSError as error:
            raise AudioUnreadableError(f"{source.name} cannot be read: {error.strerror}.") from error


def _check_some(size: int, name: str) -> None:
    if size == 0:
        raise AudioEmptyError(f"{name} is empty: 0 bytes.", hint="Record or download it again.")


def _check_size(size: int, name: str) -> None:
    limit = settings.current().max_bytes
    if size > limit:
        raise AudioTooLargeError(
            f"{name} is larger than the limit of {limit / 2**20:.4g} MiB.",
            hint="Raise max_bytes in the settings (HARK_MAX_BYTES).",
        )


def _check_file(path: Path) -> None:
    try:
        if path.is_dir():
            raise AudioUnreadableError(f"{path} is a folder, not a recording.", hint="Name the files in it.")
        status = path.stat()
        with path.open("rb"):
            pass
    except (OSError, ValueError) as error:
        if isinstance(error, AudioError):
            raise
        raise _file_error(path, error) from error
    if path.is_file():
        _check_some(status.st_size, str(path))
    _check_size(status.st_size, str(path))


def _file_error(path: Path, error: Exception) -> AudioError:
    shown = str(path) if len(str(path)) <= 200 else f"{str(path)[:200]}..."
    if isinstance(error, FileNotFoundError) and path.is_symlink():
        return AudioNotFoundError(
            f"{shown} is a link to a file that is not there.", hint=f"It leads to {_leads(path)}."
        )
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return AudioNotFoundError(f"There is no file {shown}.", hint=_near(path))
    if isinstance(error, PermissionError):
        return AudioUnreadableError(f"{shown} may not be read: permission denied.", hint="Check its permissions.")
    why = getattr(error, "strerror", None) or str(error)
    return AudioUnreadableError(f"{shown} cannot be read: {why}.", hint=_TAKEN)


def _leads(path: Path) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return "nowhere"


def _near(path: Path) -> str:
    import difflib

    try:
        folder = path.parent.absolute()  # fails where the current folder was deleted
        names = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return f"There is no folder {path.parent} either." if not path.parent.exists() else "Check the name."
    close = difflib.get_close_matches(path.name, names, n=3, cutoff=0.6)
    same = [name for name in names if Path(name).stem == path.stem]
    offers = list(dict.fromkeys([*same, *close]))[:3]
    return f"Did you mean {' or '.join(offers)}?" if offers else f"Looked in {folder}."
