"""Convolutions in another type than the arrays' own: block by block, so that the larger array is never copied whole."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from fastconv.compat import _broadcast
from fastconv.compat._blocks import BLOCK_BYTES, Room, blocks, with_border
from fastconv.compat._broadcast import Window

__all__ = ["convolve_as"]

# Lengths of the kernel in a block: what lies around a block is read, and may be transformed, twice.
_LEAST_KERNELS = 8


def convolve_as(
    dtype: np.dtype,
    x: np.ndarray,
    kernel: np.ndarray,
    axes: Sequence[int],
    windows: Sequence[Window],
    *,
    border: str | float = "zeros",
    accuracy: str = "default",
    num_threads: int | None = None,
    result: np.dtype | None = None,
    through: np.dtype | None = None,
) -> np.ndarray:
    """Convolve two arrays of real types in the float type `dtype`; see `_broadcast.convolve`.

    Parameters
    ----------
    dtype : dtype of float32 or float64
    x, kernel, axes, windows, border, accuracy, num_threads
        As in `_broadcast.convolve`; there is an axis.
    result : dtype, optional
        Of the result: `dtype` by default.
    through : dtype, optional
        Of integers: sums are cast to that first, and then to the result's.
    """
    result = dtype if result is None else result
    if x.dtype == kernel.dtype == dtype == result:
        return _broadcast.convolve(
            x, kernel, axes, windows, border=border, accuracy=accuracy, num_threads=num_threads
        )  # fmt: skip
    if border == "zeros" and math.prod(kernel.shape[axis] for axis in axes) > math.prod(x.shape[axis] for axis in axes):
        x, kernel = kernel, x
    weights = kernel.astype(dtype, copy=False)
    shape = [max(n, k) for n, k in zip(x.shape, kernel.shape, strict=True)]
    for axis, (_, length) in zip(axes, windows, strict=True):
        shape[axis] = length
    y = np.empty(shape, result)
    lead, others = axes[0], [axis for axis in range(x.ndim) if axis not in axes]
    taps, first = kernel.shape[lead], windows[0].first
    least = {lead: _LEAST_KERNELS * (taps - 1), **dict.fromkeys(others, 1)}
    room = Room(dtype)
    for index in blocks(shape, least, BLOCK_BYTES // dtype.itemsize):
        parts = []
        for array in (x, weights):
            whole = [slice(None) if axis in axes or array.shape[axis] == 1 else index[axis] for axis in range(x.ndim)]
            parts.append(array[tuple(whole)])
        start, stop = first + index[lead].start - (taps - 1), first + index[lead].stop
        staged = list(parts[0].shape)
        staged[lead] = stop - start
        source = with_border(parts[0], lead, start, stop, border, room.of(staged))
        sums = _broadcast.convolve(
            source, parts[1], axes, [Window(taps - 1, stop - start - (taps - 1)), *windows[1:]], border=border,
            accuracy=accuracy, num_threads=num_threads,
        )  # fmt: skip
        with np.errstate(invalid="ignore"):  # what is not finite becomes what the machine makes of it
            y[index] = sums if through in (None, result) else sums.astype(through)
    return y
