"""Element types: ONNX's numbers of them and NumPy's."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.onnx.writer import onnx_package

__all__ = ["numpy_type", "saturated", "type_name"]


def numpy_type(number: int) -> np.dtype:
    """NumPy's type of the elements of a TensorProto.

    Raises
    ------
    ValueError
        If there is no type of this number.
    """
    onnx = onnx_package()
    try:
        return np.dtype(onnx.helper.tensor_dtype_to_np_dtype(number))
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"element type {number} is unknown") from None


def type_name(dtype: Any) -> str:
    """For people: "string" for Python objects."""
    return "string" if np.dtype(dtype).kind == "O" else np.dtype(dtype).name


def saturated(x: np.ndarray, dtype: np.dtype, saturate: bool = True) -> np.ndarray:
    """A cast to a small type, to its largest number where `x` is larger, if asked."""
    onnx = onnx_package()
    wide = x.astype(np.float32)
    if not saturate:
        return wide.astype(dtype)
    return onnx.numpy_helper.saturate_cast(wide, dtype)
