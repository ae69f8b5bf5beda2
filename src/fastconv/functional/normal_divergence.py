"""How far normal distributions are from the standard one: the regulariser of variational autoencoders."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.functional._arrays import same_dtype, same_shape
from fastconv.functional._operands import operand
from fastconv.functional.binary_cross_entropy import check_reduction, reduced

__all__ = ["normal_divergence", "normal_divergence_backward"]


def normal_divergence(mean: Any, logvar: Any, reduction: str = "mean") -> float | np.ndarray:
    """Kullback-Leibler divergence from N(0, 1) to N(mean, exp(logvar)), added up over the features of an example.

    ``loss[n] = sum_j (mean[n, j]^2 + exp(logvar[n, j]) - logvar[n, j] - 1) / 2``

    Parameters
    ----------
    mean : ndarray, shape (N, ...), float32 or float64
    logvar : ndarray, shape of mean, dtype of mean
        Logarithms of the variances.
    reduction : {"mean", "sum", "none"}
        What becomes of the losses of the examples. The mean of none is NaN.

    Returns
    -------
    float, or ndarray, shape (N,), for "none"

    Raises
    ------
    TypeError
        If types are not float32 or float64 or are mixed.
    ValueError
        If the shapes differ, there is no batch axis, or `reduction` is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.normal_divergence(np.array([[1.0, 2.0]]), np.zeros((1, 2)))
    2.5
    """
    check_reduction(reduction)
    mean, logvar = _operands(mean, logvar)
    terms = np.square(mean)
    terms += np.exp(logvar)
    terms -= logvar
    terms -= 1
    terms *= 0.5
    losses = terms.sum(axis=tuple(range(1, terms.ndim)))
    return reduced(losses, len(losses), reduction)


def normal_divergence_backward(mean: Any, logvar: Any, reduction: str = "mean") -> tuple[np.ndarray, np.ndarray]:
    """Gradients of `normal_divergence`: ``mean`` and ``(exp(logvar) - 1) / 2``, over N for "mean".

    Parameters
    ----------
    mean, logvar, reduction
        As given to `normal_divergence`.

    Returns
    -------
    dmean, dlogvar : ndarray, shape of mean, dtype of mean

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.normal_divergence_backward(np.array([[1.0, 2.0]]), np.zeros((1, 2)))
    (array([[1., 2.]]), array([[0., 0.]]))
    """
    check_reduction(reduction)
    mean, logvar = _operands(mean, logvar)
    share = 1 / max(1, len(mean)) if reduction == "mean" else 1.0
    dlogvar = np.expm1(logvar)
    dlogvar *= 0.5 * share
    return mean * mean.dtype.type(share), dlogvar


def _operands(mean: Any, logvar: Any) -> tuple[np.ndarray, np.ndarray]:
    mean, logvar = operand("mean", mean), operand("logvar", logvar)
    same_dtype("logvar", logvar, "mean", mean)
    same_shape("logvar", logvar, "mean", mean.shape)
    if mean.ndim < 1:
        raise ValueError("mean must have a batch axis")
    return mean, logvar
