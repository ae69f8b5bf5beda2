"""The partial inverse of max pooling, which decoders use, in one, two and three dimensions."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.functional._pool import windows
from fastconv.functional._unpool import unpool, unpool_backward

__all__ = [
    "max_unpool1d",
    "max_unpool1d_backward",
    "max_unpool2d",
    "max_unpool2d_backward",
    "max_unpool3d",
    "max_unpool3d_backward",
]


def max_unpool1d(
    x: Any,
    indices: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
    *,
    layout: str = "NCW",
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Put the elements of `max_pool1d` back to where they were found; zeros elsewhere.

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (N, C, W')
        The output of `max_pool1d`, or any array of its shape; the batch axis may be missing.
    indices : ndarray of int64, shape (N, C, W')
        Those of `max_pool1d`.
    kernel_size, stride, padding, output_size, layout, out, num_threads
        As in `max_unpool2d`.

    Returns
    -------
    y : ndarray of x.dtype, shape (N, C, W)

    Raises
    ------
    TypeError
        If an array has an unsupported type.
    ValueError
        If the shapes differ, or an index lies outside its plane.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> y, indices = fastconv.max_pool1d(np.array([[[1.0, 3.0, 5.0, 4.0]]]), 2, return_indices=True)
    >>> fastconv.max_unpool1d(y, indices, 2)
    array([[[0., 3., 5., 0.]]])
    """
    where = windows(kernel_size, stride, padding, 1, False)
    return unpool(1, x, indices, where, output_size, layout, out, num_threads)


def max_unpool1d_backward(
    dy: Any,
    indices: Any,
    *,
    layout: str = "NCW",
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Gradient of `max_unpool1d` for its input: the elements of `dy` at `indices`.

    Parameters
    ----------
    dy : ndarray of float32 or float64, shape (N, C, W)
        Gradient of the output.
    indices : ndarray of int64, shape (N, C, W')
        Those of the forward call.
    layout : {"NCW", "NWC"}
        Axis order of the arrays.
    out, num_threads
        As in `max_unpool2d`.

    Returns
    -------
    dx : ndarray of dy.dtype, shape (N, C, W')

    Raises
    ------
    TypeError
        If an array has an unsupported type.
    ValueError
        If batch or channels differ, or an index lies outside its plane.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.max_unpool1d_backward(np.array([[[1.0, 2.0, 3.0, 4.0]]]), np.array([[[1, 2]]]))
    array([[[2., 3.]]])
    """
    return unpool_backward(1, dy, indices, layout, out, num_threads)


def max_unpool2d(
    x: Any,
    indices: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
    *,
    layout: str = "NCHW",
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Put the elements of a max pool back to where they were found; zeros elsewhere.

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (N, C, H', W')
        The output of `max_pool2d`, or any array of its shape; the batch axis may be missing.
    indices : ndarray of int64, shape (N, C, H', W')
        Those of `max_pool2d`, flat within one plane. Where several are equal the last element stays.
    kernel_size, stride, padding
        Those of the pool; they give the size (m - 1) s - 2p + k of the result.
    output_size : int or tuple of int, optional
        The size of the result instead: its height and width, or its whole shape. Strides lose the
        remainder of a size, dilation and `ceil_mode` change it.
    layout : {"NCHW", "NHWC"}
        Axis order of `x` and the result.
    out : ndarray, optional
        Array for the result.
    num_threads : int, optional
        Threads of this call; the default is `get_num_threads()`. The result has the same bits for any number.

    Returns
    -------
    y : ndarray of x.dtype, shape (N, C, H, W)

    Raises
    ------
    TypeError
        If an array has an unsupported type.
    ValueError
        If the shapes differ, or an index lies outside its plane.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> x = np.arange(9.0).reshape(1, 1, 3, 3)
    >>> y, indices = fastconv.max_pool2d(x, 2, return_indices=True)
    >>> fastconv.max_unpool2d(y, indices, 2, output_size=(3, 3))
    array([[[[0., 0., 0.],
             [0., 4., 0.],
             [0., 0., 0.]]]])
    """
    where = windows(kernel_size, stride, padding, 1, False)
    return unpool(2, x, indices, where, output_size, layout, out, num_threads)


def max_unpool2d_backward(
    dy: Any,
    indices: Any,
    *,
    layout: str = "NCHW",
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Gradient of `max_unpool2d` for its input: the elements of `dy` at `indices`.

    Parameters
    ----------
    dy : ndarray of float32 or float64, shape (N, C, H, W)
        Gradient of the output.
    indices : ndarray of int64, shape (N, C, H', W')
        Those of the forward call.
    layout : {"NCHW", "NHWC"}
        Axis order of the arrays.
    out, num_threads
        As in `max_unpool2d`.

    Returns
    -------
    dx : ndarray of dy.dtype, shape (N, C, H', W')

    Raises
    ------
    TypeError
        If an array has an unsupported type.
    ValueError
        If batch or channels differ, or an index lies outside its plane.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> dy = np.arange(4.0).reshape(1, 1, 2, 2)
    >>> fastconv.max_unpool2d_backward(dy, np.array([[[[3]]]]))
    array([[[[3.]]]])
    """
    return unpool_backward(2, dy, indices, layout, out, num_threads)


def max_unpool3d(
    x: Any,
    indices: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
    *,
    layout: str = "NCDHW",
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Put the elements of `max_pool3d` back to where they were found; zeros elsewhere.

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (N, C, D', H', W')
        The output of `max_pool3d`, or any array of its shape; the batch axis may be missing.
    indices : ndarray of int64, shape (N, C, D', H', W')
        Those of `max_pool3d`.
    kernel_size, stride, padding, output_size, layout, out, num_threads
        As in `max_unpool2d`.

    Returns
    -------
    y : ndarray of x.dtype, shape (N, C, D, H, W)

    Raises
    ------
    TypeError
        If an array has an unsupported type.
    ValueError
        If the shapes differ, or an index lies outside its plane.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> y, indices = fastconv.max_pool3d(np.arange(8.0).reshape(1, 1, 2, 2, 2), 2, return_indices=True)
    >>> fastconv.max_unpool3d(y, indices, 2).ravel()
    array([0., 0., 0., 0., 0., 0., 0., 7.])
    """
    where = windows(kernel_size, stride, padding, 1, False)
    return unpool(3, x, indices, where, output_size, layout, out, num_threads)


def max_unpool3d_backward(
    dy: Any,
    indices: Any,
    *,
    layout: str = "NCDHW",
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Gradient of `max_unpool3d` for its input: the elements of `dy` at `indices`.

    Parameters
    ----------
    dy : ndarray of float32 or float64, shape (N, C, D, H, W)
        Gradient of the output.
    indices : ndarray of int64, shape (N, C, D', H', W')
        Those of the forward call.
    layout : {"NCDHW", "NDHWC"}
        Axis order of the arrays.
    out, num_threads
        As in `max_unpool2d`.

    Returns
    -------
    dx : ndarray of dy.dtype, shape (N, C, D', H', W')

    Raises
    ------
    TypeError
        If an array has an unsupported type.
    ValueError
        If batch or channels differ, or an index lies outside its plane.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> dy = np.arange(8.0).reshape(1, 1, 2, 2, 2)
    >>> fastconv.max_unpool3d_backward(dy, np.array([[[[[6]]]]]))
    array([[[[[6.]]]]])
    """
    return unpool_backward(3, dy, indices, layout, out, num_threads)
