"""What all tests of the server share."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    """A server that a test starts by its command writes its log to a stderr that is closed when the test is over."""
    root, server = logging.getLogger(), logging.getLogger("hark.server")
    handlers, levels = root.handlers[:], (root.level, server.level)
    yield
    root.handlers[:] = [one for one in root.handlers if one in handlers or type(one) is not logging.StreamHandler]
    root.setLevel(levels[0])
    server.setLevel(levels[1])
