"""Element-wise formulas, a block of elements at a time, so that what they compute on the way stays in the caches."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from fastconv.functional._arrays import axis_index, deliver, dense, result_buffer, same_dtype, same_shape
from fastconv.functional._operands import operand

__all__ = ["BLOCK", "channel_pieces", "elementwise"]

#: elements of a block: a few arrays of it stay in a second-level cache, and NumPy's calls cost little beside it
BLOCK = 32768


def elementwise(
    formula: Callable[..., None], operands: Sequence[tuple[str, Any]], out: np.ndarray | None
) -> np.ndarray:
    """Fill the result with ``formula(*blocks, block of the result)``.

    Parameters
    ----------
    formula : callable
        Writes to its last argument, which may be one of the others, once all of them are read.
    operands : sequence of (str, array_like)
        Names, for errors, and arrays of one shape and one type.
    out : ndarray or None
        Where the result goes; one of the operands is allowed.

    Raises
    ------
    TypeError, ValueError
        If types are not float32 or float64 or are mixed, shapes differ, or `out` does not fit.
    """
    arrays = [operand(name, value) for name, value in operands]
    name, first = operands[0][0], arrays[0]
    for (other_name, _), other in zip(operands[1:], arrays[1:], strict=True):
        same_dtype(other_name, other, name, first)
        same_shape(other_name, other, name, first.shape)
    named = [(name, array) for (name, _), array in zip(operands, arrays, strict=True)]
    y = result_buffer("out", out, first.shape, first.dtype, named, in_place=True)
    flat = [dense(array).reshape(-1) for array in arrays]
    result = y.reshape(-1)
    for start in range(0, result.size, BLOCK):
        block = slice(start, start + BLOCK)
        formula(*(array[block] for array in flat), result[block])
    return deliver(y, out)


def channel_pieces(axis: int, *arrays: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    """The arrays, with `axis` in the middle of three, in pieces that stay in the caches; the last array is written."""
    shape = arrays[0].shape
    place = axis_index("axis", axis, len(shape))
    inner = math.prod(shape[place + 1 :])
    volumes = [dense(array).reshape(math.prod(shape[:place]), shape[place], inner) for array in arrays]
    if not volumes[0].size:
        return
    columns = max(1, BLOCK // shape[place])
    rows = max(1, columns // inner)
    for row in range(0, len(volumes[0]), rows):
        for column in range(0, inner, columns):
            yield tuple(volume[row : row + rows, :, column : column + columns] for volume in volumes)
