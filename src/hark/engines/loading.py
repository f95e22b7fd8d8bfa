"""How the weights of a model are put into memory: where, in what precision, and at whose risk."""

from __future__ import annotations

import difflib
import os
import re
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from hark.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Mapping

DTYPES = ("auto", "float32", "bfloat16", "float16")
QUANTIZATIONS = ("int8", "int4")
_DEVICE = re.compile(r"auto|(cpu|mps|(cuda|xpu)(:\d+)?)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loading:
    """What may be said about loading; the defaults leave the choice to the model and the machine.

    Attributes:
        device: `cpu`, `cuda`, `cuda:1`, `mps`, `xpu`; `auto` takes a GPU if there is one.
        dtype: precision of the weights: float32, bfloat16, float16; `auto` takes that of the folder.
        quantize: `int8` or `int4`, to fit a model into less memory.
        device_map: `auto` spreads a model that is larger than one GPU over all there are.
        trust_remote_code: run the Python code that comes in the model's folder, at your own risk.
        adapter: a folder with a low-rank adapter (LoRA) that the model is to have, as `hark tune` and peft write them.
        adapters: further ones by name, of which a question may name one: `ask(..., adapter="french")`.
        cache_mb: MiB in which what was heard is kept for further questions; 0 keeps nothing, None is the setting.
    """

    device: str = "auto"
    dtype: str = "auto"
    quantize: str | None = None
    device_map: str | None = None
    trust_remote_code: bool = False
    adapter: str | None = None
    adapters: Mapping[str, str] | None = None
    cache_mb: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.device, str) or not _DEVICE.fullmatch(self.device):
            raise OptionError(f"There is no device {self.device!r}.", hint="It is auto, cpu, cuda, cuda:1, mps or xpu.")
        if self.dtype not in DTYPES:
            raise OptionError(f"dtype cannot be {self.dtype!r}.", hint=f"It is {', '.join(DTYPES)}.")
        if self.quantize not in (None, *QUANTIZATIONS):
            raise OptionError(f"quantize cannot be {self.quantize!r}.", hint=f"It is {' or '.join(QUANTIZATIONS)}.")
        if self.device_map not in (None, "auto"):
            raise OptionError(f"device_map cannot be {self.device_map!r}.", hint="It is auto, or not given.")
        if self.device_map and self.device != "auto":
            raise OptionError("device and device_map contradict each other.", hint="Give one of them.")
        self._check_adapters()
        kept = self.cache_mb
        if kept is not None and (isinstance(kept, bool) or not isinstance(kept, int) or kept < 0):
            raise OptionError(f"cache_mb cannot be {kept!r}.", hint="It is a whole number of MiB, 0 to keep nothing.")

    def _check_adapters(self) -> None:
        for name, folder in {**(self.adapters or {}), "": self.adapter}.items():
            if not isinstance(name, str) or not (folder is None or isinstance(folder, str | os.PathLike)):
                raise OptionError(f"{folder!r} is no folder of an adapter.", hint="Name the folder: adapter='DIR'.")
        if "" in (self.adapters or {}):
            raise OptionError("An adapter has no name.", hint="adapters={'french': 'DIR'}; adapter='DIR' needs none.")

    @classmethod
    def of(cls, **values: Any) -> Loading:
        """Make it from keywords, refusing unknown names.

        Raises:
            OptionError: there is no such way to load a model, or its value is wrong.
        """
        names = [field.name for field in fields(cls)]
        for name in values:
            if name not in names:
                near = difflib.get_close_matches(name, names, n=1)
                start = f"Did you mean {near[0]}? " if near else ""
                raise OptionError(f"A model cannot be loaded with {name!r}.", hint=f"{start}It is {', '.join(names)}.")
        return cls(**values)

    def refuse(self, name: str, honoured: frozenset[str] = frozenset()) -> None:
        """Refuse what a model cannot honour.

        Raises:
            OptionError: something other than a default is set, and not among the `honoured`.
        """
        for field in fields(self):
            if field.name not in honoured and getattr(self, field.name) != field.default:
                takes = f"it takes {', '.join(sorted(honoured))}" if honoured else "hark loads no weights for it"
                raise OptionError(f"{name} cannot be loaded with {field.name}; {takes}.", hint="Leave it out.")
