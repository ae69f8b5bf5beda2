"""The formats of weights, each told by how its files begin, and what every reader of them raises."""

from __future__ import annotations

import sys

import numpy as np

__all__ = ["DamagedFile", "as_array"]


class DamagedFile(ValueError):
    """What a file holds is not what its format says; the message is the reason, without the file's name."""


def as_array(kind: str, raw: bytes | memoryview, byte_order: str = "little") -> np.ndarray:
    """The elements of type `kind` (a NumPy name, or "bfloat16") that `raw` holds; bfloat16 becomes float32."""
    dtype = np.dtype("uint16" if kind == "bfloat16" else kind).newbyteorder("<" if byte_order == "little" else ">")
    flat = np.frombuffer(raw, dtype)
    if kind == "bfloat16":
        return (flat.astype(np.uint32) << 16).view(np.float32)
    return flat if byte_order == sys.byteorder else flat.astype(dtype.newbyteorder("="))
