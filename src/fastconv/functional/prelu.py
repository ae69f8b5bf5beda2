"""PReLU: a rectifier whose slope below zero is learnt, for all channels or for each."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.functional._arrays import axis_index, deliver, result_buffer, same_dtype, same_shape
from fastconv.functional._operands import operand

__all__ = ["prelu", "prelu_backward"]


def prelu(x: Any, weight: Any, *, axis: int = 1, out: np.ndarray | None = None) -> np.ndarray:
    """``y = x where x > 0, else weight[c] * x``.

    Parameters
    ----------
    x : ndarray, shape (N, C, ...), float32 or float64
    weight : ndarray, shape (1,) or (C,), dtype of x
        One slope for all channels, or one for each.
    axis : int
        The axis of the channels: -1 for channels last.
    out : ndarray, shape of x, dtype of x, optional

    Returns
    -------
    ndarray, shape of x, dtype of x

    Raises
    ------
    TypeError
        If types are not float32 or float64 or are mixed.
    ValueError
        If `weight` does not fit the channels, there is no such axis, or `out` does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.prelu(np.array([[-2.0, -2.0, 3.0]]), np.array([0.5, 0.25, 0.1]))
    array([[-1. , -0.5,  3. ]])
    """
    x, slope, _ = _operands(x, weight, axis)
    y = result_buffer("out", out, x.shape, x.dtype, (("x", x), ("weight", slope)))
    below = np.minimum(x, 0)
    below *= slope
    np.add(np.maximum(x, 0, out=y), below, out=y)
    return deliver(y, out)


def prelu_backward(
    dy: Any, x: Any, weight: Any, *, axis: int = 1, out: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Gradients of `prelu` for its input and its slopes.

    Parameters
    ----------
    dy : ndarray, shape of x, dtype of x
        Gradient for the output.
    x, weight, axis
        As given to `prelu`.
    out : ndarray, shape of x, dtype of x, optional
        Where dx goes.

    Returns
    -------
    dx : ndarray, shape of x
        ``dy where x > 0, else weight[c] * dy``.
    dweight : ndarray, shape of weight
        The sum of ``dy * x`` over the elements of a channel that are not above 0.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.prelu_backward(np.array([[1.0, 1.0]]), np.array([[-2.0, 3.0]]), np.array([0.5]))
    (array([[0.5, 1. ]]), array([-2.]))
    """
    x, slope, place = _operands(x, weight, axis)
    dy = operand("dy", dy)
    same_dtype("dy", dy, "x", x)
    same_shape("dy", dy, "x", x.shape)
    dx = result_buffer("out", out, x.shape, x.dtype, (("dy", dy), ("x", x), ("weight", slope)))
    np.minimum(x, 0, out=dx)
    dx *= dy
    kept = () if slope.size == 1 else (place,)
    dslope = dx.sum(axis=tuple(index for index in range(x.ndim) if index not in kept)).reshape(slope.size)
    np.multiply(dy, slope, out=dx)
    dx[...] = np.where(x > 0, dy, dx)
    return deliver(dx, out), dslope


def _operands(x: Any, weight: Any, axis: int) -> tuple[np.ndarray, np.ndarray, int]:
    """`x`, the slopes in a shape that fits it, and the axis they lie along."""
    x, weight = operand("x", x), operand("weight", weight)
    same_dtype("weight", weight, "x", x)
    if weight.shape == (1,):
        return x, weight.reshape(()), 0
    place = axis_index("axis", axis, x.ndim)
    if weight.shape != (x.shape[place],):
        raise ValueError(f"weight has shape {weight.shape}, but x with shape {x.shape} has {x.shape[place]} channels")
    return x, weight.reshape(-1, *[1] * (x.ndim - 1 - place)), place
