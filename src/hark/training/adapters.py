"""An adapter added to the weights of its model: a folder of its own that needs no adapter, and is as fast as before."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from hark.engines.catalog import resolve
from hark.engines.loading import Loading
from hark.engines.transformers.adapters import ALWAYS, Adapters, folders
from hark.engines.transformers.engine import Transformers
from hark.errors import OptionError, OutputError, UnsupportedError
from hark.training.tune_saving import save_model

if TYPE_CHECKING:
    from pathlib import Path


def merge(model: str, adapter: Path, out: Path, **how: Any) -> Path:
    """Write a model with the weights of an adapter added to its own; it answers as the two do together.

    Args:
        model: the folder, or the name, of the model that the adapter was trained on.
        adapter: the folder of the adapter.
        out: the folder to write; it must not be there yet.
        how: fields of `hark.engines.loading.Loading`, but for those that quantize.

    Raises:
        UnsupportedError: the model is not one of transformers.
        OptionError: weights that are quantized take nothing more.
        ModelBrokenError: the adapter does not fit.
        OutputError: the folder is there, or cannot be written.
    """
    loading = Loading.of(**how, adapter=str(adapter))
    if loading.quantize:
        raise OptionError("Nothing can be added to quantized weights.", hint="Merge without --quantize.")
    found = resolve(model)
    if found.kind != "transformers" or found.folder is None:
        raise UnsupportedError(f"{found.name} takes no adapter.", hint="Name a folder of a transformers model.")
    if out.exists() and any(out.iterdir()):
        raise OutputError(f"{out} is already there.", hint="Name another folder.")
    engine = Transformers(found.name, found.folder, Loading.of(**how))
    adapters = Adapters.of(engine.loaded(), folders(loading, found.folder))
    adapters.switch(ALWAYS)
    merged(adapters.loaded.model)
    partial = out.with_name(f"{out.name}.partial")
    try:
        save_model(adapters.loaded.model, engine, partial)
        if out.exists():
            out.rmdir()
        os.replace(partial, out)
    except OSError as error:
        raise OutputError(f"{out} cannot be written: {error.strerror or error}.") from error
    return out


def merged(model: Any) -> None:
    """Add the adapter that counts to the weights, in place, and leave plain modules."""
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils.other import ModulesToSaveWrapper

    for name, module in list(model.named_modules()):
        if isinstance(module, BaseTunerLayer):
            module.merge(safe_merge=True)
            _replace(model, name, module.get_base_layer())
        elif isinstance(module, ModulesToSaveWrapper):
            (chosen,) = module.active_adapters
            has = chosen in module.modules_to_save
            _replace(model, name, module.modules_to_save[chosen] if has else module.original_module)


def _replace(model: Any, name: str, module: Any) -> None:
    parent, _, own = name.rpartition(".")
    setattr(model.get_submodule(parent), own, module)
