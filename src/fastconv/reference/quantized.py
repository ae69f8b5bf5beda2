"""Small integers that stand for real numbers: made and read."""

from __future__ import annotations

import numpy as np


def quantize(x: np.ndarray, scale: float, zero_point: int = 0, dtype: type | np.dtype = np.uint8) -> np.ndarray:
    r"""Make small integers of real numbers, in naive loops.

    .. math:: q_p = \mathrm{clip}(\mathrm{rint}(x_p / s) + v)

    Parameters
    ----------
    x : ndarray of float32, any shape
        Real numbers.
    scale : float
        What a step stands for, *s*; the quotient is rounded to float32.
    zero_point : int
        The integer that stands for 0, *v*.
    dtype : {int8, uint8}
        Its range is that of the clip; NaN becomes its lowest number.

    Returns
    -------
    ndarray of `dtype` and the shape of `x`
        Rounded half to even.

    Examples
    --------
    >>> quantize(np.array([-1, 0.25, 9], np.float32), 0.1, 10).tolist()
    [0, 12, 100]
    """
    limits = np.iinfo(dtype)
    q = np.zeros(x.shape, dtype)
    for index in np.ndindex(x.shape):
        steps = float(np.float32(x[index]) / np.float32(scale))
        if steps != steps:
            q[index] = limits.min
        else:
            whole = round(min(max(steps, -1e9), 1e9)) + zero_point
            q[index] = min(max(whole, limits.min), limits.max)
    return q


def dequantize(x: np.ndarray, scale: float, zero_point: int = 0) -> np.ndarray:
    r"""The real numbers that small integers stand for, in naive loops.

    .. math:: y_p = (x_p - v)\, s

    Parameters
    ----------
    x : ndarray of int8 or uint8, any shape
        Integers.
    scale : float
        What a step stands for, *s*.
    zero_point : int
        The integer that stands for 0, *v*.

    Returns
    -------
    ndarray of float32 and the shape of `x`
        Rounded once.

    Examples
    --------
    >>> dequantize(np.array([0, 12], np.uint8), 0.5, 10).tolist()
    [-5.0, 1.0]
    """
    y = np.zeros(x.shape, np.float32)
    for index in np.ndindex(x.shape):
        y[index] = np.float32(int(x[index]) - zero_point) * np.float32(scale)
    return y
