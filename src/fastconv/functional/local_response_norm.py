"""Local response normalization over neighbouring channels, forward and backward, after AlexNet."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv._arguments import number
from fastconv.functional._arrays import deliver, result_buffer, same_dtype, same_shape
from fastconv.functional._blocks import channel_pieces
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
    formula = _Formula(size, alpha, beta, k)
    y = result_buffer("out", out, x.shape, x.dtype, (("x", x),))
    for source, target in channel_pieces(axis, x, y):
        np.multiply(source, formula.factor(formula.scale(source)), out=target)
    return deliver(y, out)


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
    formula = _Formula(size, alpha, beta, k)
    dx = result_buffer("out", out, x.shape, x.dtype, (("dy", dy), ("x", x)))
    for gradient, source, target in channel_pieces(axis, dy, x, dx):
        scale = formula.scale(source)
        direct = np.multiply(gradient, formula.factor(scale))
        through = np.multiply(direct, source)
        through /= scale
        through = _window_sums(through, formula.after, formula.before)
        through *= source
        through *= 2 * formula.share * formula.beta
        np.subtract(direct, through, out=target)
    return deliver(dx, out)


class _Formula:
    """The arguments, checked, and what follows from them for a piece of shape (pixels, C, pixels)."""

    def __init__(self, size: Any, alpha: Any, beta: Any, k: Any) -> None:
        size = canonical_integer("size", size, 1)
        self.before, self.after = size // 2, (size - 1) // 2
        values = {"alpha": number("alpha", alpha), "beta": number("beta", beta), "k": number("k", k)}
        for name, value in values.items():
            if not math.isfinite(value):
                raise ValueError(f"{name} (={value}) must be finite")
        self.share = values["alpha"] / size
        self.beta, self.k = values["beta"], values["k"]

    def scale(self, x: np.ndarray) -> np.ndarray:
        s = _window_sums(np.square(x), self.before, self.after)
        s *= self.share
        s += self.k
        return s

    def factor(self, scale: np.ndarray) -> np.ndarray:
        """scale^-beta; the usual 3/4 from square roots, which are several times as fast as a power."""
        if self.beta != 0.75:
            return np.power(scale, -self.beta)
        root = np.sqrt(scale)
        power = np.sqrt(root)
        power *= root
        return np.reciprocal(power, out=power)


def _window_sums(values: np.ndarray, before: int, after: int) -> np.ndarray:
    """Sums over the channels c - before .. c + after, of which those that exist count."""
    channels = values.shape[1]
    sums = values.copy()
    for distance in range(1, min(before, channels - 1) + 1):
        sums[:, distance:] += values[:, :-distance]
    for distance in range(1, min(after, channels - 1) + 1):
        sums[:, :-distance] += values[:, distance:]
    return sums
