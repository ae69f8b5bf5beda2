"""PReLU: a rectifier whose slope below zero is learnt, for all channels or for each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from fastconv.functional._arrays import axis_index, deliver, dense, result_buffer, same_dtype, same_shape
from fastconv.functional._blocks import channel_pieces
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
    x, slope = _operands(x, weight, axis)
    y = result_buffer("out", out, x.shape, x.dtype, (("x", x), ("weight", slope)))
    for source, target in _pieces(slope, axis, x, y):
        below = np.minimum(source, 0)
        below *= slope
        np.maximum(source, 0, out=target)
        target += below
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
    x, slope = _operands(x, weight, axis)
    dy = operand("dy", dy)
    same_dtype("dy", dy, "x", x)
    same_shape("dy", dy, "x", x.shape)
    dx = result_buffer("out", out, x.shape, x.dtype, (("dy", dy), ("x", x), ("weight", slope)))
    dslope = np.zeros(slope.size)
    for gradient, source, target in _pieces(slope, axis, dy, x, dx):
        below = np.minimum(source, 0)
        below *= gradient
        dslope += below.sum(axis=(0, 2))
        np.multiply(gradient, slope, out=target)
        target[...] = np.where(source > 0, gradient, target)
    return deliver(dx, out), dslope.astype(x.dtype)


def _operands(x: Any, weight: Any, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """`x`, and the slopes in a shape that fits its pieces."""
    x, weight = operand("x", x), operand("weight", weight)
    same_dtype("weight", weight, "x", x)
    if weight.shape != (1,):
        place = axis_index("axis", axis, x.ndim)
        if weight.shape != (x.shape[place],):
            raise ValueError(
                f"weight has shape {weight.shape}, but x with shape {x.shape} has {x.shape[place]} channels"
            )
    return x, weight.reshape(-1, 1)


def _pieces(slope: np.ndarray, axis: int, *arrays: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    """Pieces with the channels in the middle of three axes; one slope makes one channel of everything."""
    if slope.size > 1:
        return channel_pieces(axis, *arrays)
    return channel_pieces(0, *(dense(array).reshape(1, -1) for array in arrays))
