"""Activations: the rectifier and its relatives, forward and backward.

The gradient is read off the forward's *output*, so a layer keeps one array and the activation may be fused into
the operation before it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv import _engine
from fastconv.functional._arrays import deliver, dense, result_buffer, same_dtype, same_shape, thread_count
from fastconv.functional._operands import operand

__all__ = ["relu", "relu_backward"]


def activation_code(activation: Any) -> tuple[str | None, float]:
    """Return the name and the parameter that the engine takes for an `activation=` argument.

    Parameters
    ----------
    activation : None, str or tuple
        None, ``"relu"``, ``"relu6"``, or ``("leaky_relu", slope)``.

    Raises
    ------
    ValueError
        If the name is unknown or the slope is not finite.
    TypeError
        If the argument has another form.
    """
    if activation is None or isinstance(activation, str):
        name, slope = activation, 0.0
        if name == "leaky_relu":
            raise ValueError('activation (="leaky_relu") needs its slope: ("leaky_relu", 0.01)')
    elif isinstance(activation, tuple) and len(activation) == 2 and activation[0] == "leaky_relu":
        name, slope = activation[0], activation[1]
        if isinstance(slope, bool) or not isinstance(slope, (int, float, np.integer, np.floating)):
            raise TypeError(f"activation (={activation!r}): the slope must be a number")
        try:
            slope = float(slope)
        except OverflowError:
            slope = math.inf
        if not math.isfinite(slope):
            raise ValueError(f"activation (={activation!r}): the slope must be finite")
    else:
        raise TypeError(f'activation (={activation!r}) must be None, "relu", "relu6" or ("leaky_relu", slope)')
    if name not in _engine.ACTIVATIONS:
        raise ValueError(f'activation (={name!r}) must be None, "relu", "relu6" or ("leaky_relu", slope)')
    return name, slope


def activate(x: Any, activation: Any, *, out: np.ndarray | None = None, num_threads: int | None = None) -> np.ndarray:
    """Apply an activation given as in ``activation=``; see `relu` for the other arguments."""
    return forward(*activation_code(activation), x, out, num_threads)


def activation_backward(
    dy: Any, y: Any, activation: Any, *, out: np.ndarray | None = None, num_threads: int | None = None
) -> np.ndarray:
    """Return ``dy * activation'`` with the derivative read off the forward's output `y`; see `relu_backward`.

    A leaky rectifier with a negative slope folds the axis, so its output does not tell the sign of its input:
    that is a ValueError.
    """
    name, slope = activation_code(activation)
    if slope < 0:
        raise ValueError(f"activation (={activation!r}): the gradient needs a slope of at least 0")
    return _backward(name, slope, dy, y, out, num_threads)


def prepare_activation(activation: Any) -> Callable[[np.ndarray, np.ndarray], None]:
    """``run(x, out)`` of an activation, or of a smooth function by its name, for dense arrays that are known to fit."""
    name, slope = (activation, 0.0) if activation in _engine.SMOOTH else activation_code(activation)
    return lambda x, out: _engine.activation_forward(name, slope, x, out)


def forward(name: str | None, slope: float, x: Any, out: np.ndarray | None, num_threads: int | None) -> np.ndarray:
    """Apply an activation, or a smooth function, by the engine's name of it."""
    x = operand("x", x)
    y = result_buffer("out", out, x.shape, x.dtype, (("x", x),), in_place=True)
    _engine.activation_forward(name, slope, dense(x), y, thread_count(num_threads))
    return deliver(y, out)


def _backward(
    name: str | None, slope: float, dy: Any, y: Any, out: np.ndarray | None, num_threads: int | None
) -> np.ndarray:
    dy = operand("dy", dy)
    y = operand("y", y)
    same_dtype("dy", dy, "y", y)
    same_shape("dy", dy, "y", y.shape)
    dx = result_buffer("out", out, y.shape, y.dtype, (("dy", dy), ("y", y)), in_place=True)
    _engine.activation_backward(name, slope, dense(y), dense(dy), dx, thread_count(num_threads))
    return deliver(dx, out)


def relu(x: Any, *, out: np.ndarray | None = None, num_threads: int | None = None) -> np.ndarray:
    """Rectified linear unit, ``y = max(x, 0)``, element by element.

    Parameters
    ----------
    x : ndarray, any shape, float32 or float64
    out : ndarray, shape of x, dtype of x, optional
        Where the result goes; `x` itself is allowed.
    num_threads : int, optional

    Returns
    -------
    ndarray, shape of x, dtype of x
        NaN stays NaN.

    Raises
    ------
    TypeError
        If `x` or `out` has another element type.
    ValueError
        If `out` has another shape, is read-only or partly overlaps `x`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.relu(np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 2.])
    """
    return forward("relu", 0.0, x, out, num_threads)


def relu_backward(dy: Any, y: Any, *, out: np.ndarray | None = None, num_threads: int | None = None) -> np.ndarray:
    """Gradient of `relu` for its input, ``dx = dy where y > 0, else 0``.

    Parameters
    ----------
    dy : ndarray, any shape, float32 or float64
        Gradient for the output.
    y : ndarray, shape of dy, dtype of dy
        What `relu` returned (its input serves as well: the sign is the same).
    out : ndarray, shape of dy, dtype of dy, optional
        Where the result goes; `dy` or `y` itself is allowed.
    num_threads : int, optional

    Returns
    -------
    ndarray, shape of dy, dtype of dy

    Raises
    ------
    TypeError
        If an argument is neither float32 nor float64, or types are mixed.
    ValueError
        If the shapes differ or `out` does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.relu_backward(np.array([5.0, 6.0, 7.0]), np.array([0.0, 0.0, 2.0]))
    array([0., 0., 7.])
    """
    return _backward("relu", 0.0, dy, y, out, num_threads)
