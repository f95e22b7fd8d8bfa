"""What each family can do, told before there is any model: from small files as the published ones have them."""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from hark.engines.transformers.families.catalog import CLASSIFIERS, FAMILIES, UNITS
from hark.errors import HarkError

if TYPE_CHECKING:
    from hark.engines.engine import Capabilities
    from hark.engines.transformers.families.family import Family


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of model that hark runs.

    Attributes:
        model_type: as in its `config.json`; of unit models the kind in `quantizer/units.json`.
        group: `model`, `classifier` (the same encoders with a classification head) or `units`.
        can: what a published model of it can do; None where only a folder can tell.
    """

    model_type: str
    group: str
    can: Capabilities | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "model_type": self.model_type,
            "group": self.group,
            "can": self.can.to_dict() if self.can else None,
        }


def overview() -> list[Kind]:
    """All kinds of transformers models in the catalog; imports no torch and reads no model."""
    tables = {"model": FAMILIES, "units": UNITS, "classifier": CLASSIFIERS}
    return [
        Kind(model_type, group, _usual(model_type, *place))
        for group, table in tables.items()
        for model_type, place in sorted(table.items())
    ]


def _usual(model_type: str, module: str, name: str) -> Capabilities | None:
    made: type[Family] = getattr(importlib.import_module(f"hark.engines.transformers.families.{module}"), name)
    family = made()
    with TemporaryDirectory() as place:
        folder = Path(place)
        for path, values in family.usual_files.items():
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_text(json.dumps(values), encoding="utf-8")
        config = {"model_type": model_type, **family.usual_files.get("config.json", {})}
        try:
            return family.capabilities(config, folder)
        except HarkError:
            return None
