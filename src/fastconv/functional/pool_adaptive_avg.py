"""Adaptive average pooling, which gives any input one output size, in one, two and three dimensions."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.functional._pool import PLAIN, adaptive, backward, forward

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool1d_backward",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool2d_backward",
    "adaptive_avg_pool3d",
    "adaptive_avg_pool3d_backward",
]


def adaptive_avg_pool1d(
    x: Any,
    output_size: Any,
    *,
    layout: str = "NCW",
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Average pooling to a given output size in one dimension.

    Window i along an axis of n elements and o outputs is floor(i n / o) to ceil((i + 1) n / o).

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (N, C, W)
        The input; the batch axis may be missing, or empty.
    output_size : int, None or tuple of them
        Size of the output; None keeps the size of an axis.
    layout : {"NCW", "NWC"}
        Axis order of `x` and the result.
    out, num_threads
        As in `avg_pool1d`.

    Returns
    -------
    y : ndarray of x.dtype, shape (N, C, W')

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
    >>> fastconv.adaptive_avg_pool1d(np.arange(5.0).reshape(1, 1, 5), 2)
    array([[[1., 3.]]])
    """
    return forward(PLAIN["avg"], 1, x, adaptive(output_size), layout, False, out, num_threads)


def adaptive_avg_pool1d_backward(
    dy: Any,
    x: Any,
    output_size: Any,
    *,
    layout: str = "NCW",
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Gradient of `adaptive_avg_pool1d` for its input.

    Parameters
    ----------
    dy : ndarray of float32 or float64, shape (N, C, W')
        Gradient of the output.
    x : ndarray or tuple of int
        The input of the forward call, or its shape: the values do not matter.
    output_size, layout
        Those of the forward call.
    out, num_threads
        As in `avg_pool1d_backward`.

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
    >>> fastconv.adaptive_avg_pool1d_backward(np.array([[[3.0, 6.0]]]), (1, 1, 5), 2)
    array([[[1., 1., 3., 2., 2.]]])
    """
    return backward(PLAIN["avg"], 1, dy, x, adaptive(output_size), layout, out, num_threads)


def adaptive_avg_pool2d(
    x: Any,
    output_size: Any,
    *,
    layout: str = "NCHW",
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Average pooling to a given output size in two dimensions.

    Window i along an axis of n elements and o outputs is floor(i n / o) to ceil((i + 1) n / o).

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (N, C, H, W)
        The input; the batch axis may be missing, or empty.
    output_size : int, None or tuple of them
        Size of the output; None keeps the size of an axis.
    layout : {"NCHW", "NHWC"}
        Axis order of `x` and the result.
    out, num_threads
        As in `avg_pool2d`.

    Returns
    -------
    y : ndarray of x.dtype, shape (N, C, H', W')

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
    >>> fastconv.adaptive_avg_pool2d(np.arange(8.0).reshape(1, 1, 2, 4), (None, 2))
    array([[[[0.5, 2.5],
             [4.5, 6.5]]]])
    """
    return forward(PLAIN["avg"], 2, x, adaptive(output_size), layout, False, out, num_threads)


def adaptive_avg_pool2d_backward(
    dy: Any,
    x: Any,
    output_size: Any,
    *,
    layout: str = "NCHW",
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Gradient of `adaptive_avg_pool2d` for its input.

    Parameters
    ----------
    dy : ndarray of float32 or float64, shape (N, C, H', W')
        Gradient of the output.
    x : ndarray or tuple of int
        The input of the forward call, or its shape: the values do not matter.
    output_size, layout
        Those of the forward call.
    out, num_threads
        As in `avg_pool2d_backward`.

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
    >>> fastconv.adaptive_avg_pool2d_backward(np.array([[[[4.0]]]]), (1, 1, 2, 2), 1)
    array([[[[1., 1.],
             [1., 1.]]]])
    """
    return backward(PLAIN["avg"], 2, dy, x, adaptive(output_size), layout, out, num_threads)


def adaptive_avg_pool3d(
    x: Any,
    output_size: Any,
    *,
    layout: str = "NCDHW",
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Average pooling to a given output size in three dimensions.

    Window i along an axis of n elements and o outputs is floor(i n / o) to ceil((i + 1) n / o).

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (N, C, D, H, W)
        The input; the batch axis may be missing, or empty.
    output_size : int, None or tuple of them
        Size of the output; None keeps the size of an axis.
    layout : {"NCDHW", "NDHWC"}
        Axis order of `x` and the result.
    out, num_threads
        As in `avg_pool3d`.

    Returns
    -------
    y : ndarray of x.dtype, shape (N, C, D', H', W')

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
    >>> fastconv.adaptive_avg_pool3d(np.arange(8.0).reshape(1, 1, 2, 2, 2), 1)
    array([[[[[3.5]]]]])
    """
    return forward(PLAIN["avg"], 3, x, adaptive(output_size), layout, False, out, num_threads)


def adaptive_avg_pool3d_backward(
    dy: Any,
    x: Any,
    output_size: Any,
    *,
    layout: str = "NCDHW",
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Gradient of `adaptive_avg_pool3d` for its input.

    Parameters
    ----------
    dy : ndarray of float32 or float64, shape (N, C, D', H', W')
        Gradient of the output.
    x : ndarray or tuple of int
        The input of the forward call, or its shape: the values do not matter.
    output_size, layout
        Those of the forward call.
    out, num_threads
        As in `avg_pool3d_backward`.

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
    >>> fastconv.adaptive_avg_pool3d_backward(np.full((1, 1, 1, 1, 1), 8.0), (1, 1, 2, 2, 2), 1).ravel()
    array([1., 1., 1., 1., 1., 1., 1., 1.])
    """
    return backward(PLAIN["avg"], 3, dy, x, adaptive(output_size), layout, out, num_threads)
