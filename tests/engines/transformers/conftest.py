"""The tiny random model that a file of tests is about: of the family named in its `FAMILY`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import hark
from tiny.families import make

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its folder."""
    return make(request.module.FAMILY, tmp_path_factory.mktemp(request.module.FAMILY) / "tiny")


@pytest.fixture(scope="module")
def listener(folder: Path) -> Iterator[hark.Listener]:
    """What holds it."""
    with hark.load(str(folder)) as loaded:
        yield loaded
