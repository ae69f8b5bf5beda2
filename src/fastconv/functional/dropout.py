"""Dropout, inverted: what is kept is scaled up in training, so that nothing changes at prediction."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv._arguments import number
from fastconv.functional._arrays import deliver, result_buffer, same_shape
from fastconv.functional._blocks import BLOCK
from fastconv.functional._operands import operand

__all__ = ["dropout", "dropout_backward"]


def _probability(p: Any) -> float:
    probability = number("p", p)
    if not 0 <= probability <= 1:
        raise ValueError(f"p (={p}) must lie in 0..1")
    return probability


def _scaled(x: np.ndarray, mask: np.ndarray, p: float, y: np.ndarray) -> np.ndarray:
    np.multiply(x, mask, out=y)
    if 0 < p < 1:
        y *= x.dtype.type(1 / (1 - p))
    return y


def dropout(
    x: Any, p: float, rng: np.random.Generator, *, out: tuple[np.ndarray, np.ndarray] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Zero each element with probability `p` and scale the others by ``1 / (1 - p)``.

    Parameters
    ----------
    x : ndarray, any shape, float32 or float64
    p : float
        Probability of dropping an element, 0..1.
    rng : numpy.random.Generator
        Source of the mask; one seed gives one mask, whatever the dtype of `x`.
    out : tuple of ndarray, optional
        Where y and mask go: shape of x, dtype of x and bool.

    Returns
    -------
    y : ndarray, shape of x, dtype of x
        ``x * mask / (1 - p)``; all zero if p is 1.
    mask : ndarray, shape of x, bool
        True where the element was kept.

    Raises
    ------
    ValueError
        If `p` is outside 0..1.
    TypeError
        If `x` has another element type or `rng` is not a Generator.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> y, mask = fastconv.dropout(np.ones(1000), 0.25, np.random.default_rng(0))
    >>> sorted(set(y.round(3).tolist()))
    [0.0, 1.333]
    >>> bool((mask == (y > 0)).all())
    True
    """
    x = operand("x", x)
    p = _probability(p)
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng (={rng!r}) must be a numpy.random.Generator, e.g. numpy.random.default_rng(0)")
    if out is not None and (not isinstance(out, tuple) or len(out) != 2):
        raise TypeError(f"out (={out!r}) must be a tuple of two arrays, for y and mask")
    y_out, mask_out = (None, None) if out is None else out
    y = result_buffer("out[0]", y_out, x.shape, x.dtype, (("x", x),), in_place=True)
    mask = result_buffer("out[1]", mask_out, x.shape, np.dtype(np.bool_), (("x", x), ("out[0]", y_out)))
    flat = mask.reshape(-1)
    for start in range(0, flat.size, BLOCK):
        block = flat[start : start + BLOCK]
        np.greater_equal(rng.random(block.size, dtype=np.float32), p, out=block)
    return deliver(_scaled(x, mask, p, y), y_out), deliver(mask, mask_out)


def dropout_backward(dy: Any, mask: Any, p: float, *, out: np.ndarray | None = None) -> np.ndarray:
    """Gradient of `dropout` for its input, ``dx = dy * mask / (1 - p)``.

    Parameters
    ----------
    dy : ndarray, any shape, float32 or float64
        Gradient for the output.
    mask : ndarray, shape of dy, bool
        The mask that `dropout` returned.
    p : float
        The probability that `dropout` was given.
    out : ndarray, shape of dy, dtype of dy, optional
        Where the result goes; `dy` itself is allowed.

    Returns
    -------
    ndarray, shape of dy, dtype of dy

    Raises
    ------
    ValueError
        If `p` is outside 0..1 or the shapes differ.
    TypeError
        If `dy` has another element type or `mask` is not bool.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.dropout_backward(np.array([1.0, 1.0]), np.array([True, False]), 0.5)
    array([2., 0.])
    """
    dy = operand("dy", dy)
    mask = np.asarray(mask)
    if mask.dtype != np.bool_:
        raise TypeError(f"mask has dtype {mask.dtype}; pass the bool mask that dropout returned")
    same_shape("mask", mask, "dy", dy.shape)
    dx = result_buffer("out", out, dy.shape, dy.dtype, (("dy", dy), ("mask", mask)), in_place=True)
    return deliver(_scaled(dy, mask, _probability(p), dx), out)
