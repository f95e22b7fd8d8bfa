"""Low-rank adapters on one model: several lie on its weights, and whoever works with it has one of them, or none.

They are put on the modules themselves, not around the model: its class, its encoder and its `generate` stay what they
are. Which one counts is settled by the lock of the model, so that nothing works with another's.
"""

from __future__ import annotations

import copy
import json
import threading
import warnings
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from hark.errors import MissingExtraError, ModelBrokenError, ModelNotFoundError, OptionError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hark.engines.loading import Loading
    from hark.engines.transformers.families.family import Loaded

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
PREFIX = "base_model.model."  # that peft writes before the name of each weight
ALWAYS = ""  # the name of the adapter that a model is loaded with, and that answers where no other is named


def folders(loading: Loading, base: Path) -> dict[str, Path]:
    """The adapters that a model is to be loaded with, by name.

    Raises:
        HarkError: as `check`.
    """
    always = {} if loading.adapter is None else {ALWAYS: loading.adapter}
    found = {name: Path(folder).expanduser() for name, folder in {**always, **(loading.adapters or {})}.items()}
    for folder in found.values():
        check(folder, base)
    return found


def check(folder: Path, base: Path) -> None:
    """Refuse, before anything is loaded, a folder that holds no adapter for a model.

    Raises:
        ModelNotFoundError: there is no adapter in it.
        ModelBrokenError: its files cannot be read.
        OptionError: it was made for another kind of model.
    """
    if not (folder / CONFIG).is_file() or not (folder / WEIGHTS).is_file():
        unfinished = " yet: its training is not finished" if (folder / "tune.json").is_file() else ""
        raise ModelNotFoundError(
            f"There is no adapter in {folder}{unfinished}.", hint=f"It holds {CONFIG} and {WEIGHTS}, as peft writes."
        )
    kind = _read(folder).get("peft_type")
    if kind != "LORA":
        raise OptionError(f"The adapter in {folder} is of the kind {kind}.", hint="hark takes LoRA.")
    told = _told(folder / "tune.json").get("model_type")
    own = _told(base / "config.json").get("model_type")
    if told and own and told != own:
        raise OptionError(f"The adapter in {folder} is for {told}, and the model is {own}.", hint="Name its own model.")


@dataclass(slots=True)
class Adapters:
    """The adapters on a loaded model.

    Attributes:
        loaded: the model, with the lock that all share.
        names: those that lie on it.
    """

    loaded: Loaded
    names: tuple[str, ...] = ()
    _lock: Any = field(default_factory=threading.Lock)
    _on: str | None = None

    @classmethod
    def of(cls, loaded: Loaded, folders: Mapping[str, Path]) -> Adapters:
        """Put adapters on a model; none of them counts yet.

        Raises:
            MissingExtraError: peft is not installed.
            ModelBrokenError: one does not fit the model.
        """
        made = cls(loaded, tuple(folders))
        for number, folder in enumerate(folders.values()):
            _put(loaded.model, _inner(number), folder)
        made.switch(None)
        return made

    def with_one(self, name: str | None) -> Loaded:
        """The model for one adapter: while its lock is held, that one counts, and no other.

        Raises:
            OptionError: there is no such adapter.
        """
        if name is None and not self.names:
            return self.loaded
        if name is None:
            name = ALWAYS if ALWAYS in self.names else None
        elif name not in self.names:
            known = ", ".join(one for one in self.names if one) or "none"
            raise OptionError(f"The model has no adapter {name[:100]!r}.", hint=f"There is {known}.", param="adapter")
        processor = copy.copy(self.loaded.processor)  # each remembers features of its own
        return replace(self.loaded, processor=processor, lock=_Switched(self, name))

    def switch(self, name: str | None) -> None:
        """Let one adapter count, or none; for whoever holds the lock."""
        from peft.tuners.tuners_utils import BaseTunerLayer
        from peft.utils.other import ModulesToSaveWrapper

        inner = None if name is None else _inner(self.names.index(name))
        for module in self.loaded.model.modules():
            if isinstance(module, BaseTunerLayer):
                if inner is not None:
                    module.set_adapter(inner, inference_mode=True)
                module._disable_adapters = inner is None  # noqa: SLF001 - its own switch makes weights trainable
            elif isinstance(module, ModulesToSaveWrapper):
                has = inner in module.modules_to_save
                if has:
                    module.set_adapter(inner, inference_mode=True)
                module._disable_adapters = not has  # noqa: SLF001 - as above
        self._on = name

    def enter(self, name: str | None) -> None:
        """Wait for the model, and switch to an adapter."""
        self._lock.acquire()
        try:
            if name != self._on:
                self.switch(name)
        except BaseException:
            self._lock.release()
            raise

    def leave(self) -> None:
        """Let others work with the model."""
        self._lock.release()


class _Switched:
    """The lock of a model with one adapter: a context like that of `threading.Lock`."""

    def __init__(self, adapters: Adapters, name: str | None) -> None:
        self.adapters, self.name = adapters, name

    def __enter__(self) -> Self:
        self.adapters.enter(self.name)
        return self

    def __exit__(self, *_: object) -> None:
        self.adapters.leave()


def _inner(number: int) -> str:
    """What peft calls an adapter: modules can be called neither nothing nor anything with a dot."""
    return f"adapter_{number}"


def _put(model: Any, name: str, folder: Path) -> None:
    try:
        from peft import LoraConfig, inject_adapter_in_model, set_peft_model_state_dict
    except ImportError as error:
        raise MissingExtraError.of("An adapter", "train") from error
    from safetensors.torch import load_file

    try:
        config = LoraConfig.from_pretrained(str(folder), inference_mode=True)
        weights = {key.removeprefix(PREFIX): value for key, value in load_file(folder / WEIGHTS).items()}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is wrong with it is told below
            inject_adapter_in_model(config, model, name)
            found = set_peft_model_state_dict(model, weights, adapter_name=name)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        told = next(iter(str(error).splitlines()), repr(error)).rstrip(".")
        raise ModelBrokenError(f"The adapter in {folder} does not fit the model: {told}.", hint=_HINT) from error
    lacking = [key for key in found.missing_keys if f".{name}." in key]
    if strange := [*found.unexpected_keys, *lacking]:
        raise ModelBrokenError(f"The adapter in {folder} does not fit the model: {min(strange)}.", hint=_HINT)


_HINT = "Name the model that it was trained on."


def _read(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelBrokenError(f"{folder / CONFIG} cannot be read: {error}.", hint="Copy it again.") from error
    if not isinstance(found, dict):
        raise ModelBrokenError(f"{folder / CONFIG} describes no adapter.", hint="Copy it again.")
    return found


def _told(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
