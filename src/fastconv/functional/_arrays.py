"""What the dense operations ask of their arrays beyond `operand`: one type, fitting shapes, C order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastconv.functional._operands import checked_out, copied, copy_reason, original


def same_dtype(name: str, array: np.ndarray, other_name: str, other: np.ndarray) -> None:
    """Raise TypeError unless both arrays have one element type."""
    if array.dtype != other.dtype:
        raise TypeError(
            f"{name} is {array.dtype} but {other_name} is {other.dtype}, and types are never mixed: "
            f"cast {name}.astype(np.{other.dtype})"
        )


def same_shape(name: str, array: np.ndarray, other_name: str, shape: tuple[int, ...]) -> None:
    """Raise ValueError unless `array` has the given shape."""
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, but {other_name} asks for {shape}")


def dense(array: np.ndarray) -> np.ndarray:
    """Return `array` itself if it is C-contiguous, else a copy that is."""
    return array if array.flags.c_contiguous else copied(array)


def axis_index(name: str, axis: Any, ndim: int) -> int:
    """Return an axis of an array with `ndim` axes counted from the front."""
    if isinstance(axis, bool) or not isinstance(axis, (int, np.integer)):
        raise TypeError(f"{name} (={axis!r}) must be an int")
    if not -ndim <= axis < ndim:
        raise ValueError(f"{name} (={axis}) is out of range for an array with {ndim} axes")
    return int(axis) % ndim


def thread_count(num_threads: int | None) -> int:
    """Return the engine's thread argument: 0 stands for the default."""
    if num_threads is None:
        return 0
    if isinstance(num_threads, bool) or not isinstance(num_threads, (int, np.integer)):
        raise TypeError(f"num_threads (={num_threads!r}) must be an int or None")
    if num_threads < 1:
        raise ValueError(f"num_threads (={num_threads}) must be at least 1")
    if num_threads >= 2**31:
        raise ValueError(f"num_threads (={num_threads}) must be below 2**31")
    return int(num_threads)


def result_buffer(
    name: str,
    out: Any,
    shape: tuple[int, ...],
    dtype: np.dtype,
    inputs: Sequence[tuple[str, np.ndarray | None]],
    in_place: bool = False,
) -> np.ndarray:
    """Return a C-contiguous array for a result: `out` itself if the engine can write it, else a new one.

    Parameters
    ----------
    name : str
        Name of the argument `out`, for the error.
    out : ndarray or None
        The caller's array.
    shape, dtype
        Of the result.
    inputs : sequence of (str, ndarray or None)
        Names and arrays that `out` may not overlap.
    in_place : bool
        Elementwise operations: `out` may be exactly one of the inputs.

    Raises
    ------
    ValueError, TypeError
        If `out` does not fit; see `checked_out`.
    """
    if out is None:
        return np.empty(shape, dtype)
    if in_place and isinstance(out, np.ndarray):
        inputs = [(other_name, other) for other_name, other in inputs if not _same_view(other, out)]
    checked_out(name, out, shape, dtype, inputs)
    return out if out.flags.c_contiguous and copy_reason(out) is None else np.empty(shape, dtype)


def deliver(result: np.ndarray, out: np.ndarray | None) -> np.ndarray:
    """Return the result, copied to `out` if it was asked for and could not be written in place."""
    if out is None or result is out:
        return result
    out[...] = result
    return out


def _same_view(a: np.ndarray | None, b: np.ndarray) -> bool:
    if a is None:
        return False
    a = original(a)
    return (
        a.__array_interface__["data"][0] == b.__array_interface__["data"][0]
        and a.strides == b.strides
        and a.dtype == b.dtype
    )
