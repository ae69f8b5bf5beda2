"""Lp pooling: every output element is the p-norm of its window; p = 2 is the textbook's L2-norm pooling."""

from __future__ import annotations

import math

import numpy as np

from fastconv.reference._volumes import as_volume, from_volume, spatial_rank
from fastconv.reference._windows import PoolGeometry, planes
from fastconv.reference.conv import Ints, Padding


def lp_pool(
    x: np.ndarray,
    norm_type: float,
    kernel_size: Ints,
    stride: Ints | None = None,
    ceil_mode: bool = False,
    *,
    padding: Padding = 0,
    dilation: Ints = 1,
) -> np.ndarray:
    r"""Lp pooling in naive loops: :math:`y_{n,c,q} = (\sum_k |x_{n,c,\;qs + kd - pad}|^p)^{1/p}`.

    Parameters
    ----------
    x : ndarray of shape (N, C, ...)
        Input, with one to three spatial axes.
    norm_type : float
        The exponent *p*, at least 1; ``inf`` gives the largest magnitude.
    kernel_size, stride, dilation : int or sequence of ints
        Per spatial axis; `stride` is `kernel_size` by default.
    ceil_mode : bool
        Round the output size up; the last window then hangs over the end.
    padding : int, str or sequence
        Every form that `fastconv.lp_pool2d` takes.

    Returns
    -------
    ndarray of shape (N, C, ...)

    Examples
    --------
    >>> lp_pool(np.array([[[3.0, -4.0]]]), 2, 2).tolist(), lp_pool(np.array([[[3.0, -4.0]]]), math.inf, 2).tolist()
    ([[[5.0]]], [[[4.0]]])
    """
    x = np.asarray(x)
    rank = spatial_rank("x", x)
    g = PoolGeometry(x.shape[2:], kernel_size, stride, padding, dilation, ceil_mode)
    volume = as_volume(x)
    y = np.zeros(volume.shape[:2] + g.out)
    for n, c, output in planes(volume, g.out):
        y[n, c][output] = _norm(volume[n, c], g.window(output), norm_type)
    return from_volume(y, rank, x.dtype)


def lp_pool_backward(
    dy: np.ndarray,
    x: np.ndarray,
    norm_type: float,
    kernel_size: Ints,
    stride: Ints | None = None,
    ceil_mode: bool = False,
    *,
    padding: Padding = 0,
    dilation: Ints = 1,
) -> np.ndarray:
    r"""Gradient of `lp_pool`, in naive loops.

    .. math:: dx_i \mathrel{+}= dy\, \operatorname{sign}(x_i) (|x_i| / y)^{p-1}

    and nothing where *y* is 0. With *p* infinite it goes to the first element of the largest magnitude.

    Parameters
    ----------
    dy : ndarray of shape (N, C, ...)
        Gradient of the output.
    x : ndarray of shape (N, C, ...)
        Input.
    norm_type, kernel_size, stride, ceil_mode, padding, dilation
        Those of `lp_pool`.

    Returns
    -------
    ndarray of the shape of `x`

    Examples
    --------
    >>> lp_pool_backward(np.array([[[10.0]]]), np.array([[[3.0, -4.0]]]), 2, 2).tolist()
    [[[6.0, -8.0]]]
    """
    x = np.asarray(x)
    rank = spatial_rank("x", x)
    g = PoolGeometry(x.shape[2:], kernel_size, stride, padding, dilation, ceil_mode)
    volume, gradient = as_volume(x), as_volume(dy)
    dx = np.zeros(volume.shape)
    for n, c, output in planes(volume, g.out):
        window = g.window(output)
        norm = _norm(volume[n, c], window, norm_type)
        if norm == 0:
            continue
        if math.isinf(norm_type):
            window = [position for position in window if abs(volume[n, c][position]) == norm][:1]
        for position in window:
            value = volume[n, c][position]
            slope = 1.0 if math.isinf(norm_type) else (abs(value) / norm) ** (norm_type - 1)
            dx[n, c][position] += gradient[n, c][output] * np.sign(value) * slope
    return from_volume(dx, rank, x.dtype)


def _norm(plane: np.ndarray, window: list[tuple[int, ...]], p: float) -> float:
    if math.isinf(p):
        return float(np.max([abs(plane[position]) for position in window]))
    total = 0.0
    for position in window:
        total += abs(plane[position]) ** p
    return total ** (1 / p)
