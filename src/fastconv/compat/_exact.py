"""Integer convolutions: exact where the sums fit the digits of a float, and then wrapped as the host's own are."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

__all__ = ["exactly", "float_for", "magnitude", "wrapped"]


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


def wrapped(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Numbers held in floats as integers, without their fractions and modulo the range of `dtype`.

    Examples
    --------
    >>> wrapped(np.array([300.0, -1.0]), np.dtype(np.uint8))
    array([ 44, 255], dtype=uint8)
    """
    wide = np.int64 if dtype.itemsize == 8 or values.dtype.itemsize == 8 else np.int32
    with np.errstate(invalid="ignore"):  # what is not finite becomes what the machine makes of it
        return values.astype(wide).astype(dtype, copy=False)


def exactly(
    arrays: Sequence[np.ndarray],
    terms: int,
    result: np.dtype,
    convolve: Callable[..., np.ndarray],
    largest: Sequence[int] = (),
) -> np.ndarray | None:
    """Return the convolution of integer arrays, or None where its sums may have more digits than float64.

    Parameters
    ----------
    arrays : the two arrays
    terms : int
        Products in a sum, at most.
    result : dtype
        Of integers: the sums are taken modulo its range.
    convolve : callable
        Of both arrays in the float type; sums in any order, since all of them are exact.
    largest : sequence of int
        Absolute values of other elements that may stand in the place of the first array's.
    """
    first, second = arrays
    dtype = float_for(terms * max([magnitude(first), *largest]) * magnitude(second))
    if dtype is None:
        return None
    return wrapped(convolve(first.astype(dtype), second.astype(dtype)), result)
