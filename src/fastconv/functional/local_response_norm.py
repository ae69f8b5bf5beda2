"""Local response normalization over neighbouring channels, forward and backward, after AlexNet."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv import _engine
from fastconv._arguments import number
from fastconv.functional._arrays import axis_index, deliver, dense, result_buffer, same_dtype, same_shape, thread_count
from fastconv.functional._operands import operand
from fastconv.geometry import canonical_integer

__all__ = ["local_response_norm", "local_response_norm_backward"]


def local_response_norm(
    x: Any,
    size: int,
    alpha: float = 1e-4,
    beta: float = 0.75,
    k: float = 1.0,
    *,
    axis: int = 1,
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Divide each element by what its neighbours in other channels say, ``y[c] = x[c] / s[c]^beta``.

    ``s[c] = k + alpha / size * sum_j x[j]^2`` over channels ``c - size // 2 <= j <= c + (size - 1) // 2`` there are.

    Parameters
    ----------
    x : ndarray, shape (N, C, ...), float32 or float64
    size : int
        Channels of a neighbourhood.
    alpha, beta, k : float
        As in PyTorch: `alpha` is divided by `size`. AlexNet's paper does not divide: its 1e-4 is 5e-4 here.
    axis : int
        The axis of the channels: -1 for channels last.
    out : ndarray, shape of x, dtype of x, optional
    num_threads : int, optional

    Returns
    -------
    ndarray, shape of x, dtype of x

    Raises
    ------
    TypeError
        If an argument has another type.
    ValueError
        If `size` is below 1, a number is not finite, there is no such axis, or `out` does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.local_response_norm(np.ones((1, 3)), 3, alpha=3.0, beta=1.0, k=0.0).round(4)
    array([[0.5   , 0.3333, 0.5   ]])
    """
    x = operand("x", x)
    return _run(x, None, size, alpha, beta, k, axis, out, num_threads)


def local_response_norm_backward(
    dy: Any,
    x: Any,
    size: int,
    alpha: float = 1e-4,
    beta: float = 0.75,
    k: float = 1.0,
    *,
    axis: int = 1,
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Gradient of `local_response_norm` for its input.

    ``dx[c] = dy[c] s[c]^-beta - 2 alpha beta / size * x[c] * sum_i dy[i] x[i] s[i]^(-beta - 1)`` over the channels i
    whose neighbourhood holds c.

    Parameters
    ----------
    dy : ndarray, shape of x, dtype of x
        Gradient for the output.
    x, size, alpha, beta, k, axis
        As given to `local_response_norm`.
    out : ndarray, shape of x, dtype of x, optional
    num_threads : int, optional

    Returns
    -------
    ndarray, shape of x, dtype of x

    Raises
    ------
    TypeError, ValueError
        As `local_response_norm`, and if `dy` has another shape or type than `x`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.local_response_norm_backward(np.ones((1, 1)), np.ones((1, 1)), 1, alpha=1.0, beta=1.0)
    array([[0.]])
    """
    x, dy = operand("x", x), operand("dy", dy)
    same_dtype("dy", dy, "x", x)
    same_shape("dy", dy, "x", x.shape)
    return _run(x, dy, size, alpha, beta, k, axis, out, num_threads)


def _run(
    x: np.ndarray,
    dy: np.ndarray | None,
    size: Any,
    alpha: Any,
    beta: Any,
    k: Any,
    axis: int,
    out: np.ndarray | None,
    num_threads: int | None,
) -> np.ndarray:
    size = canonical_integer("size", size, 1)
    values = {"alpha": number("alpha", alpha), "beta": number("beta", beta), "k": number("k", k)}
    for name, value in values.items():
        if not math.isfinite(value):
            raise ValueError(f"{name} (={value}) must be finite")
    place = axis_index("axis", axis, x.ndim)
    volume = (math.prod(x.shape[:place]), x.shape[place], math.prod(x.shape[place + 1 :]))
    y = result_buffer("out", out, x.shape, x.dtype, (("dy", dy), ("x", x)))
    _engine.local_response(
        volume,
        min(size, 2 * volume[1] + 1),
        values["alpha"] / size,
        values["beta"],
        values["k"],
        dense(x),
        None if dy is None else dense(dy),
        y,
        thread_count(num_threads),
    )
    return deliver(y, out)
