"""The models of a server by name: opened when first asked for, closed when idle or when memory is short."""

from __future__ import annotations

from typing import TYPE_CHECKING

import hark
from hark.errors import NotServedError
from hark.server.lanes import Lane

if TYPE_CHECKING:
    from hark.server.config import Config, Served

# What clients say for "whichever": huggingface_hub sends `dummy`, TGI's clients `tgi`, huggingface.js the URL itself.
_ANY = ("", "dummy", "tgi")


class Models:
    """All models that clients may name."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._served = {served.name: served for served in config.models}
        self._lanes: dict[str, Lane] = {}

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

    def lane(self, name: str | None) -> Lane:
        """The way to a model."""
        served = self.find(name)
        if served.name not in self._lanes:
            listener = hark.load(served.model, answer_with=served.answer_with)
            self._lanes[served.name] = Lane(listener, self.config)
        return self._lanes[served.name]

    async def close(self) -> None:
        """Let go of all models."""
        for lane in self._lanes.values():
            lane.listener.close()
