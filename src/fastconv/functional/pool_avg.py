"""Average pooling in one, two and three dimensions, forward and backward."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv._arguments import flag
from fastconv.functional._pool import PLAIN, Rule, backward, forward, windows
from fastconv.geometry import canonical_integer

__all__ = [
    "avg_pool1d",
    "avg_pool1d_backward",
    "avg_pool2d",
    "avg_pool2d_backward",
    "avg_pool3d",
    "avg_pool3d_backward",
]


def _rule(count_include_pad: Any, divisor_override: Any) -> Rule:
    if divisor_override is None and count_include_pad is True:
        return PLAIN["avg"]
    divisor = 0 if divisor_override is None else canonical_integer("divisor_override", divisor_override, 1)
    return Rule("avg", flag("count_include_pad", count_include_pad), divisor)


def avg_pool1d(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    dilation: Any = 1,
    layout: str = "NCW",
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Average pooling in one dimension: `avg_pool2d` with one spatial axis.

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (N, C, W)
        The input; the batch axis may be missing, or empty.
    kernel_size, stride, padding, ceil_mode, dilation
        As in `max_pool1d`; the elements of the padding are zeros.
    count_include_pad, divisor_override, out, num_threads
        As in `avg_pool2d`.
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
    >>> fastconv.avg_pool1d(np.array([[[1.0, 3.0, 5.0, 4.0]]]), 2, 1)
    array([[[2. , 4. , 4.5]]])
    """
    where = windows(kernel_size, stride, padding, dilation, ceil_mode)
    return forward(_rule(count_include_pad, divisor_override), 1, x, where, layout, False, out, num_threads)


def avg_pool1d_backward(
    dy: Any,
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    dilation: Any = 1,
    layout: str = "NCW",
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Gradient of `avg_pool1d` for its input.

    Parameters
    ----------
    dy : ndarray of float32 or float64, shape (N, C, W')
        Gradient of the output.
    x : ndarray or tuple of int
        The input of the forward call, or its shape: the values do not matter.
    kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, dilation, layout
        Those of the forward call.
    out, num_threads
        As in `avg_pool2d`.

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
    >>> fastconv.avg_pool1d_backward(np.array([[[2.0, 4.0]]]), (1, 1, 3), 2, 1)
    array([[[1., 3., 2.]]])
    """
    where = windows(kernel_size, stride, padding, dilation, ceil_mode)
    return backward(_rule(count_include_pad, divisor_override), 1, dy, x, where, layout, out, num_threads)


def avg_pool2d(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    dilation: Any = 1,
    layout: str = "NCHW",
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Average pooling in two dimensions: the mean of every window.

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (N, C, H, W)
        The input; the batch axis may be missing, or empty. Any strided view is read in place.
    kernel_size, stride, padding, dilation, ceil_mode
        As in `max_pool2d`; the elements of the padding are zeros.
    count_include_pad : bool
        Whether the zeros of the padding count in the mean. What `ceil_mode` adds beyond the
        padding never counts.
    divisor_override : int, optional
        Divide the sums by this instead.
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
    >>> import numpy as np
    >>> import fastconv
    >>> x = np.arange(16.0).reshape(1, 1, 4, 4)
    >>> fastconv.avg_pool2d(x, 2)
    array([[[[ 2.5,  4.5],
             [10.5, 12.5]]]])
    >>> fastconv.avg_pool2d(np.ones((1, 1, 2, 2)), 2, padding=1, count_include_pad=False)
    array([[[[1., 1.],
             [1., 1.]]]])
    """
    where = windows(kernel_size, stride, padding, dilation, ceil_mode)
    return forward(_rule(count_include_pad, divisor_override), 2, x, where, layout, False, out, num_threads)


def avg_pool2d_backward(
    dy: Any,
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    dilation: Any = 1,
    layout: str = "NCHW",
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Gradient of `avg_pool2d` for its input.

    Parameters
    ----------
    dy : ndarray of float32 or float64, shape (N, C, H', W')
        Gradient of the output.
    x : ndarray or tuple of int
        The input of the forward call, or its shape: the values do not matter.
    kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, dilation, layout
        Those of the forward call.
    out, num_threads
        As in `avg_pool2d`.

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
    >>> fastconv.avg_pool2d_backward(np.full((1, 1, 1, 1), 8.0), (1, 1, 2, 2), 2)
    array([[[[2., 2.],
             [2., 2.]]]])
    """
    where = windows(kernel_size, stride, padding, dilation, ceil_mode)
    return backward(_rule(count_include_pad, divisor_override), 2, dy, x, where, layout, out, num_threads)


def avg_pool3d(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    dilation: Any = 1,
    layout: str = "NCDHW",
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Average pooling in three dimensions: `avg_pool2d` with a depth.

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (N, C, D, H, W)
        The input; the batch axis may be missing, or empty.
    kernel_size, stride, padding, ceil_mode, dilation
        As in `max_pool3d`; the elements of the padding are zeros.
    count_include_pad, divisor_override, out, num_threads
        As in `avg_pool2d`.
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
    >>> fastconv.avg_pool3d(np.arange(8.0).reshape(1, 1, 2, 2, 2), 2)
    array([[[[[3.5]]]]])
    """
    where = windows(kernel_size, stride, padding, dilation, ceil_mode)
    return forward(_rule(count_include_pad, divisor_override), 3, x, where, layout, False, out, num_threads)


def avg_pool3d_backward(
    dy: Any,
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    dilation: Any = 1,
    layout: str = "NCDHW",
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Gradient of `avg_pool3d` for its input.

    Parameters
    ----------
    dy : ndarray of float32 or float64, shape (N, C, D', H', W')
        Gradient of the output.
    x : ndarray or tuple of int
        The input of the forward call, or its shape: the values do not matter.
    kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, dilation, layout
        Those of the forward call.
    out, num_threads
        As in `avg_pool2d`.

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
    >>> fastconv.avg_pool3d_backward(np.full((1, 1, 1, 1, 1), 8.0), (1, 1, 2, 2, 2), 2).ravel()
    array([1., 1., 1., 1., 1., 1., 1., 1.])
    """
    where = windows(kernel_size, stride, padding, dilation, ceil_mode)
    return backward(_rule(count_include_pad, divisor_override), 3, dy, x, where, layout, out, num_threads)
