"""Global max pooling: one window per plane, in one, two and three dimensions."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.functional._pool import PLAIN, WHOLE, backward, forward

__all__ = [
    "global_max_pool1d",
    "global_max_pool1d_backward",
    "global_max_pool2d",
    "global_max_pool2d_backward",
    "global_max_pool3d",
    "global_max_pool3d_backward",
]


def global_max_pool1d(
    x: Any,
    return_indices: bool = False,
    *,
    layout: str = "NCW",
    out: Any = None,
    num_threads: int | None = None,
) -> Any:
    """The largest element of every signal: max pooling with one window.

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (N, C, W)
        The input; the batch axis may be missing, or empty.
    return_indices : bool
        Also return where the largest elements are, as `max_pool1d` does.
    layout : {"NCW", "NWC"}
        Axis order of `x` and the result.
    out, num_threads
        As in `max_pool1d`.

    Returns
    -------
    y : ndarray of x.dtype, shape (N, C, 1)
    indices : ndarray of int64, shape (N, C, 1)
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
    >>> fastconv.global_max_pool1d(np.arange(2.0).reshape(1, 1, 2))
    array([[[1.]]])
    """
    return forward(PLAIN["max"], 1, x, WHOLE, layout, return_indices, out, num_threads)


def global_max_pool1d_backward(
    dy: Any,
    x: Any,
    *,
    indices: Any = None,
    ties: str = "first",
    layout: str = "NCW",
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Gradient of `global_max_pool1d` for its input.

    Parameters
    ----------
    dy : ndarray of float32 or float64, shape (N, C, 1)
        Gradient of the output.
    x : ndarray of dy.dtype, shape (N, C, W)
        The input of the forward call; with `indices` its shape is enough.
    layout
        That of the forward call.
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
    >>> x = np.arange(2.0).reshape(1, 1, 2)
    >>> fastconv.global_max_pool1d_backward(np.ones((1, 1, 1)), x).ravel()
    array([0., 1.])
    """
    return backward(PLAIN["max"], 1, dy, x, WHOLE, layout, out, num_threads, ties=ties, indices=indices)


def global_max_pool2d(
    x: Any,
    return_indices: bool = False,
    *,
    layout: str = "NCHW",
    out: Any = None,
    num_threads: int | None = None,
) -> Any:
    """The largest element of every plane: max pooling with one window.

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (N, C, H, W)
        The input; the batch axis may be missing, or empty.
    return_indices : bool
        Also return where the largest elements are, as `max_pool2d` does.
    layout : {"NCHW", "NHWC"}
        Axis order of `x` and the result.
    out, num_threads
        As in `max_pool2d`.

    Returns
    -------
    y : ndarray of x.dtype, shape (N, C, 1, 1)
    indices : ndarray of int64, shape (N, C, 1, 1)
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
    >>> fastconv.global_max_pool2d(np.arange(4.0).reshape(1, 1, 2, 2))
    array([[[[3.]]]])
    """
    return forward(PLAIN["max"], 2, x, WHOLE, layout, return_indices, out, num_threads)


def global_max_pool2d_backward(
    dy: Any,
    x: Any,
    *,
    indices: Any = None,
    ties: str = "first",
    layout: str = "NCHW",
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Gradient of `global_max_pool2d` for its input.

    Parameters
    ----------
    dy : ndarray of float32 or float64, shape (N, C, 1, 1)
        Gradient of the output.
    x : ndarray of dy.dtype, shape (N, C, H, W)
        The input of the forward call; with `indices` its shape is enough.
    layout
        That of the forward call.
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
    >>> x = np.arange(4.0).reshape(1, 1, 2, 2)
    >>> fastconv.global_max_pool2d_backward(np.ones((1, 1, 1, 1)), x).ravel()
    array([0., 0., 0., 1.])
    """
    return backward(PLAIN["max"], 2, dy, x, WHOLE, layout, out, num_threads, ties=ties, indices=indices)


def global_max_pool3d(
    x: Any,
    return_indices: bool = False,
    *,
    layout: str = "NCDHW",
    out: Any = None,
    num_threads: int | None = None,
) -> Any:
    """The largest element of every volume: max pooling with one window.

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (N, C, D, H, W)
        The input; the batch axis may be missing, or empty.
    return_indices : bool
        Also return where the largest elements are, as `max_pool3d` does.
    layout : {"NCDHW", "NDHWC"}
        Axis order of `x` and the result.
    out, num_threads
        As in `max_pool3d`.

    Returns
    -------
    y : ndarray of x.dtype, shape (N, C, 1, 1, 1)
    indices : ndarray of int64, shape (N, C, 1, 1, 1)
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
    >>> fastconv.global_max_pool3d(np.arange(8.0).reshape(1, 1, 2, 2, 2))
    array([[[[[7.]]]]])
    """
    return forward(PLAIN["max"], 3, x, WHOLE, layout, return_indices, out, num_threads)


def global_max_pool3d_backward(
    dy: Any,
    x: Any,
    *,
    indices: Any = None,
    ties: str = "first",
    layout: str = "NCDHW",
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Gradient of `global_max_pool3d` for its input.

    Parameters
    ----------
    dy : ndarray of float32 or float64, shape (N, C, 1, 1, 1)
        Gradient of the output.
    x : ndarray of dy.dtype, shape (N, C, D, H, W)
        The input of the forward call; with `indices` its shape is enough.
    layout
        That of the forward call.
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
    >>> fastconv.global_max_pool3d_backward(np.ones((1, 1, 1, 1, 1)), x).ravel()
    array([0., 0., 0., 0., 0., 0., 0., 1.])
    """
    return backward(PLAIN["max"], 3, dy, x, WHOLE, layout, out, num_threads, ties=ties, indices=indices)
