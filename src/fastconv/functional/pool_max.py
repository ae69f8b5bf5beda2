"""Max pooling in one, two and three dimensions, forward and backward."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.functional._pool import PLAIN, backward, forward, windows

__all__ = [
    "max_pool1d",
    "max_pool1d_backward",
    "max_pool2d",
    "max_pool2d_backward",
    "max_pool3d",
    "max_pool3d_backward",
]


def max_pool1d(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    layout: str = "NCW",
    out: Any = None,
    num_threads: int | None = None,
) -> Any:
    """Max pooling in one dimension: `max_pool2d` with one spatial axis.

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (N, C, W)
        The input; the batch axis may be missing, or empty.
    kernel_size, stride, padding, dilation, ceil_mode, return_indices
        As in `max_pool2d`, with one entry per spatial argument.
    layout : {"NCW", "NWC"}
        Axis order of `x` and the result.
    out, num_threads
        As in `max_pool2d`.

    Returns
    -------
    y : ndarray of x.dtype, shape (N, C, W')
    indices : ndarray of int64, shape (N, C, W')
        With `return_indices` only: positions along the width.

    Raises
    ------
    TypeError
        If an array is neither float32 nor float64, or an argument is not made of ints.
    ValueError
        If shapes, sizes or options do not fit; the message names the argument.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.max_pool1d(np.array([[[1.0, 3.0, 2.0, 5.0, 4.0]]]), 3, 2)
    array([[[3., 5.]]])
    """
    where = windows(kernel_size, stride, padding, dilation, ceil_mode)
    return forward(PLAIN["max"], 1, x, where, layout, return_indices, out, num_threads)


def max_pool1d_backward(
    dy: Any,
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    *,
    indices: Any = None,
    ties: str = "first",
    layout: str = "NCW",
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Gradient of `max_pool1d` for its input.

    Parameters
    ----------
    dy : ndarray of float32 or float64, shape (N, C, W')
        Gradient of the output.
    x : ndarray of dy.dtype, shape (N, C, W)
        The input of the forward call; with `indices` its shape is enough.
    kernel_size, stride, padding, dilation, ceil_mode, layout
        Those of the forward call.
    indices, ties, out, num_threads
        As in `max_pool2d_backward`.

    Returns
    -------
    dx : ndarray of dy.dtype, shape (N, C, W)

    Raises
    ------
    TypeError
        If an array is neither float32 nor float64, or an argument is not made of ints.
    ValueError
        If shapes, sizes or options do not fit; the message names the argument.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.max_pool1d_backward(np.array([[[1.0, 10.0]]]), np.array([[[1.0, 3.0, 3.0, 2.0]]]), 2)
    array([[[ 0.,  1., 10.,  0.]]])
    """
    where = windows(kernel_size, stride, padding, dilation, ceil_mode)
    return backward(PLAIN["max"], 1, dy, x, where, layout, out, num_threads, ties=ties, indices=indices)


def max_pool2d(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    layout: str = "NCHW",
    out: Any = None,
    num_threads: int | None = None,
) -> Any:
    """Max pooling in two dimensions: the largest element of every window.

    ``y[n, c, i, j] = max_{k, l} x[n, c, i*s + k*d - p, j*s + l*d - p]``. The first of several largest
    elements wins; a NaN is larger than everything.

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (N, C, H, W)
        The input; the batch axis may be missing, or empty. Any strided view is read in place.
    kernel_size : int or tuple of int
        Height and width of the window.
    stride : int or tuple of int, optional
        Steps between windows; the kernel size by default.
    padding : int, tuple, nested pairs or {"valid", "same", "same_upper", "same_lower", "full"}
        As of `conv2d`, such as ``((1, 2), (0, 3))``. Padding is never the largest element.
    dilation : int or tuple of int
        Distance between the elements of a window.
    ceil_mode : bool
        Round the output size up: the last window may hang over the end, but starts in the
        input or the padding before it.
    return_indices : bool
        Also return where the largest elements are.
    layout : {"NCHW", "NHWC"}
        Axis order of `x` and the result.
    out : ndarray, optional
        Array for the result; with `return_indices` a tuple (y, indices), None for an array to be
        allocated.
    num_threads : int, optional
        Threads of this call; the default is `get_num_threads()`. The result has the same bits for any number.

    Returns
    -------
    y : ndarray of x.dtype, shape (N, C, H', W')
        H' and W' are floor((m + 2p - d(k-1) - 1) / s) + 1.
    indices : ndarray of int64, shape (N, C, H', W')
        With `return_indices` only: the position i * W + j of the first largest element within its
        plane, whatever the layout.

    Raises
    ------
    TypeError
        If an array is neither float32 nor float64, or an argument is not made of ints.
    ValueError
        If shapes, sizes or options do not fit; the message names the argument.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> x = np.arange(16.0).reshape(1, 1, 4, 4)
    >>> fastconv.max_pool2d(x, 2)
    array([[[[ 5.,  7.],
             [13., 15.]]]])
    >>> y, indices = fastconv.max_pool2d(x, 3, 2, padding="same", return_indices=True)
    >>> indices
    array([[[[10, 11],
             [14, 15]]]])
    """
    where = windows(kernel_size, stride, padding, dilation, ceil_mode)
    return forward(PLAIN["max"], 2, x, where, layout, return_indices, out, num_threads)


def max_pool2d_backward(
    dy: Any,
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    *,
    indices: Any = None,
    ties: str = "first",
    layout: str = "NCHW",
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Gradient of `max_pool2d` for its input.

    Parameters
    ----------
    dy : ndarray of float32 or float64, shape (N, C, H', W')
        Gradient of the output.
    x : ndarray of dy.dtype, shape (N, C, H, W)
        The input of the forward call; with `indices` its shape is enough.
    kernel_size, stride, padding, dilation, ceil_mode
        Those of the forward call.
    indices : ndarray of int64, shape (N, C, H', W'), optional
        Those of the forward call; without them the largest elements are searched again.
    ties : {"first", "split", "all"}
        Who gets the gradient where several elements of a window are the largest: the first one, all
        of them in equal parts, or each in full. Indices name the first one only.
    layout : {"NCHW", "NHWC"}
        Axis order of `x` and the result.
    out : ndarray, optional
        Array for the result.
    num_threads : int, optional
        Threads of this call; the default is `get_num_threads()`. The result has the same bits for any number.

    Returns
    -------
    dx : ndarray of dy.dtype, shape (N, C, H, W)

    Raises
    ------
    TypeError
        If an array is neither float32 nor float64, or an argument is not made of ints.
    ValueError
        If shapes, sizes or options do not fit; the message names the argument.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> x = np.array([[[[1.0, 4.0], [4.0, 2.0]]]])
    >>> for ties in ("first", "split", "all"):
    ...     print(fastconv.max_pool2d_backward(np.full((1, 1, 1, 1), 6.0), x, 2, ties=ties).tolist())
    [[[[0.0, 6.0], [0.0, 0.0]]]]
    [[[[0.0, 3.0], [3.0, 0.0]]]]
    [[[[0.0, 6.0], [6.0, 0.0]]]]
    """
    where = windows(kernel_size, stride, padding, dilation, ceil_mode)
    return backward(PLAIN["max"], 2, dy, x, where, layout, out, num_threads, ties=ties, indices=indices)


def max_pool3d(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    layout: str = "NCDHW",
    out: Any = None,
    num_threads: int | None = None,
) -> Any:
    """Max pooling in three dimensions, such as video: `max_pool2d` with a depth.

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (N, C, D, H, W)
        The input; the batch axis may be missing, or empty.
    kernel_size, stride, padding, dilation, ceil_mode, return_indices
        As in `max_pool2d`, with three entries per spatial argument.
    layout : {"NCDHW", "NDHWC"}
        Axis order of `x` and the result.
    out, num_threads
        As in `max_pool2d`.

    Returns
    -------
    y : ndarray of x.dtype, shape (N, C, D', H', W')
    indices : ndarray of int64, shape (N, C, D', H', W')
        With `return_indices` only: positions (d * H + i) * W + j within a volume.

    Raises
    ------
    TypeError
        If an array is neither float32 nor float64, or an argument is not made of ints.
    ValueError
        If shapes, sizes or options do not fit; the message names the argument.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.max_pool3d(np.arange(8.0).reshape(1, 1, 2, 2, 2), 2)
    array([[[[[7.]]]]])
    """
    where = windows(kernel_size, stride, padding, dilation, ceil_mode)
    return forward(PLAIN["max"], 3, x, where, layout, return_indices, out, num_threads)


def max_pool3d_backward(
    dy: Any,
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    *,
    indices: Any = None,
    ties: str = "first",
    layout: str = "NCDHW",
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Gradient of `max_pool3d` for its input.

    Parameters
    ----------
    dy : ndarray of float32 or float64, shape (N, C, D', H', W')
        Gradient of the output.
    x : ndarray of dy.dtype, shape (N, C, D, H, W)
        The input of the forward call; with `indices` its shape is enough.
    kernel_size, stride, padding, dilation, ceil_mode, layout
        Those of the forward call.
    indices, ties, out, num_threads
        As in `max_pool2d_backward`.

    Returns
    -------
    dx : ndarray of dy.dtype, shape (N, C, D, H, W)

    Raises
    ------
    TypeError
        If an array is neither float32 nor float64, or an argument is not made of ints.
    ValueError
        If shapes, sizes or options do not fit; the message names the argument.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> x = np.arange(8.0).reshape(1, 1, 2, 2, 2)
    >>> fastconv.max_pool3d_backward(np.ones((1, 1, 1, 1, 1)), x, 2).sum(axis=(0, 1, 2))
    array([[0., 0.],
           [0., 1.]])
    """
    where = windows(kernel_size, stride, padding, dilation, ceil_mode)
    return backward(PLAIN["max"], 3, dy, x, where, layout, out, num_threads, ties=ties, indices=indices)
