"""Layer normalization: elements of the last axes less their mean, by their deviation."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv import _engine
from fastconv._arguments import number
from fastconv.functional._arrays import deliver, dense, result_buffer, same_dtype, same_shape, thread_count
from fastconv.functional._operands import checked_out, operand
from fastconv.geometry import canonical_integer

__all__ = ["layer_norm", "prepare_layer_norm"]


def layer_norm(
    x: Any,
    axis: int,
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
    *,
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Layer normalization over all axes from `axis` on, ``y = (x - mean) / sqrt(var + eps) * weight + bias``.

    Parameters
    ----------
    x : ndarray, float32 or float64
    axis : int, from 0 to x.ndim
    weight, bias : ndarray, shape x.shape[axis:], dtype of x, optional
        1 and 0 where they are not given.
    eps : float
    out : ndarray, shape of x, dtype of x, optional
        Where the result goes; `x` itself is allowed.
    num_threads : int, optional

    Returns
    -------
    y : ndarray, shape of x, dtype of x
    mean, inverse : ndarray, shape x.shape[:axis], dtype of x
        The means, and ``1 / sqrt(var + eps)``.

    Raises
    ------
    ValueError
        If shapes or `axis` do not fit, or `out` overlaps `weight` or `bias`.
    TypeError
        If an array is neither float32 nor float64, or types are mixed.

    Examples
    --------
    >>> import numpy as np
    >>> y, mean, inverse = layer_norm(np.array([[1.0, 3.0], [5.0, 9.0]]), 1, eps=0.0)
    >>> y, mean, inverse
    (array([[-1.,  1.],
           [-1.,  1.]]), array([2., 7.]), array([1. , 0.5]))
    """
    x = operand("x", x)
    axis = canonical_integer("axis", axis, 0)
    if axis > x.ndim:
        raise ValueError(f"axis (={axis}) must be at most {x.ndim}, the axes of x")
    eps = number("eps", eps)
    given: list[np.ndarray | None] = []
    coefficients: list[np.ndarray | None] = []
    for name, value in (("weight", weight), ("bias", bias)):
        array = None if value is None else operand(name, value)
        given.append(array)
        if array is not None:
            same_dtype(name, array, "x", x)
            same_shape(name, array, "x", x.shape[axis:])
        coefficients.append(None if array is None else dense(array))
    y = result_buffer("out", out, x.shape, x.dtype, (("x", x),), in_place=True)
    if out is not None:
        checked_out("out", out, x.shape, x.dtype, (("weight", given[0]), ("bias", given[1])))
    mean, inverse = (np.empty(x.shape[:axis], x.dtype) for _ in range(2))
    rows, count = math.prod(x.shape[:axis]), math.prod(x.shape[axis:])
    _engine.layer_norm(rows, count, eps, dense(x), *coefficients, y, mean, inverse, thread_count(num_threads))
    return deliver(y, out), mean, inverse


def prepare_layer_norm(
    shape: tuple[int, ...], axis: int, weight: np.ndarray | None, bias: np.ndarray | None, eps: float
) -> Callable[..., None]:
    """``run(x, out)`` as `layer_norm` without the statistics, for dense arrays that are known to fit."""
    rows, count = math.prod(shape[:axis]), math.prod(shape[axis:])

    def run(x: np.ndarray, out: np.ndarray) -> None:
        _engine.layer_norm(rows, count, eps, x, weight, bias, out, None, None)

    return run
