"""Adding a model that is on this machine to hark's folder of models, so that its bare name means it."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

from hark import settings
from hark.engines import catalog, models
from hark.engines.transformers.families.template import read_json
from hark.errors import ModelBrokenError, ModelNotFoundError, OptionError, OutputError, UnsupportedError

_WEIGHTS = ("*.safetensors", "pytorch_model*.bin", "model.bin")
_POINTER = b"version https://git-lfs"


def add(given: str, name: str | None = None, *, copy: bool = False) -> catalog.Model:
    """Link the folder of a model into hark's folder of models, or copy it there.

    Args:
        given: a folder, or the id of a repository that lies in the Hugging Face cache.
        name: what it is called from now on; its own name where none is given.
        copy: copy all files, so that the folder may be moved or deleted.

    Raises:
        ModelNotFoundError: there is no such folder, or no model in it.
        ModelBrokenError: a file is missing or unreadable, or the weights are.
        UnsupportedError: hark does not run this kind of model.
        OptionError: the name means something else already, or is no name of a folder.
        OutputError: hark's folder of models cannot be written.
    """
    folder = _found(given)
    model = _runs(folder)
    _has_weights(folder)
    chosen = name if name is not None else Path(given.rstrip("/\\")).name or folder.name
    place = _place(chosen, folder)
    if not place.exists():
        _bring(folder, place, copy=copy)
    return replace(model, name=chosen, folder=place)


def _found(given: str) -> Path:
    for folder in (Path(given).expanduser(), settings.current().models / given):
        if folder.is_dir():
            return folder.resolve()
    if models.size_of(given):
        raise ModelNotFoundError(
            f"{given} is a model that hark downloads itself.", hint=f"`hark models download {given}` brings it."
        )
    cached = _in_cache(given)
    if cached is None:
        raise ModelNotFoundError(
            f"There is no folder {given!r}, and no such repository in the Hugging Face cache.",
            hint="`hf download OWNER/NAME` brings a repository there; it can be added by that name then.",
        )
    return cached


def _in_cache(given: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = [try_to_load_from_cache(given, name) for name in ("config.json", "model.bin")]
    except HFValidationError:  # no name of a repository
        return None
    return next((Path(path).parent for path in found if isinstance(path, str)), None)


def _runs(folder: Path) -> catalog.Model:
    """The model in a folder; also a text model, which answers for one that hears."""
    try:
        return catalog.resolve(str(folder))
    except UnsupportedError:
        model = _writes(folder)
        if model is None:
            raise
        return model


def _writes(folder: Path) -> catalog.Model | None:
    named = read_json(folder / "config.json").get("architectures") or ()
    if not any(name.endswith("ForCausalLM") for name in named):
        return None
    try:
        return catalog.resolve("builtin", answer_with=str(folder)).writer
    except (UnsupportedError, ModelBrokenError, ModelNotFoundError):
        return None


def _has_weights(folder: Path) -> None:
    files = [path for pattern in _WEIGHTS for path in folder.glob(pattern)]
    if not files:
        raise ModelBrokenError(f"{folder} holds no weights.", hint="Copy or download the model again, in full.")
    for path in files:
        if not path.is_file() or not path.stat().st_size:
            raise ModelBrokenError(f"{path} is empty or leads nowhere.", hint="Copy or download the model again.")
        with path.open("rb") as file:
            if file.read(len(_POINTER)) == _POINTER:
                raise ModelBrokenError(
                    f"{path} is no file of weights, but a pointer of git-lfs to one.", hint=f"git -C {folder} lfs pull"
                )
    for index in folder.glob("*.index.json"):
        named = set((read_json(index).get("weight_map") or {}).values())
        if lacking := sorted(part for part in named if not (folder / part).is_file()):
            raise ModelBrokenError(
                f"{folder} lacks {lacking[0]}, one of {len(named)} files of weights.",
                hint="Copy or download the model again.",
            )


def _place(name: str, folder: Path) -> Path:
    """Where a folder comes to lie under a name that is free, or taken by that same folder."""
    parts = Path(name).parts
    if len(parts) != 1 or name.startswith((".", "~")) or ":" in name or name.endswith(models.PARTIAL):
        raise OptionError(
            f"{name!r} cannot be the name of a model.", hint="--name NAME: a plain word, such as my-model."
        )
    if name in catalog.KINDS or models.size_of(name):
        raise OptionError(f"{name!r} is the name of another model.", hint="--name NAME gives it another one.")
    place = settings.current().models / name
    if (place.is_symlink() or place.exists()) and not (place.exists() and place.samefile(folder)):
        raise OptionError(
            f"There is already a model {name!r}: {place}.",
            hint="--name NAME gives this one another name; or remove that.",
        )
    return place


def _bring(folder: Path, place: Path, *, copy: bool) -> None:
    partial = place.with_name(place.name + models.PARTIAL)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        if copy:
            shutil.rmtree(partial, ignore_errors=True)
            shutil.copytree(folder, partial)
            partial.rename(place)
        else:
            os.symlink(folder, place, target_is_directory=True)
    except (OSError, shutil.Error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise OutputError(
            f"{place} cannot be written: {reason}.",
            hint="HARK_MODELS names another folder" + ("." if copy else "; --copy needs no links."),
        ) from error
