"""Average pooling: every output element is the mean of its window."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fastconv.reference._volumes import as_volume, from_volume, spatial_rank
from fastconv.reference._windows import AdaptiveGeometry, PoolGeometry, planes
from fastconv.reference.conv import Ints, Padding


def avg_pool(
    x: np.ndarray,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    dilation: Ints = 1,
) -> np.ndarray:
    r"""Average pooling in naive loops: :math:`y_{n,c,p} = \frac{1}{K} \sum_k x_{n,c,\;ps + kd - pad}`.

    Parameters
    ----------
    x : ndarray of shape (N, C, ...)
        Input, with one to three spatial axes.
    kernel_size, stride, dilation : int or sequence of ints
        Per spatial axis; `stride` is `kernel_size` by default.
    padding : int, str or sequence
        Every form that `fastconv.avg_pool2d` takes; padding counts as zeros.
    ceil_mode : bool
        Round the output size up; the last window then hangs over the end.
    count_include_pad : bool
        Whether *K* counts the elements of the padding; it never counts what lies beyond.
    divisor_override : int, optional
        *K* itself.

    Returns
    -------
    ndarray of shape (N, C, ...)

    Examples
    --------
    >>> avg_pool(np.array([[[2.0, 4.0, 6.0]]]), 2, padding=1).tolist()
    [[[1.0, 5.0]]]
    >>> avg_pool(np.array([[[2.0, 4.0, 6.0]]]), 2, padding=1, count_include_pad=False).tolist()
    [[[2.0, 5.0]]]
    """
    x = np.asarray(x)
    rank = spatial_rank("x", x)
    g = PoolGeometry(x.shape[2:], kernel_size, stride, padding, dilation, ceil_mode)
    volume = as_volume(x)
    y = np.zeros(volume.shape[:2] + g.out)
    for n, c, output in planes(volume, g.out):
        total = 0.0
        for position in g.window(output):
            total += volume[n, c][position]
        y[n, c][output] = total / _divisor(g, output, count_include_pad, divisor_override)
    return from_volume(y, rank, x.dtype)


def avg_pool_backward(
    dy: np.ndarray,
    x_shape: tuple[int, ...],
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    dilation: Ints = 1,
) -> np.ndarray:
    """Gradient of `avg_pool`, in naive loops: every element of a window gets the same part.

    Parameters
    ----------
    dy : ndarray of shape (N, C, ...)
        Gradient of the output.
    x_shape : tuple of int
        Shape of the input.
    kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, dilation
        Those of `avg_pool`.

    Returns
    -------
    ndarray of shape `x_shape`

    Examples
    --------
    >>> avg_pool_backward(np.array([[[2.0, 4.0]]]), (1, 1, 3), 2, 1).tolist()
    [[[1.0, 3.0, 2.0]]]
    """
    dy = np.asarray(dy)
    rank = spatial_rank("dy", dy)
    g = PoolGeometry(x_shape[2:], kernel_size, stride, padding, dilation, ceil_mode)
    gradient = as_volume(dy)
    dx = np.zeros(gradient.shape[:2] + g.size)
    for n, c, output in planes(gradient, g.out):
        share = gradient[n, c][output] / _divisor(g, output, count_include_pad, divisor_override)
        for position in g.window(output):
            dx[n, c][position] += share
    return from_volume(dx, rank, dy.dtype)


def adaptive_avg_pool(x: np.ndarray, output_size: int | None | Sequence[int | None]) -> np.ndarray:
    """Average pooling to a given output size, in naive loops.

    Parameters
    ----------
    x : ndarray of shape (N, C, ...)
        Input.
    output_size : int or sequence of int or None
        Per spatial axis; None keeps the size. With 1 this is global average pooling.

    Returns
    -------
    ndarray of shape (N, C, ...)

    Examples
    --------
    >>> adaptive_avg_pool(np.array([[[1.0, 2.0, 3.0, 4.0, 5.0]]]), 2).tolist()
    [[[2.0, 4.0]]]
    """
    x = np.asarray(x)
    rank = spatial_rank("x", x)
    g = AdaptiveGeometry(x.shape[2:], output_size)
    volume = as_volume(x)
    y = np.zeros(volume.shape[:2] + g.out)
    for n, c, output in planes(volume, g.out):
        window = g.window(output)
        total = 0.0
        for position in window:
            total += volume[n, c][position]
        y[n, c][output] = total / len(window)
    return from_volume(y, rank, x.dtype)


def adaptive_avg_pool_backward(
    dy: np.ndarray, x_shape: tuple[int, ...], output_size: int | None | Sequence[int | None]
) -> np.ndarray:
    """Gradient of `adaptive_avg_pool`, in naive loops.

    Parameters
    ----------
    dy : ndarray of shape (N, C, ...)
        Gradient of the output.
    x_shape : tuple of int
        Shape of the input.
    output_size
        That of `adaptive_avg_pool`.

    Returns
    -------
    ndarray of shape `x_shape`

    Examples
    --------
    >>> adaptive_avg_pool_backward(np.array([[[3.0]]]), (1, 1, 3), 1).tolist()
    [[[1.0, 1.0, 1.0]]]
    """
    dy = np.asarray(dy)
    rank = spatial_rank("dy", dy)
    g = AdaptiveGeometry(x_shape[2:], output_size)
    gradient = as_volume(dy)
    dx = np.zeros(gradient.shape[:2] + g.size)
    for n, c, output in planes(gradient, g.out):
        window = g.window(output)
        for position in window:
            dx[n, c][position] += gradient[n, c][output] / len(window)
    return from_volume(dx, rank, dy.dtype)


def _divisor(g: PoolGeometry, output: tuple[int, ...], count_include_pad: bool, override: int | None) -> int:
    if override is not None:
        return override
    return g.padded_count(output) if count_include_pad else len(g.window(output))
