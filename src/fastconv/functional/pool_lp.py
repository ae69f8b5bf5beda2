"""Lp pooling (p-norms, L2 among them) in one, two and three dimensions, forward and backward."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv._arguments import flag, number
from fastconv.functional._pool import Rule, backward, forward, windows

__all__ = [
    "lp_pool1d",
    "lp_pool1d_backward",
    "lp_pool2d",
    "lp_pool2d_backward",
    "lp_pool3d",
    "lp_pool3d_backward",
]


def _rule(norm_type: Any, signed: Any) -> Rule:
    p = number("norm_type", norm_type)
    if not p > 0:
        raise ValueError(f"norm_type (={norm_type!r}) must be above 0")
    return Rule("lp", p=p, signed=flag("signed", signed))


def lp_pool1d(
    x: Any,
    norm_type: float,
    kernel_size: Any,
    stride: Any = None,
    ceil_mode: bool = False,
    *,
    padding: Any = 0,
    dilation: Any = 1,
    signed: bool = False,
    layout: str = "NCW",
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Lp pooling in one dimension: `lp_pool2d` with one spatial axis.

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (N, C, W)
        The input; the batch axis may be missing, or empty.
    norm_type, signed, out, num_threads
        As in `lp_pool2d`.
    kernel_size, stride, ceil_mode, padding, dilation
        As in `max_pool1d`.
    layout : {"NCW", "NWC"}
        Axis order of `x` and the result.

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
    >>> fastconv.lp_pool1d(np.array([[[3.0, -4.0, 0.0]]]), 2, 2, 1)
    array([[[5., 4.]]])
    """
    where = windows(kernel_size, stride, padding, dilation, ceil_mode)
    return forward(_rule(norm_type, signed), 1, x, where, layout, False, out, num_threads)


def lp_pool1d_backward(
    dy: Any,
    x: Any,
    norm_type: float,
    kernel_size: Any,
    stride: Any = None,
    ceil_mode: bool = False,
    *,
    padding: Any = 0,
    dilation: Any = 1,
    signed: bool = False,
    y: Any = None,
    layout: str = "NCW",
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Gradient of `lp_pool1d` for its input.

    Parameters
    ----------
    dy : ndarray of float32 or float64, shape (N, C, W')
        Gradient of the output.
    x : ndarray of dy.dtype, shape (N, C, W)
        The input of the forward call.
    norm_type, kernel_size, stride, ceil_mode, padding, dilation, signed, layout
        Those of the forward call.
    y : ndarray of dy.dtype, shape (N, C, W'), optional
        The output of the forward call, if it is at hand; else it is computed again.
    out, num_threads
        As in `lp_pool2d`.

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
    >>> fastconv.lp_pool1d_backward(np.array([[[10.0]]]), np.array([[[3.0, -4.0]]]), 2, 2)
    array([[[ 6., -8.]]])
    """
    where = windows(kernel_size, stride, padding, dilation, ceil_mode)
    return backward(_rule(norm_type, signed), 1, dy, x, where, layout, out, num_threads, y=y)


def lp_pool2d(
    x: Any,
    norm_type: float,
    kernel_size: Any,
    stride: Any = None,
    ceil_mode: bool = False,
    *,
    padding: Any = 0,
    dilation: Any = 1,
    signed: bool = False,
    layout: str = "NCHW",
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Lp pooling in two dimensions: the p-norm of every window; p = 2 is L2 pooling.

    ``y[n, c, i, j] = (sum_{k, l} |x[n, c, i*s + k*d - p, j*s + l*d - p]|^p)^(1/p)``.

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (N, C, H, W)
        The input; the batch axis may be missing, or empty. Any strided view is read in place.
    norm_type : float
        The exponent p, above 0; ``math.inf`` gives the largest magnitude.
    kernel_size, stride, ceil_mode, padding, dilation
        As in `max_pool2d`; only elements of the input are summed.
    signed : bool
        PyTorch's formula instead, (m sum(x^p) / c)^(1/p) without the magnitude: m elements has a
        kernel, c a window, padding included. An odd p sees signs, and negative sums give NaN.
    layout : {"NCHW", "NHWC"}
        Axis order of `x` and the result.
    out : ndarray, optional
        Array for the result.
    num_threads : int, optional
        Threads of this call; the default is `get_num_threads()`. The result has the same bits for any number.

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
    >>> import math
    >>> import numpy as np
    >>> import fastconv
    >>> x = np.array([[[[1.0, -2.0], [3.0, 0.0]]]])
    >>> [fastconv.lp_pool2d(x, p, 2).item() for p in (1, math.inf)]
    [6.0, 3.0]
    >>> fastconv.lp_pool2d(x, 1, 2, signed=True)
    array([[[[2.]]]])
    """
    where = windows(kernel_size, stride, padding, dilation, ceil_mode)
    return forward(_rule(norm_type, signed), 2, x, where, layout, False, out, num_threads)


def lp_pool2d_backward(
    dy: Any,
    x: Any,
    norm_type: float,
    kernel_size: Any,
    stride: Any = None,
    ceil_mode: bool = False,
    *,
    padding: Any = 0,
    dilation: Any = 1,
    signed: bool = False,
    y: Any = None,
    layout: str = "NCHW",
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Gradient of `lp_pool2d` for its input.

    ``dx = dy sign(x) (|x| / y)^(p-1)``, summed over the windows of an element; 0 where y or x is 0. With p
    infinite the gradient goes to the first element of the largest magnitude.

    Parameters
    ----------
    dy : ndarray of float32 or float64, shape (N, C, H', W')
        Gradient of the output.
    x : ndarray of dy.dtype, shape (N, C, H, W)
        The input of the forward call.
    norm_type, kernel_size, stride, ceil_mode, padding, dilation, signed, layout
        Those of the forward call.
    y : ndarray of dy.dtype, shape (N, C, H', W'), optional
        The output of the forward call, if it is at hand; else it is computed again.
    out, num_threads
        As in `lp_pool2d`.

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
    >>> fastconv.lp_pool2d_backward(np.array([[[[10.0]]]]), np.array([[[[3.0, 0.0], [0.0, -4.0]]]]), 2, 2)
    array([[[[ 6.,  0.],
             [ 0., -8.]]]])
    """
    where = windows(kernel_size, stride, padding, dilation, ceil_mode)
    return backward(_rule(norm_type, signed), 2, dy, x, where, layout, out, num_threads, y=y)


def lp_pool3d(
    x: Any,
    norm_type: float,
    kernel_size: Any,
    stride: Any = None,
    ceil_mode: bool = False,
    *,
    padding: Any = 0,
    dilation: Any = 1,
    signed: bool = False,
    layout: str = "NCDHW",
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Lp pooling in three dimensions: `lp_pool2d` with a depth.

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (N, C, D, H, W)
        The input; the batch axis may be missing, or empty.
    norm_type, signed, out, num_threads
        As in `lp_pool2d`.
    kernel_size, stride, ceil_mode, padding, dilation
        As in `max_pool3d`.
    layout : {"NCDHW", "NDHWC"}
        Axis order of `x` and the result.

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
    >>> fastconv.lp_pool3d(np.full((1, 1, 1, 2, 2), -3.0), 2, (1, 2, 2))
    array([[[[[6.]]]]])
    """
    where = windows(kernel_size, stride, padding, dilation, ceil_mode)
    return forward(_rule(norm_type, signed), 3, x, where, layout, False, out, num_threads)


def lp_pool3d_backward(
    dy: Any,
    x: Any,
    norm_type: float,
    kernel_size: Any,
    stride: Any = None,
    ceil_mode: bool = False,
    *,
    padding: Any = 0,
    dilation: Any = 1,
    signed: bool = False,
    y: Any = None,
    layout: str = "NCDHW",
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Gradient of `lp_pool3d` for its input.

    Parameters
    ----------
    dy : ndarray of float32 or float64, shape (N, C, D', H', W')
        Gradient of the output.
    x : ndarray of dy.dtype, shape (N, C, D, H, W)
        The input of the forward call.
    norm_type, kernel_size, stride, ceil_mode, padding, dilation, signed, layout
        Those of the forward call.
    y : ndarray of dy.dtype, shape (N, C, D', H', W'), optional
        The output of the forward call, if it is at hand; else it is computed again.
    out, num_threads
        As in `lp_pool2d`.

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
    >>> x = np.array([1.0, -2.0]).reshape(1, 1, 2, 1, 1)
    >>> fastconv.lp_pool3d_backward(np.ones((1, 1, 1, 1, 1)), x, 1, (2, 1, 1)).ravel()
    array([ 1., -1.])
    """
    where = windows(kernel_size, stride, padding, dilation, ceil_mode)
    return backward(_rule(norm_type, signed), 3, dy, x, where, layout, out, num_threads, y=y)
