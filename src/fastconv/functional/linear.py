"""The fully connected layer: every output sees every input."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from fastconv import _engine
from fastconv.functional._arrays import deliver, dense, result_buffer, same_dtype, same_shape, thread_count
from fastconv.functional._gradients import GRADIENTS, needed, out_entries, through_activation, values_or_shape
from fastconv.functional._operands import operand
from fastconv.functional.activation import activation_code

__all__ = ["linear", "linear_backward"]


def linear(
    x: Any,
    weight: Any,
    bias: Any = None,
    *,
    activation: Any = None,
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Fully connected layer, ``y[..., o] = activation(sum_i x[..., i] * weight[o, i] + bias[o])``.

    Parameters
    ----------
    x : ndarray, shape (..., in_features), float32 or float64
    weight : ndarray, shape (out_features, in_features), dtype of x
    bias : ndarray, shape (out_features,), dtype of x, optional
    activation : None, "relu", "relu6" or ("leaky_relu", slope)
        Applied to the result before it is stored.
    out : ndarray, shape (..., out_features), dtype of x, optional
        Where the result goes; it may not overlap an input.
    num_threads : int, optional

    Returns
    -------
    ndarray, shape (..., out_features), dtype of x

    Raises
    ------
    ValueError
        If the shapes do not fit, or an option is unknown.
    TypeError
        If an array is neither float32 nor float64, or types are mixed.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.linear(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0], [5.0, 6.0]]), np.array([0.5, -0.5]))
    array([[11.5, 16.5]])
    """
    x, weight = operand("x", x), operand("weight", weight)
    same_dtype("weight", weight, "x", x)
    _check_features(x.shape, weight.shape)
    if bias is not None:
        bias = operand("bias", bias)
        same_dtype("bias", bias, "x", x)
        same_shape("bias", bias, "weight", weight.shape[:1])
        bias = dense(bias)
    name, slope = (None, 0.0) if activation is None else activation_code(activation)
    shape = x.shape[:-1] + weight.shape[:1]
    y = result_buffer("out", out, shape, x.dtype, (("x", x), ("weight", weight), ("bias", bias)))
    _engine.linear_forward(_rows(dense(x)), dense(weight), bias, name, slope, _rows(y), thread_count(num_threads))
    return deliver(y, out)


def linear_backward(
    dy: Any,
    x: Any,
    weight: Any,
    *,
    needs: Collection[str] = GRADIENTS,
    activation: Any = None,
    y: Any = None,
    out: tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None] | None = None,
    num_threads: int | None = None,
) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None]:
    """Gradients of `linear` for its input, its weight and its bias.

    With ``d = dy * activation'``: ``dx = d @ weight``, ``dweight = d.T @ x``, ``dbias = d.sum(0)``, sums running
    over every leading axis.

    Parameters
    ----------
    dy : ndarray, shape (..., out_features), float32 or float64
        Gradient for the output.
    x : ndarray, shape (..., in_features), dtype of dy; or that shape as a tuple
        Its values are needed for the weight's gradient only.
    weight : ndarray, shape (out_features, in_features), dtype of dy; or that shape as a tuple
        Its values are needed for the input's gradient only.
    needs : tuple of {"x", "weight", "bias"}
        The gradients wanted.
    activation : None, "relu", "relu6" or ("leaky_relu", slope)
        What the forward pass applied; `y` is then needed.
    y : ndarray, shape of dy, dtype of dy, optional
        What the forward pass returned.
    out : tuple of three arrays or None, optional
        Where (dx, dweight, dbias) go.
    num_threads : int, optional

    Returns
    -------
    dx : ndarray, shape (..., in_features), or None
    dweight : ndarray, shape (out_features, in_features), or None
    dbias : ndarray, shape (out_features,), or None

    Raises
    ------
    ValueError
        If the shapes do not fit, an option is unknown, `y` is missing, or values are needed where a shape was given.
    TypeError
        If an array is neither float32 nor float64, or types are mixed.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> dy, x, weight = np.array([[1.0, 10.0]]), np.array([[2.0]]), np.array([[3.0], [4.0]])
    >>> fastconv.linear_backward(dy, x, weight)
    (array([[43.]]), array([[ 2.],
           [20.]]), array([ 1., 10.]))
    """
    dy = operand("dy", dy)
    wanted = needed(needs)
    outs = out_entries(out, wanted)
    x, x_shape = values_or_shape("x", x, "weight" if wanted[1] else None)
    weight, weight_shape = values_or_shape("weight", weight, "x" if wanted[0] else None)
    for name, array in (("x", x), ("weight", weight)):
        if array is not None:
            same_dtype(name, array, "dy", dy)
    _check_features(x_shape, weight_shape)
    same_shape("dy", dy, "x and weight", x_shape[:-1] + weight_shape[:1])
    taken: list[tuple[str, np.ndarray | None]] = [("dy", dy), ("x", x), ("weight", weight)]
    if activation is not None:
        dy, y = through_activation(dy, y, activation, num_threads)
        taken.append(("y", y))
    shapes = (x_shape, weight_shape, weight_shape[:1])
    buffers: list[np.ndarray | None] = []
    for index, (given, want, shape) in enumerate(zip(outs, wanted, shapes, strict=True)):
        buffers.append(result_buffer(f"out[{index}]", given, shape, dy.dtype, taken) if want else None)
        taken.append((f"out[{index}]", given))
    dx, dweight, dbias = buffers
    _engine.linear_backward(
        None if dweight is None else _rows(dense(x)),
        None if dx is None else dense(weight),
        _rows(dense(dy)),
        None if dx is None else _rows(dx),
        dweight,
        dbias,
        weight_shape[1],
        thread_count(num_threads),
    )
    if out is not None:
        dx, dweight, dbias = (b if b is None else deliver(b, o) for b, o in zip(buffers, outs, strict=True))
    return dx, dweight, dbias


def _check_features(x_shape: tuple[int, ...], weight_shape: tuple[int, ...]) -> None:
    if len(weight_shape) != 2:
        raise ValueError(f"weight has shape {weight_shape}; it must have two axes, (out_features, in_features)")
    if not x_shape or x_shape[-1] != weight_shape[1]:
        raise ValueError(f"the last axis of x (shape {x_shape}) must have in_features (={weight_shape[1]}) elements")


def _rows(array: np.ndarray) -> np.ndarray:
    """View a C-contiguous array as a matrix of its last axis."""
    if array.ndim == 2:
        return array
    rows = 1
    for n in array.shape[:-1]:
        rows *= n
    return array.reshape(rows, array.shape[-1])
