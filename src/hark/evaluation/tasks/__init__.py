"""The tasks, one small file each; adding one is a file and a line of `TASKS`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hark.evaluation.task import Task

TASKS: dict[str, type[Task]] = {}
