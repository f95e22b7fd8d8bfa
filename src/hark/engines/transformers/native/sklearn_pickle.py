"""Reads the cluster centres out of a pickled k-means model of scikit-learn, and runs nothing that the file names.

A pickle says which classes to make. Here everything of scikit-learn, scipy and numpy's random numbers becomes an empty
holder of attributes, arrays and their types are made by numpy, and anything else is refused. Joblib's format: the bytes
of each array follow, after up to 255 bytes of padding, on the object that describes it (`joblib/numpy_pickle.py`).
"""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

from hark.errors import ModelBrokenError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_HOLDERS = ("sklearn.", "numpy.random.")  # modules whose classes become holders
_COMPRESSED = {b"\x1f\x8b": "gzip", b"\x78": "zlib", b"BZ": "bz2", b"\xfd7": "xz", b"\x04\x22": "lz4"}


class _Holder:
    """Takes whatever it is made of, and keeps the attributes."""

    def __init__(self, *_args: Any, **_named: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            self.__dict__.update({name: value for name, value in state.items() if isinstance(name, str)})


class _Wrapped(_Holder):
    """Joblib's description of an array: `subclass`, `shape`, `order`, `dtype`, `numpy_array_alignment_bytes`."""


def _made(*_args: Any) -> _Holder:
    return _Holder()


def _bytes(text: str, _encoding: str = "latin1") -> bytes:
    """How pickles before protocol 3 write bytes."""
    return text.encode("latin1")


_Python: Any = pickle._Unpickler  # noqa: SLF001 - the one written in Python, as joblib's is


class _Reader(_Python):  # type: ignore[misc]  # typeshed does not know what it has
    dispatch: ClassVar[Any] = dict(_Python.dispatch)

    def __init__(self, file: BinaryIO, size: int) -> None:
        super().__init__(file)
        self.file, self.size = file, size

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("joblib.numpy_pickle", "NumpyArrayWrapper"):
            return _Wrapped
        if module.startswith(_HOLDERS):
            return _made if name.startswith("_") else _Holder
        if (module, name) == ("_codecs", "encode"):
            return _bytes
        known = _numpy()
        if module.startswith("numpy") and name in known:
            return known[name]
        raise pickle.UnpicklingError(f"it names {module}.{name}")

    def load_build(self) -> None:
        """As in Python; a description of an array is replaced by the array."""
        _Python.load_build(self)
        if isinstance(self.stack[-1], _Wrapped):
            self.stack[-1] = self._array(self.stack[-1].__dict__)

    dispatch[pickle.BUILD[0]] = load_build

    def _array(self, told: dict[str, Any]) -> NDArray[Any]:
        import numpy as np

        dtype, shape = np.dtype(told["dtype"]), tuple(int(length) for length in told["shape"])
        if dtype.hasobject or min(shape, default=0) < 0:
            raise pickle.UnpicklingError("an array in it holds objects")
        if told.get("numpy_array_alignment_bytes"):
            self.file.read(self.file.read(1)[0])
        count = 1
        for length in shape:
            count *= length
        if count * dtype.itemsize > self.size - self.file.tell():
            raise pickle.UnpicklingError("it breaks off")
        found = np.frombuffer(self.file.read(count * dtype.itemsize), dtype, count)
        return found.reshape(shape[::-1]).T if told.get("order") == "F" else found.reshape(shape)


def _frombuffer(data: Any, dtype: Any, shape: Any, order: Any, axes: Any = None) -> NDArray[Any]:
    """How pickles of protocol 5 write arrays; the function of that name in `numpy._core.numeric`."""
    import numpy as np

    found = np.frombuffer(data, dtype)
    return found.reshape(shape).transpose(axes) if order == "K" and axes else found.reshape(shape, order=order)


def _numpy() -> dict[str, Any]:
    """What of numpy makes arrays; the module that holds it is `numpy.core` or `numpy._core`, by the version."""
    import numpy as np
    from numpy._core import multiarray

    made: Any = multiarray
    return {
        "ndarray": np.ndarray,
        "dtype": np.dtype,
        "_reconstruct": made._reconstruct,  # noqa: SLF001 - the name in pickles of arrays
        "scalar": made.scalar,
        "_frombuffer": _frombuffer,
    }


def read_cluster_centers(path: Path) -> NDArray[Any]:
    """Read `cluster_centers_` (codes, width) of a `KMeans` or `MiniBatchKMeans` that joblib or pickle wrote.

    Raises:
        ModelBrokenError: it is compressed, names a class that is not needed, or holds no centres.
        OSError: the file cannot be read.
    """
    hint = "Save the centres by themselves: numpy.save('codebook.npy', model.cluster_centers_)."
    with path.open("rb") as file:
        start = file.read(2)
        file.seek(0)
        for magic, name in _COMPRESSED.items():
            if start.startswith(magic):
                raise ModelBrokenError(f"{path} is compressed with {name}, which is not read.", hint=hint)
        try:
            found = _Reader(file, path.stat().st_size).load()
        except OSError:
            raise
        except Exception as error:
            # A file of random bytes can make the reader fail in any way; none of them runs anything.
            raise ModelBrokenError(
                f"{path} is not read as a k-means model: {error or 'it breaks off'}.", hint=hint
            ) from error
    import numpy as np

    centres = getattr(found, "cluster_centers_", None) if isinstance(found, _Holder) else found
    if not isinstance(centres, np.ndarray):
        raise ModelBrokenError(f"{path} holds no cluster_centers_.", hint=hint)
    return centres
