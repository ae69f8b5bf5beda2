"""Integer convolutions: exact where the sums fit the digits of a float, and then wrapped as the host's own are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fastconv.compat._broadcast import Window
from fastconv.compat._casting import convolve_as

__all__ = ["exactly", "float_for", "magnitude"]


def magnitude(array: np.ndarray) -> int:
    """Largest absolute value of an array of integers, as a Python int.

    Examples
    --------
    >>> magnitude(np.array([-128, 5], np.int8))
    128
    """
    return max(abs(int(array.max())), abs(int(array.min()))) if array.size else 0


def float_for(bound: int) -> np.dtype | None:
    """Return the smallest float type that holds every integer up to `bound`, None if float64 does not.

    Examples
    --------
    >>> float_for(2**24), float_for(2**24 + 1), float_for(2**60)
    (dtype('float32'), dtype('float64'), None)
    """
    for dtype in (np.dtype(np.float32), np.dtype(np.float64)):
        if bound <= 2 ** (np.finfo(dtype).nmant + 1):
            return dtype
    return None


def exactly(
    x: np.ndarray,
    kernel: np.ndarray,
    axes: Sequence[int],
    windows: Sequence[Window],
    terms: int,
    result: np.dtype,
    *,
    border: str | float = "zeros",
    largest: int = 0,
    num_threads: int | None = None,
) -> np.ndarray | None:
    """Return the convolution of integer arrays, or None where its sums may have more digits than float64.

    Parameters
    ----------
    x, kernel, axes, windows, border, num_threads
        As in `_broadcast.convolve`.
    terms : int
        Products in a sum, at most.
    result : dtype
        Of integers: the sums are taken modulo its range.
    largest : int
        Absolute value of the border, if it is a number.
    """
    dtype = float_for(terms * max(magnitude(x), largest) * magnitude(kernel))
    if dtype is None:
        return None
    wide = np.int64 if 8 in (dtype.itemsize, result.itemsize) else np.int32
    return convolve_as(
        dtype, x, kernel, axes, windows, border=border, accuracy="strict", num_threads=num_threads, result=result,
        through=np.dtype(wide),
    )  # fmt: skip
