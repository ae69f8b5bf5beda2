"""Adaptive max pooling, which gives any input one output size, in one, two and three dimensions."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.functional._pool import PLAIN, adaptive, backward, forward

__all__ = [
    "adaptive_max_pool1d",
    "adaptive_max_pool1d_backward",
    "adaptive_max_pool2d",
    "adaptive_max_pool2d_backward",
    "adaptive_max_pool3d",
    "adaptive_max_pool3d_backward",
]


def adaptive_max_pool1d(
    x: Any,
    output_size: Any,
    return_indices: bool = False,
    *,
    layout: str = "NCW",
    out: Any = None,
    num_threads: int | None = None,
) -> Any:
    """Max pooling to a given output size in one dimension.

    Window i along an axis of n elements and o outputs is floor(i n / o) to ceil((i + 1) n / o).

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (N, C, W)
        The input; the batch axis may be missing, or empty.
    output_size : int, None or tuple of them
        Size of the output; None keeps the size of an axis.
    return_indices : bool
        Also return where the largest elements are, as `max_pool1d` does.
    layout : {"NCW", "NWC"}
        Axis order of `x` and the result.
    out, num_threads
        As in `max_pool1d`.

    Returns
    -------
    y : ndarray of x.dtype, shape (N, C, W')
    indices : ndarray of int64, shape (N, C, W')
        With `return_indices` only.

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
    >>> fastconv.adaptive_max_pool1d(np.array([[[1.0, 4.0, 2.0, 3.0, 0.0]]]), 2)
    array([[[4., 3.]]])
    """
    return forward(PLAIN["max"], 1, x, adaptive(output_size), layout, return_indices, out, num_threads)


def adaptive_max_pool1d_backward(
    dy: Any,
    x: Any,
    output_size: Any,
    *,
    indices: Any = None,
    ties: str = "first",
    layout: str = "NCW",
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Gradient of `adaptive_max_pool1d` for its input.

    Parameters
    ----------
    dy : ndarray of float32 or float64, shape (N, C, W')
        Gradient of the output.
    x : ndarray of dy.dtype, shape (N, C, W)
        The input of the forward call; with `indices` its shape is enough.
    output_size, layout
        Those of the forward call.
    indices, ties, out, num_threads
        As in `max_pool1d_backward`.

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
    >>> x = np.array([[[1.0, 4.0, 2.0, 3.0, 0.0]]])
    >>> fastconv.adaptive_max_pool1d_backward(np.array([[[5.0, 6.0]]]), x, 2)
    array([[[0., 5., 0., 6., 0.]]])
    """
    where = adaptive(output_size)
    return backward(PLAIN["max"], 1, dy, x, where, layout, out, num_threads, ties=ties, indices=indices)


def adaptive_max_pool2d(
    x: Any,
    output_size: Any,
    return_indices: bool = False,
    *,
    layout: str = "NCHW",
    out: Any = None,
    num_threads: int | None = None,
) -> Any:
    """Max pooling to a given output size in two dimensions.

    Window i along an axis of n elements and o outputs is floor(i n / o) to ceil((i + 1) n / o).

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (N, C, H, W)
        The input; the batch axis may be missing, or empty.
    output_size : int, None or tuple of them
        Size of the output; None keeps the size of an axis.
    return_indices : bool
        Also return where the largest elements are, as `max_pool2d` does.
    layout : {"NCHW", "NHWC"}
        Axis order of `x` and the result.
    out, num_threads
        As in `max_pool2d`.

    Returns
    -------
    y : ndarray of x.dtype, shape (N, C, H', W')
    indices : ndarray of int64, shape (N, C, H', W')
        With `return_indices` only.

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
    >>> y, indices = fastconv.adaptive_max_pool2d(np.arange(8.0).reshape(1, 1, 2, 4), (1, 2), True)
    >>> y, indices
    (array([[[[5., 7.]]]]), array([[[[5, 7]]]]))
    """
    return forward(PLAIN["max"], 2, x, adaptive(output_size), layout, return_indices, out, num_threads)


def adaptive_max_pool2d_backward(
    dy: Any,
    x: Any,
    output_size: Any,
    *,
    indices: Any = None,
    ties: str = "first",
    layout: str = "NCHW",
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Gradient of `adaptive_max_pool2d` for its input.

    Parameters
    ----------
    dy : ndarray of float32 or float64, shape (N, C, H', W')
        Gradient of the output.
    x : ndarray of dy.dtype, shape (N, C, H, W)
        The input of the forward call; with `indices` its shape is enough.
    output_size, layout
        Those of the forward call.
    indices, ties, out, num_threads
        As in `max_pool2d_backward`.

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
    >>> fastconv.adaptive_max_pool2d_backward(np.ones((1, 1, 1, 2)), np.arange(8.0).reshape(1, 1, 2, 4), (1, 2))
    array([[[[0., 0., 0., 0.],
             [0., 1., 0., 1.]]]])
    """
    where = adaptive(output_size)
    return backward(PLAIN["max"], 2, dy, x, where, layout, out, num_threads, ties=ties, indices=indices)


def adaptive_max_pool3d(
    x: Any,
    output_size: Any,
    return_indices: bool = False,
    *,
    layout: str = "NCDHW",
    out: Any = None,
    num_threads: int | None = None,
) -> Any:
    """Max pooling to a given output size in three dimensions.

    Window i along an axis of n elements and o outputs is floor(i n / o) to ceil((i + 1) n / o).

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (N, C, D, H, W)
        The input; the batch axis may be missing, or empty.
    output_size : int, None or tuple of them
        Size of the output; None keeps the size of an axis.
    return_indices : bool
        Also return where the largest elements are, as `max_pool3d` does.
    layout : {"NCDHW", "NDHWC"}
        Axis order of `x` and the result.
    out, num_threads
        As in `max_pool3d`.

    Returns
    -------
    y : ndarray of x.dtype, shape (N, C, D', H', W')
    indices : ndarray of int64, shape (N, C, D', H', W')
        With `return_indices` only.

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
    >>> fastconv.adaptive_max_pool3d(np.arange(8.0).reshape(1, 1, 2, 2, 2), 1)
    array([[[[[7.]]]]])
    """
    return forward(PLAIN["max"], 3, x, adaptive(output_size), layout, return_indices, out, num_threads)


def adaptive_max_pool3d_backward(
    dy: Any,
    x: Any,
    output_size: Any,
    *,
    indices: Any = None,
    ties: str = "first",
    layout: str = "NCDHW",
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Gradient of `adaptive_max_pool3d` for its input.

    Parameters
    ----------
    dy : ndarray of float32 or float64, shape (N, C, D', H', W')
        Gradient of the output.
    x : ndarray of dy.dtype, shape (N, C, D, H, W)
        The input of the forward call; with `indices` its shape is enough.
    output_size, layout
        Those of the forward call.
    indices, ties, out, num_threads
        As in `max_pool3d_backward`.

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
    >>> fastconv.adaptive_max_pool3d_backward(np.ones((1, 1, 1, 1, 1)), x, 1).ravel()
    array([0., 0., 0., 0., 0., 0., 0., 1.])
    """
    where = adaptive(output_size)
    return backward(PLAIN["max"], 3, dy, x, where, layout, out, num_threads, ties=ties, indices=indices)
