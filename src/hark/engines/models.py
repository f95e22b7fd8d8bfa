"""Folders of Whisper weights: where they lie on this machine, and fetching them when a person asks for it."""

from __future__ import annotations

import difflib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hark import settings
from hark.errors import FetchError, ModelNotFoundError, OutputError

if TYPE_CHECKING:
    from collections.abc import Callable

    Progress = Callable[[int, int], None]  # bytes so far, bytes in all

PREFIX = "faster-whisper"
FILES = ("config.json", "model.bin", "preprocessor_config.json", "tokenizer.json", "vocabulary.*")
PARTIAL = ".partial"  # of folders that are not complete yet


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights that can be downloaded: the repository on the Hugging Face hub, and about how many MB they are."""

    repository: str
    megabytes: int


# The names and repositories are those of `faster_whisper.utils`; a test holds the two equal.
WHISPERS = {
    "tiny.en": Weights("Systran/faster-whisper-tiny.en", 78),
    "tiny": Weights("Systran/faster-whisper-tiny", 78),
    "base.en": Weights("Systran/faster-whisper-base.en", 148),
    "base": Weights("Systran/faster-whisper-base", 148),
    "small.en": Weights("Systran/faster-whisper-small.en", 486),
    "small": Weights("Systran/faster-whisper-small", 486),
    "medium.en": Weights("Systran/faster-whisper-medium.en", 1530),
    "medium": Weights("Systran/faster-whisper-medium", 1530),
    "large-v1": Weights("Systran/faster-whisper-large-v1", 3090),
    "large-v2": Weights("Systran/faster-whisper-large-v2", 3090),
    "large-v3": Weights("Systran/faster-whisper-large-v3", 3090),
    "large": Weights("Systran/faster-whisper-large-v3", 3090),
    "distil-large-v2": Weights("Systran/faster-distil-whisper-large-v2", 1520),
    "distil-medium.en": Weights("Systran/faster-distil-whisper-medium.en", 790),
    "distil-small.en": Weights("Systran/faster-distil-whisper-small.en", 336),
    "distil-large-v3": Weights("Systran/faster-distil-whisper-large-v3", 1520),
    "distil-large-v3.5": Weights("distil-whisper/distil-large-v3.5-ct2", 1520),
    "large-v3-turbo": Weights("mobiuslabsgmbh/faster-whisper-large-v3-turbo", 1620),
    "turbo": Weights("mobiuslabsgmbh/faster-whisper-large-v3-turbo", 1620),
}

# Those of `faster_whisper.tokenizer`, held equal by the same test; `yue` came with large-v3.
_CODES = """
    af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha haw he hi hr ht hu hy
    id is it ja jw ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr ms mt my ne nl nn no oc pa pl ps pt ro ru
    sa sd si sk sl sn so sq sr su sv sw ta te tg th tk tl tr tt uk ur uz vi yi yo yue zh
"""
LANGUAGES = frozenset(_CODES.split())


def size_of(name: str) -> str | None:
    """The size of Whisper that a name means: `faster-whisper:small.en`, `whisper-small`, a hub id; None for no Whisper.

    Raises:
        ModelNotFoundError: it has the prefix of a Whisper, and there is no such size.
    """
    for size, weights in WHISPERS.items():
        if name in (weights.repository, f"openai/whisper-{size}", f"distil-whisper/{size}", f"whisper-{size}"):
            return size
    prefix, colon, size = name.partition(":")
    if not colon or prefix not in (PREFIX, "whisper"):
        return None
    if size in WHISPERS:
        return size
    near = difflib.get_close_matches(size, WHISPERS, n=3) or list(WHISPERS)
    raise ModelNotFoundError(
        f"There is no Whisper of size {size!r}.", hint=f"There is {', '.join(near)}; or give the path of a folder."
    )


def folder_of(size: str) -> Path | None:
    """Where the weights of a size lie: hark's folder of models, else the Hugging Face cache; never the network."""
    own = own_folder(size)
    return own if own.is_dir() else _in_cache(WHISPERS[size].repository)


def own_folder(size: str) -> Path:
    """The folder that weights of a size are downloaded to, and may be copied to by hand."""
    return settings.current().models / WHISPERS[size].repository.rpartition("/")[2]


def _in_cache(repository: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repository, "model.bin")
    return Path(found).parent if isinstance(found, str) else None


def kept() -> list[Path]:
    """The folders in hark's folder of models, without unfinished downloads."""
    try:
        inside = sorted(settings.current().models.iterdir())
    except OSError:
        return []
    return [path for path in inside if path.is_dir() and path.suffix != PARTIAL and not path.name.startswith(".")]


def missing(folder: Path) -> list[str]:
    """The files that a folder of Whisper weights lacks, or that are empty."""
    needed = [pattern for pattern in FILES if pattern != "preprocessor_config.json"]
    return [name for name in needed if not any(path.stat().st_size for path in folder.glob(name) if path.is_file())]


def download(name: str, progress: Progress | None = None) -> Path:
    """Fetch the weights of a Whisper from the Hugging Face hub, unless they are here and complete.

    They are fetched into a folder beside the final one, which gets its name only when everything is there; a download
    that broke off goes on from there.

    Args:
        name: such as `faster-whisper:small`, or any other name of it that `size_of` knows.
        progress: called with the bytes fetched so far and the bytes in all, from several threads.

    Raises:
        ModelNotFoundError: it is not the name of a model that can be downloaded.
        FetchError: the hub was not reached, or refused.
        OutputError: the folder cannot be written, or the disk is full.
    """
    size = size_of(name)
    if size is None:
        raise ModelNotFoundError(
            f"{name} cannot be downloaded.", hint=f"These can: {', '.join(f'{PREFIX}:{size}' for size in WHISPERS)}."
        )
    here = folder_of(size)
    if here and not missing(here):
        return here
    final = own_folder(size)
    partial = final.with_name(final.name + PARTIAL)
    try:
        if final.is_dir() and not partial.exists():
            final.rename(partial)
        partial.mkdir(parents=True, exist_ok=True)
        _fetch(WHISPERS[size].repository, partial, progress)
        shutil.rmtree(final, ignore_errors=True)  # it lacked files
        partial.rename(final)
    except OSError as error:
        raise _explained(error, size, final) from error
    return final


def _fetch(repository: str, folder: Path, progress: Progress | None) -> None:
    """Fetch a snapshot; every failure leaves as an OSError, which says whether disk or network failed."""
    import httpx2
    from huggingface_hub import snapshot_download

    try:
        snapshot_download(
            repository, local_dir=folder, allow_patterns=list(FILES), tqdm_class=_bar(progress or (lambda _a, _b: None))
        )
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise ConnectionError(str(error) or type(error).__name__) from error
    if lacks := missing(folder):  # the hub's client is content with half a folder when the network fails
        raise ConnectionError(f"{' and '.join(lacks)} did not arrive")


def _bar(progress: Progress) -> Any:
    """A tqdm bar that is not drawn: it passes on what is counted in bytes."""
    from tqdm import tqdm  # type: ignore[import-untyped]

    most = [0, 0]  # the hub counts bytes received and bytes written on two bars: the one that is ahead is told

    class Bar(tqdm):  # type: ignore[misc]  # tqdm has no types
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs | {"disable": True})
            self.counts, self.total = kwargs.get("unit") == "B", kwargs.get("total")

        def update(self, n: float | None = 1) -> None:
            self.n += n or 0
            if self.counts:
                most[:] = max(most[0], int(self.n)), max(most[1], int(self.total or 0), int(self.n))
                progress(most[0], most[1])

    return Bar


def _explained(error: OSError, size: str, final: Path) -> OutputError | FetchError:
    """Tell what failed: a disk error has a number and a file of ours, everything else came from the network."""
    if error.errno is not None and not isinstance(error, ConnectionError | TimeoutError):
        return OutputError(
            f"The weights of {PREFIX}:{size} cannot be written to {final.parent}: {error.strerror}.",
            hint=f"They need about {WHISPERS[size].megabytes} MB; HARK_MODELS names another folder.",
        )
    reason = next(iter(str(error).splitlines()), type(error).__name__).rstrip(". ")
    return FetchError(
        f"{PREFIX}:{size} could not be downloaded from huggingface.co: {reason}.",
        hint=f"Without a network, copy the files of {WHISPERS[size].repository} to {final} by hand.",
    )
