"""Max pooling: every output element is the largest of its window."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fastconv.reference._volumes import as_volume, from_volume, spatial_rank
from fastconv.reference._windows import AdaptiveGeometry, PoolGeometry, flat, planes
from fastconv.reference.conv import Ints, Padding


def max_pool(
    x: np.ndarray,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Padding = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    r"""Max pooling in naive loops: :math:`y_{n,c,p} = \max_k x_{n,c,\;ps + kd - pad}`.

    Parameters
    ----------
    x : ndarray of shape (N, C, ...)
        Input, with one to three spatial axes.
    kernel_size, stride, dilation : int or sequence of ints
        Per spatial axis; `stride` is `kernel_size` by default.
    padding : int, str or sequence
        Every form that `fastconv.max_pool2d` takes; padding is never the maximum.
    ceil_mode : bool
        Round the output size up; the last window then hangs over the end.

    Returns
    -------
    y : ndarray of shape (N, C, ...)
    indices : ndarray of int64, shaped as `y`
        Flat position of the first maximum (or the first NaN) within its plane.

    Examples
    --------
    >>> y, indices = max_pool(np.array([[[1.0, 3.0, 2.0, 2.0]]]), 2)
    >>> y.tolist(), indices.tolist()
    ([[[3.0, 2.0]]], [[[1, 2]]])
    """
    x = np.asarray(x)
    return _forward(x, PoolGeometry(x.shape[2:], kernel_size, stride, padding, dilation, ceil_mode))


def max_pool_backward(
    dy: np.ndarray,
    x: np.ndarray,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Padding = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    *,
    ties: str = "first",
) -> np.ndarray:
    """Gradient of `max_pool`, in naive loops.

    Parameters
    ----------
    dy : ndarray of shape (N, C, ...)
        Gradient of the output.
    x : ndarray of shape (N, C, ...)
        Input.
    kernel_size, stride, padding, dilation, ceil_mode
        Those of `max_pool`.
    ties : {"first", "split", "all"}
        Who gets the gradient where several elements are the largest: the first one, all in equal parts, or all in full.

    Returns
    -------
    ndarray of the shape of `x`

    Examples
    --------
    >>> x = np.array([[[2.0, 2.0, 1.0]]])
    >>> for ties in ("first", "split", "all"):
    ...     max_pool_backward(np.array([[[6.0]]]), x, 3, ties=ties).tolist()
    [[[6.0, 0.0, 0.0]]]
    [[[3.0, 3.0, 0.0]]]
    [[[6.0, 6.0, 0.0]]]
    """
    x = np.asarray(x)
    return _backward(dy, x, PoolGeometry(x.shape[2:], kernel_size, stride, padding, dilation, ceil_mode), ties)


def adaptive_max_pool(x: np.ndarray, output_size: int | None | Sequence[int | None]) -> tuple[np.ndarray, np.ndarray]:
    """Max pooling to a given output size, in naive loops.

    Parameters
    ----------
    x : ndarray of shape (N, C, ...)
        Input.
    output_size : int or sequence of int or None
        Per spatial axis; None keeps the size.

    Returns
    -------
    y, indices : ndarray
        As of `max_pool`.

    Examples
    --------
    >>> adaptive_max_pool(np.array([[[1.0, 2.0, 3.0, 4.0, 5.0]]]), 2)[0].tolist()
    [[[3.0, 5.0]]]
    """
    x = np.asarray(x)
    return _forward(x, AdaptiveGeometry(x.shape[2:], output_size))


def adaptive_max_pool_backward(
    dy: np.ndarray, x: np.ndarray, output_size: int | None | Sequence[int | None], *, ties: str = "first"
) -> np.ndarray:
    """Gradient of `adaptive_max_pool`, in naive loops.

    Parameters
    ----------
    dy : ndarray of shape (N, C, ...)
        Gradient of the output.
    x : ndarray of shape (N, C, ...)
        Input.
    output_size
        That of `adaptive_max_pool`.
    ties : {"first", "split", "all"}
        As of `max_pool_backward`.

    Returns
    -------
    ndarray of the shape of `x`

    Examples
    --------
    >>> adaptive_max_pool_backward(np.ones((1, 1, 2)), np.array([[[1.0, 2.0, 3.0]]]), 2).tolist()
    [[[0.0, 1.0, 1.0]]]
    """
    x = np.asarray(x)
    return _backward(dy, x, AdaptiveGeometry(x.shape[2:], output_size), ties)


def max_unpool(x: np.ndarray, indices: np.ndarray, output_size: Sequence[int]) -> np.ndarray:
    """Put every element back to where `max_pool` found it, in naive loops; zeros elsewhere.

    Parameters
    ----------
    x : ndarray of shape (N, C, ...)
        Output of `max_pool`, or any array of its shape.
    indices : ndarray of int, shaped as `x`
        Those of `max_pool`.
    output_size : sequence of ints
        Spatial size of the result.

    Returns
    -------
    ndarray of shape (N, C, *output_size)

    Examples
    --------
    >>> max_unpool(np.array([[[3.0, 2.0]]]), np.array([[[1, 2]]]), (4,)).tolist()
    [[[0.0, 3.0, 2.0, 0.0]]]
    """
    y = np.zeros(x.shape[:2] + tuple(output_size), dtype=x.dtype)
    for n, c in np.ndindex(x.shape[:2]):
        plane = y[n, c].reshape(-1)
        for position in np.ndindex(x.shape[2:]):
            plane[indices[n, c][position]] = x[n, c][position]
    return y


def _forward(x: np.ndarray, g: PoolGeometry | AdaptiveGeometry) -> tuple[np.ndarray, np.ndarray]:
    rank = spatial_rank("x", x)
    volume = as_volume(x)
    y = np.zeros(volume.shape[:2] + g.out)
    indices = np.zeros(y.shape)
    for n, c, output in planes(volume, g.out):
        best = None
        for position in g.window(output):
            value = volume[n, c][position]
            if _beats(value, best):
                best = value
                indices[n, c][output] = flat(position, g.size)
        y[n, c][output] = best
    return from_volume(y, rank, x.dtype), from_volume(indices, rank, np.dtype(np.int64))


def _backward(dy: np.ndarray, x: np.ndarray, g: PoolGeometry | AdaptiveGeometry, ties: str) -> np.ndarray:
    rank = spatial_rank("x", x)
    volume, gradient = as_volume(x), as_volume(dy)
    dx = np.zeros(volume.shape)
    for n, c, output in planes(volume, g.out):
        window = g.window(output)
        largest = volume[n, c][window[0]]
        for position in window:
            if _beats(volume[n, c][position], largest):
                largest = volume[n, c][position]
        winners = [position for position in window if not _beats(largest, volume[n, c][position])]
        share = gradient[n, c][output]
        if ties == "first":
            winners = winners[:1]
        elif ties == "split":
            share = share / len(winners)
        for position in winners:
            dx[n, c][position] += share
    return from_volume(dx, rank, x.dtype)


def _beats(value: float, best: float | None) -> bool:
    """Whether `value` is larger than all before it; a NaN is larger than everything."""
    return best is None or value > best or bool(np.isnan(value) and not np.isnan(best))
