"""What operations on 8-bit integers ask of their arguments: arrays, types and zero points."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.functional._operands import as_array, copy_reason

__all__ = ["BYTES", "byte_array", "byte_type", "checked_zero_point", "named_type"]

#: the types that they compute with
BYTES = (np.dtype(np.int8), np.dtype(np.uint8))


def byte_array(name: str, value: Any, kinds: tuple[np.dtype, ...]) -> np.ndarray:
    """An array of one of the types that the engine reads; views stay views unless it cannot read them in place."""
    array = as_array(name, value)
    if array.dtype.newbyteorder("=") not in kinds:
        wanted = " or ".join(map(str, kinds))
        if array.dtype.kind not in "biuf":
            raise TypeError(f"{name} has dtype {array.dtype} (from {type(value).__name__}): give an array of {wanted}")
        fits = next((kind for kind in kinds if _holds(kind, array)), None)
        advice = (
            f"cast it with {name}.astype(np.{fits}), which holds its values" if fits is not None
            else "its values do not fit in that: quantize them first"
        )  # fmt: skip
        raise TypeError(f"{name} has dtype {array.dtype}, but takes {wanted}: {advice}")
    return array if copy_reason(array) is None else np.array(array, dtype=array.dtype.newbyteorder("="), order="K")


def _holds(kind: np.dtype, array: np.ndarray) -> bool:
    """Whether a type of integers holds every value of an array."""
    limits = np.iinfo(kind)
    inside = not array.size or (array.min() >= limits.min and array.max() <= limits.max)
    return bool(inside and (array.dtype.kind != "f" or np.array_equal(array, np.rint(array))))


def named_type(value: Any) -> np.dtype | None:
    """The type that a value names; None where it names none."""
    try:
        return None if value is None else np.dtype(value)
    except (TypeError, ValueError):
        return None


def byte_type(name: str, value: Any) -> np.dtype:
    """int8 or uint8, whatever names it."""
    kind = named_type(value)
    if kind is None or kind not in BYTES:
        raise TypeError(f"{name} (={repr(value) if kind is None else kind}) must be int8 or uint8")
    return kind


def checked_zero_point(name: str, value: Any, kind: np.dtype, shapes: tuple[tuple[int, ...], ...]) -> np.ndarray:
    """What stands for 0, as int64."""
    zero, limits = as_array(name, 0 if value is None else value), np.iinfo(kind)
    if zero.dtype == object and all(isinstance(one, int) for one in zero.flat):  # ints beyond 64 bits
        zero = np.asarray(np.clip(zero, -(2**62), 2**62)).astype(np.int64)
    if zero.dtype.kind not in "iu":
        raise TypeError(f"{name} (={value!r}) must be made of ints, not {zero.dtype}")
    if zero.shape not in shapes:
        raise ValueError(f"{name} has shape {zero.shape}, but takes {' or '.join(map(str, shapes))}")
    if zero.size and (zero.min() < limits.min or zero.max() > limits.max):
        raise ValueError(
            f"{name} (={np.asarray(value).tolist()}) must lie in what {kind} holds, {limits.min} to {limits.max}"
        )
    return zero.astype(np.int64)
