"""safetensors files: the length of a JSON text, that text with each tensor's type, shape and place, and the bytes."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from fastconv.nn.weights.formats import DamagedFile, as_array

__all__ = ["read_safetensors", "safetensors_metadata"]

_KINDS = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32",
    "I16": "int16", "I8": "int8", "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip


def read_safetensors(data: bytes | bytearray) -> dict[str, np.ndarray]:
    """All tensors of the file by name; they are views of `data`."""
    start, header = _header(data)
    header.pop("__metadata__", None)
    rows = {name: _row(name, entry) for name, entry in header.items()}
    body = memoryview(data)[start:]
    place = 0
    for name, (kind, shape, begin, end) in sorted(rows.items(), key=lambda row: row[1][2:]):
        size = (2 if kind == "bfloat16" else np.dtype(kind).itemsize) * math.prod(shape)
        if begin != place or end - begin != size:
            raise DamagedFile(f"{name} of shape {shape} lies at bytes {begin}..{end}: overlaps, gaps or a wrong size")
        place = end
    if place != len(body):
        raise DamagedFile(f"it has {len(body)} bytes of tensors, where its header says {place}")
    return {name: as_array(kind, body[begin:end]).reshape(shape) for name, (kind, shape, begin, end) in rows.items()}


def safetensors_metadata(data: bytes | bytearray) -> dict[str, str]:
    """The words that the file holds beside its tensors."""
    words = _header(data)[1].get("__metadata__", {})
    if not isinstance(words, dict) or not all(isinstance(value, str) for value in words.values()):
        raise DamagedFile("its metadata is no table of words")
    return words


def _header(data: bytes | bytearray) -> tuple[int, dict[str, Any]]:
    """Where the tensors begin, and what the file says of them."""
    start = 8 + int.from_bytes(data[:8], "little")
    if len(data) < 8 or start > len(data):
        raise DamagedFile("it is cut off within its header")
    try:
        header = json.loads(data[8:start])
    except (ValueError, RecursionError) as error:
        raise DamagedFile(f"its header is no JSON: {error}") from error
    if not isinstance(header, dict):
        raise DamagedFile("its header is no table of tensors")
    return start, header


def _row(name: str, entry: Any) -> tuple[str, tuple[int, ...], int, int]:
    """Type, shape and place of a tensor."""
    try:
        kind, shape, (begin, end) = _KINDS[entry["dtype"]], tuple(entry["shape"]), entry["data_offsets"]
        plain = all(type(size) is int and 0 <= size < 2**62 for size in (*shape, begin, end))
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedFile(f"its header does not describe {name}: {entry!r:.80}") from error
    if not plain or len(shape) > 32:
        raise DamagedFile(f"its header does not describe {name}: {entry!r:.80}")
    return kind, shape, begin, end
