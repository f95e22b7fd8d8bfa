"""A language model of the transformers library that reads text alone: the second half of a cascade."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hark.engines.transformers.engine import Transformers
from hark.engines.transformers.families.text import text_family

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hark.engines.transformers.families.family import Family


class TextModel(Transformers):
    """A folder of a causal language model with a chat template."""

    @staticmethod
    def family_in(folder: Path, config: Mapping[str, Any]) -> Family:
        """The one family there is.

        Raises:
            UnsupportedError: the folder holds something else.
        """
        return text_family(config, folder)
