"""GELU: the input times the normal distribution function of the input, forward and backward.

The forward pass is the engine's. NumPy has no error function, so the gradient takes the engine's formula in NumPy:
``Phi(-t) = exp(-t^2 / 2) P(t) / Q(t)`` for t >= 0, with polynomials of positive coefficients, fitted for this purpose,
whose quotient is off by at most 7e-9 (float32) or 6e-17 (float64) of its value. Products and sums of positive numbers
keep that up to the rounding of x^2 / 2 in the negative tail, where 1 + erf loses all digits.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv.functional._blocks import elementwise
from fastconv.functional.activation import forward

__all__ = ["gelu", "gelu_backward"]

#: numerator and denominator by rising powers, and where both types have left all smaller numbers behind
_TAIL = {
    "f": (
        (0.50000000290997707572, 0.43914652383376906793, 0.18385869256178110598, 0.040841247031759306027,
         0.0041465403937157691747),
        (1.0, 1.6761780278054570673, 1.2051091054714345548, 0.47111478241107898023, 0.10237995300549508385,
         0.010393723541982006678),
        15.0,
    ),
    "d": (
        (0.49999999999999997649, 0.77485908973956007819, 0.59402215443346139367, 0.28931365657966550273,
         0.097690000820104397893, 0.023619285966344685388, 0.0040885770622321446051, 0.00049029873012971573951,
         0.000037241993382222870418, 1.3850728965491729698e-6),
        (1.0, 2.3476027402819761128, 2.5611602902367152714, 1.7142977166033804431, 0.78198353103456860841,
         0.25493434570095665281, 0.060426823388810193563, 0.010341894689648550722, 0.0012324685230425574209,
         0.000093351833613371623481, 3.4718628849254928316e-6),
        39.0,
    ),
}  # fmt: skip
_APPROXIMATIONS = ("none", "tanh")
_SQRT_2_OVER_PI = math.sqrt(2 / math.pi)
_CUBE = 0.044715


def _polynomial(coefficients: tuple[float, ...], t: np.ndarray) -> np.ndarray:
    value = np.full_like(t, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        value *= t
        value += coefficient
    return value


def _normal(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Phi(x), and exp(-x^2 / 2)."""
    numerator, denominator, end = _TAIL[x.dtype.char]
    t = np.abs(x)
    np.minimum(t, end, out=t)
    phi = _polynomial(numerator, t)
    phi /= _polynomial(denominator, t)
    bell = np.square(t, out=t)
    bell *= -0.5
    with np.errstate(under="ignore"):
        np.exp(bell, out=bell)
        phi *= bell
    np.subtract(1, phi, out=phi, where=x > 0)
    return phi, bell


def _exact_gradient(dy: np.ndarray, x: np.ndarray, out: np.ndarray) -> None:
    """Phi(x) + x phi(x)."""
    phi, bell = _normal(x)
    bell *= 1 / math.sqrt(2 * math.pi)
    bell *= x
    phi += bell
    np.multiply(dy, phi, out=out)


def _tanh_of(x: np.ndarray) -> np.ndarray:
    inner = np.square(x)
    inner *= _CUBE
    inner += 1
    inner *= x
    inner *= _SQRT_2_OVER_PI
    return np.tanh(inner, out=inner)


def _by_tanh_gradient(dy: np.ndarray, x: np.ndarray, out: np.ndarray) -> None:
    """(1 + t) / 2 + x / 2 (1 - t^2) sqrt(2 / pi) (1 + 3 c x^2)."""
    t = _tanh_of(x)
    slope = np.square(x)
    slope *= 3 * _CUBE
    slope += 1
    slope *= x
    slope *= 0.5 * _SQRT_2_OVER_PI
    slope *= 1 - t * t
    t += 1
    t *= 0.5
    slope += t
    np.multiply(dy, slope, out=out)


def approximation(approximate: Any) -> str:
    """Return the argument, once it is one of the two names."""
    if approximate not in _APPROXIMATIONS:
        raise ValueError(f'approximate (={approximate!r}) must be "none" or "tanh"')
    return str(approximate)


def gelu(
    x: Any, approximate: str = "none", *, out: np.ndarray | None = None, num_threads: int | None = None
) -> np.ndarray:
    """Gaussian error linear unit, ``y = x * Phi(x)`` with the distribution function of the normal law.

    Parameters
    ----------
    x : ndarray, any shape, float32 or float64
    approximate : {"none", "tanh"}
        "tanh" is ``x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))``.
    out : ndarray, shape of x, dtype of x, optional
        Where the result goes; `x` itself is allowed.
    num_threads : int, optional

    Returns
    -------
    ndarray, shape of x, dtype of x
        "none" is exact up to rounding, also in the negative tail.

    Raises
    ------
    TypeError
        If `x` or `out` has another element type.
    ValueError
        If `approximate` is another word, or `out` has another shape, is read-only or partly overlaps `x`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.gelu(np.array([-1.0, 0.0, 2.0])).round(6)
    array([-0.158655,  0.      ,  1.9545  ])
    """
    name = "gelu" if approximation(approximate) == "none" else "gelu_tanh"
    return forward(name, 0.0, x, out, num_threads)


def gelu_backward(dy: Any, x: Any, approximate: str = "none", *, out: np.ndarray | None = None) -> np.ndarray:
    """Gradient of `gelu` for its input, ``dx = dy * (Phi(x) + x * phi(x))``.

    Parameters
    ----------
    dy : ndarray, any shape, float32 or float64
        Gradient for the output.
    x : ndarray, shape of dy, dtype of dy
        The input of the forward call.
    approximate : {"none", "tanh"}
        As given to `gelu`.
    out : ndarray, shape of dy, dtype of dy, optional
        Where the result goes; `dy` or `x` itself is allowed.

    Returns
    -------
    ndarray, shape of dy, dtype of dy

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.gelu_backward(np.array([2.0]), np.array([0.0])).round(6)
    array([1.])
    """
    formula = _exact_gradient if approximation(approximate) == "none" else _by_tanh_gradient
    return elementwise(formula, [("dy", dy), ("x", x)], out)
