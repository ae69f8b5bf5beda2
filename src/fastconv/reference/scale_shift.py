"""Scale and shift of channels."""

from __future__ import annotations

import numpy as np


def scale_shift(x: np.ndarray, scale: np.ndarray, shift: np.ndarray, residual: np.ndarray | None = None) -> np.ndarray:
    r"""Scale and shift of every channel, in naive loops: :math:`y_{n,c,p} = x_{n,c,p} a_{n,c} + b_{n,c} + r_{n,c,p}`.

    Parameters
    ----------
    x : ndarray of shape (N, C, ...)
        Input.
    scale, shift : ndarray of shape (C,) or (N, C)
        Coefficients, of each image if they have two axes.
    residual : ndarray of the shape of `x`, optional
        Added to the result.

    Returns
    -------
    ndarray of the shape of `x`

    Examples
    --------
    >>> scale_shift(np.array([[1.0], [3.0]]), np.array([[2.0], [5.0]]), np.array([0.5])).tolist()
    [[2.5], [15.5]]
    """
    y = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        image, channel = index[:2]
        factor = scale[channel] if scale.ndim == 1 else scale[image, channel]
        offset = shift[channel] if shift.ndim == 1 else shift[image, channel]
        y[index] = float(x[index]) * float(factor) + float(offset) + (0 if residual is None else float(residual[index]))
    return y.astype(x.dtype)
