"""Arrays out of attributes and sizes, and other types of the same numbers."""

from __future__ import annotations

import math

import numpy as np

from fastconv.onnx.operators.operator import Call, Operator, bounded, of_elements
from fastconv.onnx.types import numpy_type, saturated

__all__ = ["ROWS"]

_LISTS = {"value_floats": np.float32, "value_ints": np.int64, "value_float": np.float32, "value_int": np.int64}


def _constant(call: Call) -> np.ndarray:
    if call["value"] is not None:
        return call["value"]
    for name, kind in _LISTS.items():
        if call[name] is not None:
            return np.array(call[name], kind)
    for name in ("value_string", "value_strings"):
        if call[name] is not None:
            return np.array(call[name], object)
    raise ValueError("a Constant without a dense value is not supported")


def _filled(call: Call, shape: np.ndarray) -> np.ndarray:
    value = np.zeros(1, np.float32) if call["value"] is None else call["value"]
    return np.full(bounded([int(size) for size in shape], value.dtype), value.reshape(-1)[0])


def _range(call: Call, start: np.ndarray, limit: np.ndarray, step: np.ndarray) -> np.ndarray:
    first, last, delta = (np.ravel(part)[0] for part in (start, limit, step))
    if delta == 0:
        raise ValueError("a Range with a step of 0 does not end")
    count = max(0, math.ceil((float(last) - float(first)) / float(delta)))
    bounded((count,), start.dtype)
    return (first + np.arange(count, dtype=start.dtype) * delta).astype(start.dtype)


def _identity_matrix(call: Call, x: np.ndarray) -> np.ndarray:
    kind = x.dtype if call["dtype"] is None else numpy_type(call["dtype"])
    rows, columns = x.shape
    return np.eye(rows, columns, call["k"] or 0, kind)


def _cast(call: Call, x: np.ndarray, like: np.ndarray | None = None) -> np.ndarray:
    kind = like.dtype if like is not None else numpy_type(call["to"])
    if kind == x.dtype:
        return x
    if kind.kind == "O":
        raise ValueError("casts to strings are not supported")
    if x.dtype.kind == "O":
        x = x.astype(np.float64)
    with np.errstate(all="ignore"):
        if kind.name in ("int4", "uint4", "int2", "uint2"):
            return x.astype(np.float32).astype(np.int32).astype(kind)
        if kind.itemsize == 1 and kind.kind not in "iub":
            return saturated(x, kind, call["saturate"] != 0)
        return x.astype(kind)


ROWS: dict[str, Operator] = {
    "Constant": Operator(_constant),
    "ConstantOfShape": Operator(_filled, sizes=(0,)),
    "Range": Operator(_range, sizes=(0, 1, 2)),
    "EyeLike": Operator(_identity_matrix),
    **of_elements({"Cast": Operator(_cast)}),
    "CastLike": Operator(_cast),
}
