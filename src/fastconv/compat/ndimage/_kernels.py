"""Weights of the Gaussian and its derivatives, and weights in fewer digits."""

from __future__ import annotations

import functools

import numpy as np

__all__ = ["gaussian_weights", "rounded"]

# The cache of Gaussians holds a megabyte at most; longer ones take far less time than the filter.
_LONGEST_REMEMBERED = 512
# More weights than this are rounded one by one.
_MOST_DIFFUSED = 256


def gaussian_weights(sigma: float, order: int, radius: int) -> np.ndarray:
    """Samples of a Gaussian whose sum is 1, or of its derivative of some order, to be convolved with.

    A derivative is the bell times a polynomial of x.

    Examples
    --------
    >>> gaussian_weights(1.0, 0, 1).round(3), gaussian_weights(1.0, 1, 1).round(3)
    (array([0.274, 0.452, 0.274]), array([ 0.274,  0.   , -0.274]))
    """
    return (_remembered if radius <= _LONGEST_REMEMBERED else _samples)(sigma, order, radius)


def _samples(sigma: float, order: int, radius: int) -> np.ndarray:
    x = np.arange(-radius, radius + 1)
    bell = np.exp(-0.5 / (sigma * sigma) * x**2)
    bell /= bell.sum()
    if order == 0:
        return bell
    # The bell's derivative is the bell times -x / sigma^2, so (q bell)' = (q' - q x / sigma^2) bell: a matrix takes the
    # coefficients of a polynomial q to those of the next. Products of matrices, as SciPy has them, for its bits.
    powers = np.arange(order + 1)
    step = np.diag(powers[1:], 1) + np.diag(np.full(order, 1 / -(sigma * sigma)), -1)
    coefficients = np.zeros(order + 1)
    coefficients[0] = 1
    for _ in range(order):
        coefficients = step.dot(coefficients)
    return (x[:, None] ** powers).dot(coefficients) * bell


_remembered = functools.lru_cache(maxsize=128)(_samples)


def rounded(weights: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Weights in a type with fewer digits, whose sum stays what it was: what one loses the next smaller one takes up.

    Otherwise the mean of a picture would move by the rounding of the largest weight. Symmetric weights stay
    symmetric, zeros stay zero.

    Examples
    --------
    >>> w = np.full(5, 0.2)
    >>> float(np.float64(rounded(w, np.dtype(np.float32)).sum(dtype=np.float64))) == 1.0
    True
    """
    if dtype.itemsize >= weights.dtype.itemsize or weights.size > _MOST_DIFFUSED:
        return weights.astype(dtype)
    if not np.abs(weights).max(initial=0) <= np.finfo(dtype).max:
        with np.errstate(over="ignore"):
            return weights.astype(dtype)
    return _diffused(weights.tobytes(), weights.dtype.str, dtype.str).reshape(weights.shape)


@functools.lru_cache(maxsize=128)
def _diffused(content: bytes, wide: str, narrow: str) -> np.ndarray:
    """Weights, from the largest to the smallest, in the narrower type."""
    flat = np.frombuffer(content, wide)
    result = np.zeros(flat.size, narrow)
    mirrored = bool((flat == flat[::-1]).all())
    last = flat.size - 1
    lost = 0.0
    for index in np.argsort(-np.abs(flat), kind="stable").tolist():
        if flat[index] == 0 or (mirrored and 2 * index > last):
            continue
        places = [index, last - index] if mirrored and 2 * index != last else [index]
        exact = float(flat[index]) + lost / len(places)
        result[places] = exact
        lost = (exact - float(result[index])) * len(places)
    result.flags.writeable = False
    return result
