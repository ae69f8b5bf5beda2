"""Global average pooling: one window per plane, in one, two and three dimensions."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.functional._pool import PLAIN, WHOLE, backward, forward

__all__ = [
    "global_avg_pool1d",
    "global_avg_pool1d_backward",
    "global_avg_pool2d",
    "global_avg_pool2d_backward",
    "global_avg_pool3d",
    "global_avg_pool3d_backward",
]


def global_avg_pool1d(
    x: Any,
    *,
    layout: str = "NCW",
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """The mean of every signal: average pooling with one window.

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (N, C, W)
        The input; the batch axis may be missing, or empty.
    layout : {"NCW", "NWC"}
        Axis order of `x` and the result.
    out, num_threads
        As in `avg_pool1d`.

    Returns
    -------
    y : ndarray of x.dtype, shape (N, C, 1)

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
    >>> fastconv.global_avg_pool1d(np.arange(2.0).reshape(1, 1, 2))
    array([[[0.5]]])
    """
    return forward(PLAIN["avg"], 1, x, WHOLE, layout, False, out, num_threads)


def global_avg_pool1d_backward(
    dy: Any,
    x: Any,
    *,
    layout: str = "NCW",
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Gradient of `global_avg_pool1d` for its input.

    Parameters
    ----------
    dy : ndarray of float32 or float64, shape (N, C, 1)
        Gradient of the output.
    x : ndarray or tuple of int
        The input of the forward call, or its shape: the values do not matter.
    layout
        That of the forward call.
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
    >>> fastconv.global_avg_pool1d_backward(np.full((1, 1, 1), 2.0), (1, 1, 2)).ravel()
    array([1., 1.])
    """
    return backward(PLAIN["avg"], 1, dy, x, WHOLE, layout, out, num_threads)


def global_avg_pool2d(
    x: Any,
    *,
    layout: str = "NCHW",
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """The mean of every plane: average pooling with one window.

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (N, C, H, W)
        The input; the batch axis may be missing, or empty.
    layout : {"NCHW", "NHWC"}
        Axis order of `x` and the result.
    out, num_threads
        As in `avg_pool2d`.

    Returns
    -------
    y : ndarray of x.dtype, shape (N, C, 1, 1)

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
    >>> fastconv.global_avg_pool2d(np.arange(4.0).reshape(1, 1, 2, 2))
    array([[[[1.5]]]])
    """
    return forward(PLAIN["avg"], 2, x, WHOLE, layout, False, out, num_threads)


def global_avg_pool2d_backward(
    dy: Any,
    x: Any,
    *,
    layout: str = "NCHW",
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Gradient of `global_avg_pool2d` for its input.

    Parameters
    ----------
    dy : ndarray of float32 or float64, shape (N, C, 1, 1)
        Gradient of the output.
    x : ndarray or tuple of int
        The input of the forward call, or its shape: the values do not matter.
    layout
        That of the forward call.
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
    >>> fastconv.global_avg_pool2d_backward(np.full((1, 1, 1, 1), 4.0), (1, 1, 2, 2)).ravel()
    array([1., 1., 1., 1.])
    """
    return backward(PLAIN["avg"], 2, dy, x, WHOLE, layout, out, num_threads)


def global_avg_pool3d(
    x: Any,
    *,
    layout: str = "NCDHW",
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """The mean of every volume: average pooling with one window.

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (N, C, D, H, W)
        The input; the batch axis may be missing, or empty.
    layout : {"NCDHW", "NDHWC"}
        Axis order of `x` and the result.
    out, num_threads
        As in `avg_pool3d`.

    Returns
    -------
    y : ndarray of x.dtype, shape (N, C, 1, 1, 1)

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
    >>> fastconv.global_avg_pool3d(np.arange(8.0).reshape(1, 1, 2, 2, 2))
    array([[[[[3.5]]]]])
    """
    return forward(PLAIN["avg"], 3, x, WHOLE, layout, False, out, num_threads)


def global_avg_pool3d_backward(
    dy: Any,
    x: Any,
    *,
    layout: str = "NCDHW",
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Gradient of `global_avg_pool3d` for its input.

    Parameters
    ----------
    dy : ndarray of float32 or float64, shape (N, C, 1, 1, 1)
        Gradient of the output.
    x : ndarray or tuple of int
        The input of the forward call, or its shape: the values do not matter.
    layout
        That of the forward call.
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
    >>> fastconv.global_avg_pool3d_backward(np.full((1, 1, 1, 1, 1), 8.0), (1, 1, 2, 2, 2)).ravel()
    array([1., 1., 1., 1., 1., 1., 1., 1.])
    """
    return backward(PLAIN["avg"], 3, dy, x, WHOLE, layout, out, num_threads)
