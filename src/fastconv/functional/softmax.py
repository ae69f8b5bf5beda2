"""Softmax and its logarithm: scores become probabilities."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastconv import _engine
from fastconv.functional._arrays import axis_index, deliver, dense, result_buffer, same_dtype, same_shape, thread_count
from fastconv.functional._operands import operand

__all__ = ["log_softmax", "prepare_softmax", "softmax", "softmax_backward"]


def softmax(x: Any, axis: int = -1, *, out: np.ndarray | None = None, num_threads: int | None = None) -> np.ndarray:
    """Softmax along one axis, ``y[c] = exp(x[c] - m) / sum_k exp(x[k] - m)`` with ``m = max_k x[k]``.

    Parameters
    ----------
    x : ndarray, any shape with at least one axis, float32 or float64
    axis : int
        The axis whose elements become probabilities; it may not be empty.
    out : ndarray, shape of x, dtype of x, optional
        Where the result goes; `x` itself is allowed.
    num_threads : int, optional

    Returns
    -------
    ndarray, shape of x, dtype of x
        Each line along `axis` adds up to 1. A line that holds NaN or +inf, or nothing but -inf, is NaN.

    Raises
    ------
    ValueError
        If `axis` is out of range or empty, or `out` does not fit.
    TypeError
        If `x` or `out` has another element type.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.softmax(np.array([0.0, np.log(3.0)])).round(6)
    array([0.25, 0.75])
    """
    return _along(_engine.softmax_forward, x, axis, out, num_threads)


def prepare_softmax(shape: tuple[int, ...], axis: int, logarithm: bool) -> Callable[..., Any]:
    """``run(x, out)`` as `softmax`, or its logarithm, for dense arrays that are known to fit; no axis is empty."""
    if axis % len(shape) != len(shape) - 1:
        return functools.partial(log_softmax if logarithm else softmax, axis=axis)
    matrix = (math.prod(shape[:-1]), shape[-1])
    function = _engine.log_softmax_forward if logarithm else _engine.softmax_forward
    return lambda x, out: function(x.reshape(matrix), out.reshape(matrix))


def log_softmax(x: Any, axis: int = -1, *, out: np.ndarray | None = None, num_threads: int | None = None) -> np.ndarray:
    """Logarithm of `softmax`, ``y[c] = x[c] - m - log(sum_k exp(x[k] - m))``; arguments as of `softmax`.

    Examples
    --------
    >>> import numpy as np
    >>> log_softmax(np.array([0.0, np.log(3.0), -9.0])).round(4)
    array([ -1.3863,  -0.2877, -10.3863])
    """
    return _along(_engine.log_softmax_forward, x, axis, out, num_threads)


def softmax_backward(
    dy: Any, y: Any, axis: int = -1, *, out: np.ndarray | None = None, num_threads: int | None = None
) -> np.ndarray:
    """Gradient of `softmax` for its input, ``dx = y * (dy - sum_k dy[k] * y[k])``.

    Parameters
    ----------
    dy : ndarray, any shape with at least one axis, float32 or float64
        Gradient for the output.
    y : ndarray, shape of dy, dtype of dy
        What `softmax` returned.
    axis : int
        The axis `softmax` was given.
    out : ndarray, shape of dy, dtype of dy, optional
        Where the result goes; `dy` or `y` itself is allowed.
    num_threads : int, optional

    Returns
    -------
    ndarray, shape of dy, dtype of dy

    Raises
    ------
    ValueError
        If the shapes differ, `axis` is out of range or empty, or `out` does not fit.
    TypeError
        If an argument is neither float32 nor float64, or types are mixed.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.softmax_backward(np.array([1.0, 0.0]), np.array([0.25, 0.75]))
    array([ 0.1875, -0.1875])
    """
    dy, y = operand("dy", dy), operand("y", y)
    same_dtype("dy", dy, "y", y)
    same_shape("dy", dy, "y", y.shape)
    axis = line_axis(y, axis)
    dx = _line_buffer(out, y, axis, (("dy", dy), ("y", y)))
    _engine.softmax_backward(
        _matrix(_lines(y, axis)), _matrix(_lines(dy, axis)), _matrix(dx), thread_count(num_threads)
    )
    return deliver(_from_lines(dx, axis), out)


def _along(
    function: Callable[..., None], x: Any, axis: int, out: np.ndarray | None, num_threads: int | None
) -> np.ndarray:
    """Let the engine fill the lines of the result along one axis."""
    x = operand("x", x)
    axis = line_axis(x, axis)
    lines = _lines(x, axis)
    y = _line_buffer(out, x, axis, (("x", x),))
    function(_matrix(lines), _matrix(y), thread_count(num_threads))
    return deliver(_from_lines(y, axis), out)


def line_axis(x: np.ndarray, axis: int) -> int:
    """Return `axis` counted from the front, after checking that it exists and is not empty."""
    index = axis_index("axis", axis, x.ndim)
    if x.shape[index] == 0:
        raise ValueError(f"axis (={axis}) is empty: shape {x.shape} holds no class")
    return index


def _lines(x: np.ndarray, axis: int) -> np.ndarray:
    """Return `x` in C order with `axis` last."""
    return dense(x if axis == x.ndim - 1 else np.moveaxis(x, axis, -1))


def _matrix(x: np.ndarray) -> np.ndarray:
    return x if x.ndim == 2 else x.reshape(x.size // x.shape[-1], x.shape[-1])


def _line_buffer(
    out: np.ndarray | None, x: np.ndarray, axis: int, inputs: Sequence[tuple[str, np.ndarray]]
) -> np.ndarray:
    """Return where the lines of the result go: `out` itself if they lie there as they are computed."""
    buffer = result_buffer("out", out, x.shape, x.dtype, inputs, in_place=True)
    if axis == x.ndim - 1:
        return buffer
    return np.empty(x.shape[:axis] + x.shape[axis + 1 :] + x.shape[axis : axis + 1], x.dtype)


def _from_lines(lines: np.ndarray, axis: int) -> np.ndarray:
    """Return lines in the axis order of the input, in C order."""
    return lines if axis == lines.ndim - 1 else np.ascontiguousarray(np.moveaxis(lines, -1, axis))
