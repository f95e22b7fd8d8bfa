"""The machine that hark runs on: its cores, and the memory it gets back."""

from __future__ import annotations

import ctypes
import os
import sys


def usable_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def give_back() -> None:
    """Give freed memory back to the system, in a few milliseconds.

    glibc keeps what lies between things still in use; a process would grow with every new recording.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim:
        trim(0)
