"""Complex convolutions as real ones: real and imaginary parts of both arrays meet in one broadcast call."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

__all__ = ["by_parts"]


def _parts(array: np.ndarray, dtype: np.dtype, axis: int) -> np.ndarray:
    """Real and imaginary part, or the array itself if it is real, along one of two new leading axes."""
    parts = [array.real, array.imag] if array.dtype.kind == "c" else [array]
    return np.expand_dims(np.stack([part.astype(dtype, copy=False) for part in parts]), 1 - axis)


def by_parts(
    x: np.ndarray,
    kernel: np.ndarray,
    result: np.dtype,
    convolve: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> np.ndarray:
    """Return the complex convolution, from one call of `convolve` on arrays with two leading axes that it broadcasts.

    Parameters
    ----------
    x, kernel : ndarray, at least one of them complex
    result : dtype of complex64 or complex128
    convolve : callable
        Bilinear, of two real arrays with two more axes in front.
    """
    real = np.dtype(np.float32 if result.itemsize == 8 else np.float64)
    products = convolve(_parts(x, real, 0), _parts(kernel, real, 1))
    y = np.empty(products.shape[2:], result)
    if products.shape[:2] == (2, 2):
        np.subtract(products[0, 0], products[1, 1], out=y.real)
        np.add(products[0, 1], products[1, 0], out=y.imag)
    else:
        first, second = products.reshape(2, *products.shape[2:])
        y.real, y.imag = first, second
    return y
