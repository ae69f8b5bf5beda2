"""Smooth activations and their piecewise relatives: sigmoid, tanh, SiLU, hard sigmoid, hard swish, with gradients.

The gradients of sigmoid and tanh are read off the output, those of the others need the input.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.functional._blocks import elementwise
from fastconv.functional.activation import forward

__all__ = [
    "hardsigmoid",
    "hardsigmoid_backward",
    "hardswish",
    "hardswish_backward",
    "sigmoid",
    "sigmoid_backward",
    "silu",
    "silu_backward",
    "tanh",
    "tanh_backward",
]


def _exp_minus(x: np.ndarray) -> np.ndarray:
    """1 + exp(-x), which is infinite where the sigmoid is 0."""
    e = np.negative(x)
    with np.errstate(over="ignore"):
        np.exp(e, out=e)
    e += 1
    return e


def _sigmoid_gradient(dy: np.ndarray, y: np.ndarray, out: np.ndarray) -> None:
    slope = np.subtract(1, y)
    slope *= y
    np.multiply(dy, slope, out=out)


def _tanh_gradient(dy: np.ndarray, y: np.ndarray, out: np.ndarray) -> None:
    slope = np.multiply(y, y)
    np.subtract(1, slope, out=slope)
    np.multiply(dy, slope, out=out)


def _silu_gradient(dy: np.ndarray, x: np.ndarray, out: np.ndarray) -> None:
    """s (1 + x (1 - s)) with s = sigmoid(x)."""
    s = np.reciprocal(_exp_minus(x))
    slope = np.subtract(1, s)
    slope *= x
    slope += 1
    slope *= s
    np.multiply(dy, slope, out=out)


def _hardsigmoid_gradient(dy: np.ndarray, x: np.ndarray, out: np.ndarray) -> None:
    inside = (x > -3) & (x < 3)
    np.multiply(dy, dy.dtype.type(1 / 6), out=out)
    out *= inside


def _hardswish_gradient(dy: np.ndarray, x: np.ndarray, out: np.ndarray) -> None:
    """0 up to -3, x/3 + 1/2 between, 1 from 3 on."""
    slope = np.multiply(x, x.dtype.type(1 / 3))
    slope += 0.5
    slope[x <= -3] = 0
    slope[x >= 3] = 1
    np.multiply(dy, slope, out=out)


def sigmoid(x: Any, *, out: np.ndarray | None = None, num_threads: int | None = None) -> np.ndarray:
    """Logistic sigmoid, ``y = 1 / (1 + exp(-x))``, element by element.

    Parameters
    ----------
    x : ndarray, any shape, float32 or float64
    out : ndarray, shape of x, dtype of x, optional
        Where the result goes; `x` itself is allowed.
    num_threads : int, optional

    Returns
    -------
    ndarray, shape of x, dtype of x

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
    >>> fastconv.sigmoid(np.array([-np.inf, 0.0, np.log(3.0)])).round(6)
    array([0.  , 0.5 , 0.75])
    """
    return forward("sigmoid", 0.0, x, out, num_threads)


def sigmoid_backward(dy: Any, y: Any, *, out: np.ndarray | None = None) -> np.ndarray:
    """Gradient of `sigmoid` for its input, ``dx = dy * y * (1 - y)``.

    Parameters
    ----------
    dy : ndarray, any shape, float32 or float64
        Gradient for the output.
    y : ndarray, shape of dy, dtype of dy
        What `sigmoid` returned.
    out : ndarray, shape of dy, dtype of dy, optional
        Where the result goes; `dy` or `y` itself is allowed.

    Returns
    -------
    ndarray, shape of dy, dtype of dy

    Raises
    ------
    TypeError, ValueError
        As `sigmoid`, and if the shapes or types of `dy` and `y` differ.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.sigmoid_backward(np.array([4.0]), np.array([0.5]))
    array([1.])
    """
    return elementwise(_sigmoid_gradient, [("dy", dy), ("y", y)], out)


def tanh(x: Any, *, out: np.ndarray | None = None, num_threads: int | None = None) -> np.ndarray:
    """Hyperbolic tangent, element by element; arguments as of `sigmoid`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.tanh(np.array([0.0, np.log(3.0)])).round(6)
    array([0. , 0.8])
    """
    return forward("tanh", 0.0, x, out, num_threads)


def tanh_backward(dy: Any, y: Any, *, out: np.ndarray | None = None) -> np.ndarray:
    """Gradient of `tanh` for its input, ``dx = dy * (1 - y^2)``; arguments as of `sigmoid_backward`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.tanh_backward(np.array([4.0]), np.array([0.5]))
    array([3.])
    """
    return elementwise(_tanh_gradient, [("dy", dy), ("y", y)], out)


def silu(x: Any, *, out: np.ndarray | None = None, num_threads: int | None = None) -> np.ndarray:
    """SiLU, also called swish, ``y = x * sigmoid(x)``, element by element; arguments as of `sigmoid`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.silu(np.array([0.0, 2.0])).round(4)
    array([0.    , 1.7616])
    """
    return forward("silu", 0.0, x, out, num_threads)


def silu_backward(dy: Any, x: Any, *, out: np.ndarray | None = None) -> np.ndarray:
    """Gradient of `silu` for its input, ``dx = dy * s * (1 + x * (1 - s))`` with ``s = sigmoid(x)``.

    Parameters
    ----------
    dy : ndarray, any shape, float32 or float64
        Gradient for the output.
    x : ndarray, shape of dy, dtype of dy
        The input of the forward call.
    out : ndarray, shape of dy, dtype of dy, optional
        Where the result goes; `dy` or `x` itself is allowed.

    Returns
    -------
    ndarray, shape of dy, dtype of dy

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.silu_backward(np.array([2.0]), np.array([0.0]))
    array([1.])
    """
    return elementwise(_silu_gradient, [("dy", dy), ("x", x)], out)


def hardsigmoid(x: Any, *, out: np.ndarray | None = None, num_threads: int | None = None) -> np.ndarray:
    """Hard sigmoid, ``y = min(max(x + 3, 0), 6) / 6``, element by element; arguments as of `sigmoid`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.hardsigmoid(np.array([-4.0, 0.0, 4.0]))
    array([0. , 0.5, 1. ])
    """
    return forward("hardsigmoid", 0.0, x, out, num_threads)


def hardsigmoid_backward(dy: Any, x: Any, *, out: np.ndarray | None = None) -> np.ndarray:
    """Gradient of `hardsigmoid`, ``dx = dy / 6 where -3 < x < 3, else 0``; arguments as of `silu_backward`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.hardsigmoid_backward(np.array([6.0, 6.0]), np.array([0.0, 4.0]))
    array([1., 0.])
    """
    return elementwise(_hardsigmoid_gradient, [("dy", dy), ("x", x)], out)


def hardswish(x: Any, *, out: np.ndarray | None = None, num_threads: int | None = None) -> np.ndarray:
    """Hard swish, ``y = x * hardsigmoid(x)``, element by element; arguments as of `sigmoid`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.hardswish(np.array([-4.0, 1.5, 4.0]))
    array([-0.   ,  1.125,  4.   ])
    """
    return forward("hardswish", 0.0, x, out, num_threads)


def hardswish_backward(dy: Any, x: Any, *, out: np.ndarray | None = None) -> np.ndarray:
    """Gradient of `hardswish`: `dy` times 0 up to -3, x/3 + 1/2 between, 1 from 3 on; arguments as of `silu_backward`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.hardswish_backward(np.array([1.0, 1.0]), np.array([0.0, 4.0]))
    array([0.5, 1. ])
    """
    return elementwise(_hardswish_gradient, [("dy", dy), ("x", x)], out)
