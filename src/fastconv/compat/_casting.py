"""Convolutions in another type than the arrays' own: block by block, so that the larger array is never copied whole.

Complex arrays are their real and imaginary parts, side by side along two more axes, which the products broadcast.
"""

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
    """Convolve two arrays in the float type `dtype`; see `_broadcast.convolve`.

    Parameters
    ----------
    dtype : dtype of float32 or float64
    x, kernel, axes, windows, border, accuracy, num_threads
        As in `_broadcast.convolve`; there is an axis.
    result : dtype, optional
        Of the result: `dtype` by default. Complex, with parts of `dtype`, if an array is.
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
    images, kernels = _parts(x), _parts(kernel)
    weights = (np.stack(kernels) if len(kernels) > 1 else kernel[np.newaxis]).astype(dtype, copy=False)
    further = [axis + 2 for axis in axes]
    shape = [max(n, k) for n, k in zip(x.shape, kernel.shape, strict=True)]
    for axis, (_, length) in zip(axes, windows, strict=True):
        shape[axis] = length
    y = np.empty(shape, result)
    lead, others = axes[0], [axis for axis in range(x.ndim) if axis not in axes]
    taps, first = kernel.shape[lead], windows[0].first
    least = {lead: _LEAST_KERNELS * (taps - 1), **dict.fromkeys(others, 1)}
    room = Room(dtype)
    for index in blocks(shape, least, BLOCK_BYTES // dtype.itemsize // len(images)):
        seen, used = (
            tuple([slice(None) if axis in axes or array.shape[axis] == 1 else index[axis] for axis in range(x.ndim)])
            for array in (x, kernel)
        )
        start, stop = first + index[lead].start - (taps - 1), first + index[lead].stop
        staged = list(x[seen].shape)
        staged[lead] = stop - start
        source = room.of([len(images), 1, *staged])
        for image, part in zip(images, source, strict=True):
            with_border(image[seen], lead, start, stop, border, part[0])
        sums = _broadcast.convolve(
            source, weights[tuple([slice(None), *used])][np.newaxis], further,
            [Window(taps - 1, stop - start - (taps - 1)), *windows[1:]], border=border, accuracy=accuracy,
            num_threads=num_threads,
        )  # fmt: skip
        _join(sums, y[index], through)
    return y


def _parts(array: np.ndarray) -> list[np.ndarray]:
    return [array.real, array.imag] if array.dtype.kind == "c" else [array]


def _join(sums: np.ndarray, y: np.ndarray, through: np.dtype | None) -> None:
    """Write a block of the result, from the products of each part of the one array with each of the other."""
    if sums.shape[:2] == (2, 2):
        np.subtract(sums[0, 0], sums[1, 1], out=y.real)
        np.add(sums[0, 1], sums[1, 0], out=y.imag)
    elif y.dtype.kind == "c":
        y.real[...], y.imag[...] = sums.reshape(2, *y.shape)
    else:
        with np.errstate(invalid="ignore"):  # what is not finite becomes what the machine makes of it
            y[...] = sums[0, 0] if through in (None, y.dtype) else sums[0, 0].astype(through)
