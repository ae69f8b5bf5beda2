"""The two official formats of CIFAR-10: binary records and Python pickles.

A binary record is one label byte and 3,072 pixel bytes (red, green, blue planes of 32x32). A Python batch is a pickled
dict with ``data`` (N x 3,072 unsigned bytes) and ``labels``; it is read by `_BatchUnpickler`, which knows the few names
that such files need and gives each a harmless stand-in, so that a hostile file can run nothing.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["IMAGE_SHAPE", "read_binary_batch", "read_binary_names", "read_python_batch", "read_python_names"]

IMAGE_SHAPE = (3, 32, 32)
PIXELS = math.prod(IMAGE_SHAPE)
RECORD = 1 + PIXELS


def read_binary_batch(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read a file of binary records.

    Returns
    -------
    images : ndarray of uint8, shape (N, 3, 32, 32)
    labels : ndarray of int64, shape (N,)

    Raises
    ------
    ValueError
        If the file is missing, empty, or not a whole number of records.
    """
    data = _read(path)
    if not data or len(data) % RECORD:
        raise ValueError(
            f"{path}: truncated or not CIFAR-10 binary, {len(data):,} bytes are not a whole number of "
            f"{RECORD:,}-byte records"
        )
    records = np.frombuffer(data, np.uint8).reshape(-1, RECORD)
    return np.ascontiguousarray(records[:, 1:]).reshape(-1, *IMAGE_SHAPE), records[:, 0].astype(np.int64)


def read_binary_names(path: Path) -> tuple[str, ...]:
    """Read ``batches.meta.txt``: one class name a line."""
    try:
        text = _read(path).decode("ascii")
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not a text file of class names") from None
    return _checked_names(path, text.split())


def read_python_batch(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read a pickled batch without running anything that it names.

    Returns
    -------
    images : ndarray of uint8, shape (N, 3, 32, 32)
    labels : ndarray of int64, shape (N,)

    Raises
    ------
    ValueError
        If the file is missing, damaged, cut short, or holds something else.
    """
    batch = _unpickle(path)
    data, labels = _entry(path, batch, "data"), _entry(path, batch, "labels")
    if not isinstance(data, np.ndarray) or data.ndim != 2 or data.shape[1] != PIXELS or not len(data):
        found = f"shape {data.shape}" if isinstance(data, np.ndarray) else type(data).__name__
        raise ValueError(f"{path}: 'data' must be N x {PIXELS:,} unsigned bytes, got {found}")
    if isinstance(labels, np.ndarray):
        labels = labels.tolist()
    if not isinstance(labels, list) or not all(type(label) is int and 0 <= label < 256 for label in labels):
        raise ValueError(f"{path}: 'labels' must be a list of class numbers")
    if len(labels) != len(data):
        raise ValueError(f"{path}: {len(data):,} pictures but {len(labels):,} labels")
    return data.reshape(-1, *IMAGE_SHAPE), np.asarray(labels, np.int64)


def read_python_names(path: Path) -> tuple[str, ...]:
    """Read ``batches.meta``: a pickled dict whose ``label_names`` are the class names."""
    names = _entry(path, _unpickle(path), "label_names")
    if not isinstance(names, list):
        raise ValueError(f"{path}: 'label_names' must be a list")
    return _checked_names(
        path, [name.decode("utf-8", "replace") if isinstance(name, bytes) else name for name in names]
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file") from None
    except OSError as error:
        raise ValueError(f"{path}: cannot be read, {error.strerror}") from error


def _checked_names(path: Path, names: list[Any]) -> tuple[str, ...]:
    if not names or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{path}: holds no class names")
    return tuple(names)


def _entry(path: Path, batch: Any, key: str) -> Any:
    if not isinstance(batch, dict):
        raise ValueError(f"{path}: not a CIFAR-10 Python batch (a {type(batch).__name__}, not a dict)")
    for spelling in (key.encode(), key):
        if spelling in batch:
            return batch[spelling]
    raise ValueError(f"{path}: not a CIFAR-10 Python batch (it has no {key!r})")


def _unpickle(path: Path) -> Any:
    data = _read(path)
    try:
        _check_memo(data)
        return _resolve(_BatchUnpickler(io.BytesIO(data), encoding="bytes").load())
    except Exception as error:  # a damaged pickle may raise anything
        raise ValueError(f"{path}: damaged, truncated, or not a CIFAR-10 Python batch ({error})") from error


def _check_memo(data: bytes) -> None:
    """Refuse a pickle that numbers its objects beyond any need: the C unpickler would allocate a table as long."""
    for code, argument, _ in pickletools.genops(data):
        if code.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(argument or 0) > len(data):
            raise pickle.UnpicklingError(f"it numbers an object {argument}")


class _BatchUnpickler(pickle.Unpickler):
    """An unpickler for dicts, lists, numbers, bytes, strings and arrays of unsigned bytes, and nothing else.

    Every name that a file may mention is answered with a stand-in made for this one load; no object of NumPy or of any
    other module is ever handed to the pickle machine.
    """

    def __init__(self, stream: io.BytesIO, encoding: str) -> None:
        super().__init__(stream, encoding=encoding)
        self._names = _stand_ins()

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self._names[module.replace("numpy._core.", "numpy.core."), name]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is not allowed") from None

    def persistent_load(self, key: Any) -> Any:
        raise pickle.UnpicklingError("it refers to outside objects, which is not allowed")


class _Pending:
    """An array under construction; `_resolve` turns it into an ndarray."""

    def array(self) -> np.ndarray:
        raise pickle.UnpicklingError("an array without contents")


def _stand_ins() -> dict[tuple[str, str], Any]:
    class DType:
        def __init__(self, code: Any, *_: Any) -> None:
            if code not in ("u1", b"u1"):
                raise pickle.UnpicklingError(f"arrays must be unsigned bytes, this one is {code!r}")

        def __setstate__(self, state: Any) -> None:
            pass

    class Array(_Pending):
        def __init__(self, *_: Any) -> None:
            self.shape: Any = None
            self.body: Any = None

        def __setstate__(self, state: Any) -> None:
            _, self.shape, _, column_major, self.body = state
            if column_major:
                raise pickle.UnpicklingError("arrays must be stored row by row")

        def array(self) -> np.ndarray:
            shape, body = self.shape, self.body
            if not isinstance(shape, tuple) or not all(type(side) is int and side >= 0 for side in shape):
                raise pickle.UnpicklingError("an array without a proper shape")
            if not isinstance(body, bytes | bytearray) or len(body) != math.prod(shape):
                raise pickle.UnpicklingError(f"an array of shape {shape} whose contents are not as many bytes")
            return np.frombuffer(body, np.uint8).reshape(shape)

    def reconstruct(*_: Any) -> Array:
        return Array()

    def from_buffer(body: Any, dtype: Any, shape: Any, order: Any) -> Array:
        result = Array()
        result.__setstate__((1, shape, dtype, order != "C", body))
        return result

    def encode(text: Any, codec: Any) -> bytes:
        if not isinstance(text, str) or codec not in ("latin1", b"latin1"):
            raise pickle.UnpicklingError("text in an unknown encoding")
        return text.encode("latin1")

    return {
        ("numpy", "dtype"): DType,
        ("numpy", "ndarray"): Array,
        ("numpy.core.multiarray", "_reconstruct"): reconstruct,
        ("numpy.core.numeric", "_frombuffer"): from_buffer,
        ("_codecs", "encode"): encode,
    }


def _resolve(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: item.array() if isinstance(item, _Pending) else item for key, item in value.items()}
    return value
