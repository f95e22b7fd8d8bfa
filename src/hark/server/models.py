"""The models of a server by name: loaded when first asked, closed when idle or when memory is short."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

import hark
from hark.engines.catalog import resolve
from hark.errors import NotServedError, OptionError
from hark.server.branch import Branch
from hark.server.lanes import Lane
from hark.server.memory import Memory, megabytes

if TYPE_CHECKING:
    from hark.server.config import Config, Served

# What clients say for "whichever": huggingface_hub sends `dummy`, TGI's clients `tgi`, huggingface.js the URL itself.
_ANY = ("", "dummy", "tgi")


class Models:
    """All models that clients may name. Each is opened at once; weights are read when it is first asked.

    Attributes:
        lanes: the way to each with weights of its own, by name; adapters share that of their model.

    Raises:
        HarkError: a model cannot be opened.
        OptionError: one alone takes more memory than all may.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self._served = {served.name: served for served in config.models}
        memory = Memory(config.memory_mb)
        of_their_own = [served for served in self._served.values() if served.base is None]
        self.lanes = {served.name: _lane(served, config, memory) for served in of_their_own}
        self._branches = {
            served.name: Branch(self.lanes[served.base], served.name, served.adapter)
            for served in self._served.values()
            if served.base is not None and served.adapter is not None
        }

    @property
    def names(self) -> list[str]:
        """What clients may call models; the first is the default."""
        return list(self._served)

    def find(self, name: str | None) -> Served:
        """The model of a name, or the default where a client names none.

        Raises:
            NotServedError: there is no such model here.
        """
        if name is None or name in _ANY or name.startswith(("http://", "https://")):
            return next(iter(self._served.values()))
        if name not in self._served:
            raise NotServedError(
                f"There is no model {name[:200]!r} here.", hint=f"There is {', '.join(self._served)}.", param="model"
            )
        return self._served[name]

    def lane(self, name: str | None) -> Lane | Branch:
        """The way to a model.

        Raises:
            NotServedError: there is no such model here.
        """
        found = self.find(name).name
        return self._branches.get(found) or self.lanes[found]

    async def warm(self) -> None:
        """Load the first model now.

        Raises:
            HarkError: it cannot be loaded.
        """
        await self.lane(None).warm()

    async def close(self) -> None:
        """Let go of all models."""
        for lane in self.lanes.values():
            await lane.close()


def _lane(served: Served, config: Config, memory: Memory) -> Lane:
    how = {field.name: getattr(served.loading, field.name) for field in fields(served.loading)}
    chosen = {name: value for name, value in how.items() if value != getattr(type(served.loading)(), name)}
    listener = hark.load(served.model, answer_with=served.answer_with, **chosen)
    listener.engine.name = served.name  # notices name the model: its folder or address is not for clients
    takes = megabytes(resolve(served.model, served.answer_with), served.loading)
    if memory.bound is not None and takes > memory.bound:
        raise OptionError(
            f"The weights of {served.name} take {takes:.0f} MB, and all models together may take {memory.bound:g} MB.",
            hint="Raise the bound on memory, or load it with quantize or a smaller dtype.",
        )
    return Lane(listener, config, memory, takes)
