"""TensorProtos as arrays, after their sizes are found true; external data from inside of the model's folder only."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from fastconv.onnx.types import numpy_type
from fastconv.onnx.writer import onnx_package

__all__ = ["is_external", "tensor_array", "tensor_bytes"]

#: bytes from which external data is mapped, not read
MAPPED = 2**20


def is_external(tensor: Any) -> bool:
    """Whether the elements are in another file."""
    return tensor.data_location == tensor.EXTERNAL


def tensor_bytes(tensor: Any) -> int:
    """Bytes that the elements take by the tensor's type and shape; 0 for strings.

    Raises
    ------
    ValueError
        If a size is negative, or the type unknown.
    """
    if any(size < 0 for size in tensor.dims):
        raise ValueError(f"its shape {list(tensor.dims)} has a negative size")
    if tensor.data_type == tensor.STRING:
        return 0
    count = math.prod(tensor.dims)
    return -(-count * _bits(tensor.data_type) // 8)


def _bits(number: int) -> int:
    """Of an element: several of the smallest types share a byte."""
    name = numpy_type(number).name
    small = {"int4": 4, "uint4": 4, "int2": 2, "uint2": 2, "float4_e2m1fn": 4}
    return small.get(name, numpy_type(number).itemsize * 8)


def tensor_array(tensor: Any, folder: Path | None) -> np.ndarray:
    """The elements; `folder` is that of the model's file.

    Raises
    ------
    ValueError
        If the stated size is not that of the data, or external data is not there or outside of the folder.
    """
    expected = tensor_bytes(tensor)
    if is_external(tensor):
        return _external(tensor, folder, expected)
    if tensor.HasField("raw_data") and tensor.data_type != tensor.STRING:
        raw = tensor.raw_data
        if len(raw) != expected:
            raise ValueError(f"its shape {list(tensor.dims)} takes {expected} bytes, but it holds {len(raw)}")
        if _bits(tensor.data_type) >= 8:
            kind = numpy_type(tensor.data_type).newbyteorder("<")
            return np.frombuffer(raw, kind).astype(kind.newbyteorder("="), copy=False).reshape(tuple(tensor.dims))
    else:
        stored = sum(len(getattr(tensor, name)) for name in _FIELDS)
        if math.prod(tensor.dims) > 16 * stored:
            raise ValueError(f"its shape {list(tensor.dims)} asks for more elements than the {stored} it holds")
    array = onnx_package().numpy_helper.to_array(tensor)
    return array.astype(object) if array.dtype.kind in "US" else array


_FIELDS = ("float_data", "int32_data", "string_data", "int64_data", "double_data", "uint64_data")


def _external(tensor: Any, folder: Path | None, expected: int) -> np.ndarray:
    stated = {entry.key: entry.value for entry in tensor.external_data}
    path = _inside(stated.get("location", ""), folder)
    size = path.stat().st_size
    offset, length = (_number(key, stated.get(key), default) for key, default in (("offset", 0), ("length", expected)))
    if length != expected:
        raise ValueError(f"its shape {list(tensor.dims)} takes {expected} bytes, but {length} are stated")
    if offset + length > size:
        raise ValueError(f"its data ends at byte {offset + length} of {path.name}, which has {size}")
    kind = numpy_type(tensor.data_type)
    if _bits(tensor.data_type) < 8 or tensor.data_type == tensor.STRING:
        whole = type(tensor)()
        whole.data_type = tensor.data_type
        whole.dims.extend(tensor.dims)
        with path.open("rb") as file:
            file.seek(offset)
            whole.raw_data = file.read(length)
        return onnx_package().numpy_helper.to_array(whole)
    if length >= MAPPED:
        return np.asarray(np.memmap(path, kind, "r", offset, tuple(tensor.dims)))
    return np.fromfile(path, kind, math.prod(tensor.dims), offset=offset).reshape(tuple(tensor.dims))


def _inside(location: str, folder: Path | None) -> Path:
    """The file of a location, which may not lead out of the folder, by links neither."""
    if folder is None:
        raise ValueError(f"its data is in another file ({location!r}): load the model by its path")
    if not location:
        raise ValueError("its data is in another file, which is not named")
    root = folder.resolve()
    try:
        path = (root / location).resolve()
        inside = not Path(location).is_absolute() and path.is_relative_to(root)
    except (OSError, ValueError, RuntimeError):
        inside = False
    if not inside:
        raise ValueError(f"its data is in {location!r}, outside of the model's folder")
    if not path.is_file():
        raise ValueError(f"its data should be in {location!r}, which is not there")
    return path


def _number(key: str, text: str | None, default: int) -> int:
    if text is None:
        return default
    if not text.isdecimal() or len(text) > 18:
        raise ValueError(f"the {key} of its data (={text!r}) is no number of bytes")
    return int(text)
