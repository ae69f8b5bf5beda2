"""Arguments of the filters in the engine's terms; None for whatever SciPy has to see to, or to refuse."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastconv.compat._exact import float_for, magnitude

__all__ = [
    "Target", "axes_of", "axis_of", "border_of", "each", "image_of", "kept", "narrow", "reach_of", "target_of",
    "working_dtype",
]  # fmt: skip

# SciPy's filters have done smaller images before a call of the engine has begun.
LEAST_SIZE = 6000
# The sum of the weights' magnitudes over that of the weights: what a flat picture's rounding grows by.
_MOST_GROWTH = 8

BORDERS = {
    "reflect": "symmetric",
    "grid-mirror": "symmetric",
    "mirror": "reflect",
    "nearest": "edge",
    "wrap": "wrap",
    "grid-wrap": "wrap",
    "constant": None,
    "grid-constant": None,
}


def kept(*values: Any) -> list[Any]:
    """Return arguments so that they can be read twice, by fastconv and then by SciPy: iterators as lists.

    Examples
    --------
    >>> kept(iter("ab"), (1, 2))
    [['a', 'b'], (1, 2)]
    """
    return [list(value) if isinstance(value, Iterator) else value for value in values]


def image_of(value: Any) -> np.ndarray | None:
    """Return an array of real numbers with axes, and large enough to be worth a call of the engine."""
    if hasattr(value, "__array_namespace__") and not isinstance(value, np.ndarray):
        return None
    array = np.asarray(value)
    known = array.dtype.kind in "iu" or array.dtype.char in "fd"
    return array if known and array.ndim and array.size >= LEAST_SIZE else None


def border_of(mode: Any, cval: Any) -> str | float | None:
    """Return the engine's name of a boundary mode, or the constant.

    Examples
    --------
    >>> border_of("reflect", 0.0), border_of("constant", 2)
    ('symmetric', 2.0)
    """
    if not isinstance(mode, str) or mode not in BORDERS:
        return None
    name = BORDERS[mode]
    try:
        value = None if isinstance(cval, str) else float(cval)
    except (TypeError, ValueError, OverflowError):
        return None
    if value is None:
        return None
    return name or (value if math.isfinite(value) else None)


def axis_of(axis: Any, ndim: int) -> int | None:
    """Return an axis counted from the front."""
    try:
        index = operator.index(axis)
    except TypeError:
        return None
    return index % ndim if -ndim <= index < ndim else None


def axes_of(axes: Any, ndim: int) -> tuple[int, ...] | None:
    """Return axes counted from the front, in the caller's order; all of them for None."""
    if axes is None:
        return tuple(range(ndim))
    found = [axis_of(axis, ndim) for axis in (axes if np.iterable(axes) else [axes])]
    if None in found or len(set(found)) != len(found):
        return None
    return tuple(axis for axis in found if axis is not None)


def each(value: Any, count: int) -> list[Any] | None:
    """Return one value for every axis: the same for all, or those of a sequence of the right length."""
    if isinstance(value, str) or not np.iterable(value):
        return [value] * count
    values = list(value)
    return values if len(values) == count else None


def reach_of(size: int, origin: Any) -> tuple[int, int] | None:
    """Return how many elements before and after its own an output sees.

    Examples
    --------
    >>> reach_of(4, 0), reach_of(3, -1)
    ((2, 1), (0, 2))
    """
    try:
        before = size // 2 + operator.index(origin)
    except TypeError:
        return None
    return (before, size - 1 - before) if 0 <= before < size else None


class Target(NamedTuple):
    """Where a result goes: into the caller's array if there is one, else into a new one."""

    dtype: np.dtype
    array: np.ndarray | None

    def direct(self, dtype: np.dtype, inputs: Sequence[np.ndarray]) -> np.ndarray | None:
        """Return the caller's array if results of type `dtype` can be written there at once."""
        array = self.array
        if array is None or array.dtype != dtype or not array.flags.c_contiguous or not array.flags.writeable:
            return None
        return None if any(np.may_share_memory(array, other) for other in inputs) else array

    def place(self, inputs: Sequence[np.ndarray]) -> np.ndarray | None:
        """Return the caller's array if results can be written there element by element while the inputs are read."""
        array = self.array
        return None if array is None or any(np.may_share_memory(array, other) for other in inputs) else array

    def deliver(self, values: np.ndarray) -> np.ndarray:
        """Return the values in their type, in their place."""
        if values is self.array:
            return values
        with np.errstate(over="ignore", invalid="ignore"):
            if self.dtype.kind in "iu" and values.dtype.kind == "f":
                # Without their fractions; what does not fit becomes what SciPy's C makes of it.
                wide = np.int32 if self.dtype.itemsize < 4 or self.dtype == np.int32 else np.int64
                values = values if self.dtype == wide and self.array is not None else values.astype(wide)
            if self.array is None:
                return values.astype(self.dtype, copy=False)
            self.array[...] = values
        return self.array


def target_of(output: Any, image: np.ndarray) -> Target | None:
    """Return where the result goes, None for a type or an array that SciPy has to see to."""
    array = None
    if output is None:
        dtype = image.dtype.newbyteorder("=")
    elif isinstance(output, (type, np.dtype, str)):
        try:
            dtype = np.dtype(output)
        except TypeError:
            return None
    elif isinstance(output, np.ndarray):
        dtype, array = output.dtype, np.asarray(output)
        if array.shape != image.shape or not array.flags.writeable:
            return None
    else:
        return None
    known = dtype.char in "fd" or dtype.kind == "i" or (dtype.kind == "u" and dtype.itemsize < 8)
    return Target(dtype, array) if known and dtype.isnative else None


def narrow(weights: np.ndarray) -> bool:
    """Whether float32 will do: it holds the weights, and they do not cancel what is common to all pixels."""
    magnitudes = np.abs(weights)
    keeps = magnitudes.sum() <= _MOST_GROWTH * abs(weights.sum())
    return bool(keeps and magnitudes.max(initial=0) <= np.finfo(np.float32).max)


def working_dtype(
    image: np.ndarray, target: Target, weights: Sequence[np.ndarray], borders: Sequence[str | float]
) -> np.dtype | None:
    """Return the type to compute in, None if only SciPy's order of summation gives its bits.

    float32 to float32 in float32, unless the weights cancel the picture's brightness; what else
    ends in floats in float64. Integers to integers only where every weight
    is whole and all sums are exact: else the last bit of a sum decides what truncation makes of it.
    """
    single, double = np.dtype(np.float32), np.dtype(np.float64)
    if target.dtype.kind == "f":
        return single if image.dtype.char == "f" == target.dtype.char and all(map(narrow, weights)) else double
    if image.dtype.kind == "f" or not all((w == np.rint(w)).all() and np.isfinite(w).all() for w in weights):
        return None
    constants = [border for border in borders if not isinstance(border, str)]
    if any(constant != int(constant) for constant in constants):
        return None
    bound = max([magnitude(image), *(abs(int(constant)) for constant in constants)])
    for w in weights:
        bound *= int(np.abs(w).sum())
    if target.dtype.itemsize <= 4 and bound >= 2**31:
        return None
    return float_for(bound)
