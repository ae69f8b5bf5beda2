"""Flatten: the volume of a convolution becomes the vector a fully connected layer reads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastconv.functional._arrays import axis_index
from fastconv.functional._operands import is_shape

__all__ = ["flatten", "flatten_backward"]


def flatten(x: Any, start_dim: int = 1, end_dim: int = -1) -> np.ndarray:
    """Merge the axes from `start_dim` to `end_dim`, both included, into one.

    The default keeps the batch axis, as in ``torch.nn.Flatten``.

    Parameters
    ----------
    x : ndarray, shape (N, ...), any dtype
    start_dim, end_dim : int
        First and last axis to merge; negative ones count from the end.

    Returns
    -------
    ndarray, shape (*x.shape[:start_dim], product of the merged axes, *x.shape[end_dim + 1:])
        A view where the strides of `x` allow one, else a copy. An array without axes becomes one of shape (1,).

    Raises
    ------
    ValueError
        If an axis is out of range or `start_dim` comes after `end_dim`.
    TypeError
        If an axis is not an int.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.flatten(np.zeros((2, 16, 5, 5))).shape
    (2, 400)
    """
    x = np.asarray(x)
    if x.ndim == 0:
        return x.reshape(1)
    start = axis_index("start_dim", start_dim, x.ndim)
    end = axis_index("end_dim", end_dim, x.ndim)
    if start > end:
        raise ValueError(f"start_dim (={start_dim}) must not come after end_dim (={end_dim})")
    shape = x.shape
    return x.reshape(shape[:start] + (math.prod(shape[start : end + 1]),) + shape[end + 1 :])


def flatten_backward(dy: Any, x_shape: Sequence[int]) -> np.ndarray:
    """Gradient of `flatten` for its input: `dy` in the shape of the input.

    Parameters
    ----------
    dy : ndarray, shape of flatten(x)
    x_shape : sequence of int
        Shape of the input of `flatten`.

    Returns
    -------
    ndarray, shape x_shape

    Raises
    ------
    TypeError
        If `x_shape` is no tuple of ints.
    ValueError
        If `dy` does not have as many elements as `x_shape`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.flatten_backward(np.zeros((2, 400)), (2, 16, 5, 5)).shape
    (2, 16, 5, 5)
    """
    dy = np.asarray(dy)
    if not is_shape(x_shape):
        raise TypeError(f"x_shape (={x_shape!r}) must be a tuple of ints, the shape of flatten's input")
    shape = tuple(int(n) for n in x_shape)
    if min(shape, default=0) < 0 or dy.size != math.prod(shape):
        raise ValueError(f"dy with shape {dy.shape} does not fit x_shape (={shape})")
    return dy.reshape(shape)
