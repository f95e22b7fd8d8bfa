"""What the libraries below raise, told as errors of hark."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from hark.errors import HarkError, ModelBrokenError, ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def failing(name: str) -> Iterator[None]:
    """Tell what libraries raise as an error of hark, and give back the memory that the work took.

    Raises:
        ModelError: the model failed while it worked.
    """
    from hark.machine import give_back

    try:
        yield
    except HarkError:
        raise
    except (RuntimeError, ValueError, TypeError, IndexError, KeyError, OSError) as error:
        told = str(error).splitlines()[0].rstrip(".") if str(error).strip() else repr(error)
        raise ModelError(
            f"{name} failed: {told}.",
            hint="Try less audio at once, --device cpu or --dtype float32; hark doctor --model plays it a known clip.",
        ) from error
    finally:
        give_back()


@contextlib.contextmanager
def reading(folder: Path) -> Iterator[None]:
    """Tell what libraries raise at a file that is missing, broke off, or is none of theirs.

    Raises:
        ModelBrokenError: the folder cannot be read.
    """
    from pickle import UnpicklingError

    from safetensors import SafetensorError

    broken = (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, ImportError)
    try:
        yield
    except HarkError:
        raise
    except (*broken, SafetensorError, UnpicklingError) as error:
        told = str(error).splitlines()[0].rstrip(".") if str(error).strip() else repr(error)
        raise ModelBrokenError(
            f"The model in {folder} cannot be loaded: {told}.",
            hint="A file may be missing or incomplete: copy or download it again.",
        ) from error
