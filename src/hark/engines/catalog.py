"""From the name of a model to its engine: decided on this machine alone, before anything is loaded or fetched."""

from __future__ import annotations

import difflib
import importlib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hark import settings
from hark.engines import models
from hark.engines.loading import Loading
from hark.errors import ModelBrokenError, ModelNotFoundError, UnsupportedError

if TYPE_CHECKING:
    from hark.engines.engine import Capabilities, Engine

# kind: module, class. A kind in `_WEIGHTED` has weights: its class is made from a Model and tells, by
# `capabilities(name, folder)`, what a folder of them can do; one in `_REMOTE` is made from a name that says where its
# server is; the others are made from nothing.
KINDS = {
    "builtin": ("hark.engines.builtin.engine", "Builtin"),
    "echo": ("hark.engines.echo", "Echo"),
    "faster-whisper": ("hark.engines.faster_whisper", "FasterWhisper"),
    "transformers": ("hark.engines.transformers.engine", "Transformers"),
    "text-model": ("hark.engines.transformers.text_model", "TextModel"),
    "openai": ("hark.engines.openai_server", "OpenAIServer"),
    "realtime": ("hark.engines.realtime_server", "RealtimeServer"),
}
_WEIGHTED = frozenset({"faster-whisper", "transformers", "text-model"})
_REMOTE = frozenset({"openai", "realtime"})


@dataclass(frozen=True, slots=True)
class Model:
    """A model that can be opened.

    Attributes:
        name: how it is named to people; `resolve` takes it back.
        kind: a key of `KINDS`.
        folder: where its weights lie; None where there are none, or not yet.
        can: what it can do.
        writer: the text model that answers from its transcripts, where one was chosen.
    """

    name: str
    kind: str
    folder: Path | None
    can: Capabilities
    writer: Model | None = None

    @property
    def ready(self) -> bool:
        """Can it be used without fetching anything?"""
        return self.kind not in _WEIGHTED or self.folder is not None

    @property
    def megabytes(self) -> int | None:
        """About how much has to be fetched before it can be used, in MB; None where it is here."""
        size = None if self.ready else models.size_of(self.name)
        return models.WHISPERS[size].megabytes if size else None

    @property
    def command(self) -> str:
        """The command that brings what is missing; empty where nothing is."""
        return "" if self.ready else f"hark models download {self.name}"


def resolve(name: str | os.PathLike[str], answer_with: str | os.PathLike[str] | None = None) -> Model:
    """Find the model of a name: a kind, a size of Whisper, a folder (also one in the folder of models), or a server's.

    With `answer_with`, a folder of a text model or a server's name, it hears, and that model answers.

    Raises:
        ModelNotFoundError: there is no such model; the hint names what comes closest.
        ModelBrokenError: the folder lacks a file.
        UnsupportedError: the folder holds a kind of model that this version does not run.
    """
    if answer_with is not None:
        from hark.engines.cascade import joined

        hears, writes = resolve(name), _writer(os.fspath(answer_with))
        return replace(hears, can=joined(hears.can, writes.can), writer=writes)
    if not isinstance(name, str | os.PathLike):
        raise _unknown(str(name))
    name = os.fspath(name)
    if name.partition(":")[0] in _REMOTE:
        return _of_server(name)
    if name in KINDS and name not in _WEIGHTED:
        return Model(name, name, None, _class(name).can)
    kind, _, rest = name.partition(":")
    path = Path(os.path.expanduser(rest if kind in _WEIGHTED and rest else name))
    if os.path.isdir(path) and _is_path(str(path)):  # False too for a name too long to be one
        return _of_folder(name, path)
    size = models.size_of(name)
    if size is not None:
        return _of_size(size)
    own = settings.current().models / name
    if os.path.isdir(own) and own in models.kept():
        return _of_folder(name, own)
    if os.path.isdir(path):
        return _of_folder(name, path)
    raise _unknown(name)


def open_engine(model: Model, *, download: bool = False, progress: models.Progress | None = None, **how: Any) -> Engine:
    """Make the engine of a model; its weights are loaded when it is first asked.

    Args:
        model: what `resolve` gave.
        download: fetch the weights if they are not here.
        progress: called with bytes so far and bytes in all while weights are fetched.
        how: fields of `Loading`, such as `device`, `dtype`, `quantize`; of the text model
            where one was chosen that has weights.

    Raises:
        OptionError: the model cannot be loaded so.
        ModelNotFoundError: the weights are not here, and were not to be fetched.
        FetchError, OutputError: they could not be fetched, or not be written.
    """
    if model.writer:
        from hark.engines.cascade import Cascade

        local = model.writer.kind in _WEIGHTED
        hears = replace(model, writer=None)
        heard = open_engine(hears, download=download, progress=progress, **({} if local else how))
        return Cascade(heard, open_engine(model.writer, **(how if local else {})))
    made: Any = _class(model.kind)
    engine: Engine
    loading = Loading.of(**how)
    if model.kind not in _WEIGHTED:
        loading.refuse(model.name)
        engine = made(model.name) if model.kind in _REMOTE else made()
        return engine
    if model.folder is None and not download:
        raise ModelNotFoundError(
            f"The weights of {model.name} are not on this machine, and nothing is downloaded unless asked for.",
            hint=f"`{model.command}` fetches them (about {model.megabytes} MB); so does --download.",
        )
    folder = model.folder or models.download(model.name, progress)
    engine = made(model.name, folder, loading)
    return engine


def listing() -> list[Model]:
    """All models there are a name for: those that can be used now first, then what a download would bring."""
    found = [resolve(kind) for kind in KINDS if kind not in _WEIGHTED | _REMOTE]
    own = {models.own_folder(size) for size in models.WHISPERS}
    for folder in models.kept():
        if folder not in own:
            try:
                found.append(_of_folder(folder.name, folder))
            except (ModelNotFoundError, ModelBrokenError, UnsupportedError):
                continue  # not to be used, and `resolve` says why to whoever asks for it
    seen: set[str] = set()
    for size, weights in models.WHISPERS.items():
        if weights.repository not in seen:
            seen.add(weights.repository)
            try:
                found.append(_of_size(size))
            except ModelBrokenError:
                found.append(_of_size(size, here=False))  # the command that fetches it also mends it
    return sorted(found, key=lambda model: not model.ready)


def _class(kind: str) -> type[Engine]:
    module, name = KINDS[kind]
    found: type[Engine] = getattr(importlib.import_module(module), name)
    return found


def _of_server(name: str) -> Model:
    """A model on a server: what is wrong with its name is told now, what its server lacks when it is asked."""
    from hark.engines.openai_client import parsed

    parsed(name)
    kind = name.partition(":")[0]
    return Model(name, kind, None, _class(kind).can)


def _writer(name: str) -> Model:
    """The text model of a name: a server's, or a folder of transformers weights."""
    if name.partition(":")[0] == "openai":
        return _of_server(name)
    for path in (Path(os.path.expanduser(name)), settings.current().models / name):
        if os.path.isdir(path):
            return Model(name, "text-model", path, _capabilities("text-model", name, path))
    raise ModelNotFoundError(
        f"There is no text model {name!r} on this machine.",
        hint="Name the folder of a text model of transformers, or openai:NAME@http://host:port/v1.",
    )


def _of_size(size: str, *, here: bool = True) -> Model:
    name = f"{models.PREFIX}:{size}"
    folder = models.folder_of(size) if here else None
    return Model(name, models.PREFIX, folder, _capabilities(models.PREFIX, name, folder))


def _of_folder(name: str, folder: Path) -> Model:
    """Tell from its files what kind of model a folder holds."""
    if (folder / "model.bin").is_file() or not (folder / "config.json").is_file():
        if not any((folder / file).is_file() for file in ("model.bin", "config.json")):
            raise ModelNotFoundError(
                f"The folder {folder} holds no model: neither model.bin nor config.json.",
                hint="Name the folder of a CTranslate2 Whisper model, or see `hark models`.",
            )
        return Model(name, models.PREFIX, folder, _capabilities(models.PREFIX, name, folder))
    return Model(name, "transformers", folder, _capabilities("transformers", name, folder))


def _capabilities(kind: str, name: str, folder: Path | None) -> Capabilities:
    weighted: Any = _class(kind)
    can: Capabilities = weighted.capabilities(name, folder)
    return can


def _is_path(name: str) -> bool:
    """A plain word is a name first; what has a separator in it is a folder first."""
    return any(separator in name for separator in (os.sep, os.altsep) if separator)


def _unknown(name: str) -> ModelNotFoundError:
    names = [
        *(kind for kind in KINDS if kind not in _WEIGHTED | _REMOTE),
        *(f"{models.PREFIX}:{size}" for size in models.WHISPERS),
    ]
    names += [folder.name for folder in models.kept()]
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    what = "There is no folder" if Path(name).is_absolute() or name.startswith((".", "~")) else "There is no model"
    start = f"Did you mean {' or '.join(near)}? " if near else ""
    return ModelNotFoundError(
        f"{what} {name!r}.",
        hint=f"{start}There is builtin, echo, {models.PREFIX}:SIZE (such as small), the path of a model's folder, "
        "openai:NAME@http://host:port/v1, and realtime:NAME@ws://host:port/v1.",
    )
