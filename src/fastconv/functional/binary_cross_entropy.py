"""Binary cross-entropy of scores, for outputs that are each a yes or no: pixels, real or generated."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.functional._arrays import same_dtype, same_shape
from fastconv.functional._blocks import elementwise
from fastconv.functional._operands import operand
from fastconv.functional.smooth import sigmoid

__all__ = ["binary_cross_entropy_with_logits", "binary_cross_entropy_with_logits_backward"]


def binary_cross_entropy_with_logits(logits: Any, targets: Any, reduction: str = "mean") -> float | np.ndarray:
    """Cross-entropy of ``p = sigmoid(logits)``, ``loss = -t log(p) - (1 - t) log(1 - p)``, element by element.

    Parameters
    ----------
    logits : ndarray, any shape, float32 or float64
        Scores, not probabilities.
    targets : ndarray, shape of logits, dtype of logits
        Probabilities, 0..1.
    reduction : {"mean", "sum", "none"}
        What becomes of the losses of the elements. The mean of none is NaN.

    Returns
    -------
    float, or ndarray, shape of logits, for "none"

    Raises
    ------
    TypeError
        If types are not float32 or float64 or are mixed.
    ValueError
        If the shapes differ or `reduction` is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> round(fastconv.binary_cross_entropy_with_logits(np.array([0.0, 2.0]), np.array([1.0, 1.0])), 4)
    0.41
    """
    check_reduction(reduction)
    losses = elementwise(_losses, [("logits", logits), ("targets", targets)], None)
    return reduced(losses, losses.size, reduction)


def binary_cross_entropy_with_logits_backward(logits: Any, targets: Any, reduction: str = "mean") -> np.ndarray:
    """Gradient of `binary_cross_entropy_with_logits` for the logits, ``sigmoid(logits) - targets``, over n for "mean".

    Parameters
    ----------
    logits, targets, reduction
        As given to `binary_cross_entropy_with_logits`.

    Returns
    -------
    ndarray, shape of logits, dtype of logits

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.binary_cross_entropy_with_logits_backward(np.array([0.0]), np.array([1.0]))
    array([-0.5])
    """
    check_reduction(reduction)
    logits, targets = operand("logits", logits), operand("targets", targets)
    same_dtype("targets", targets, "logits", logits)
    same_shape("targets", targets, "logits", logits.shape)
    gradient = sigmoid(logits)
    gradient -= targets
    if reduction == "mean":
        gradient /= max(1, gradient.size)
    return gradient


def _losses(x: np.ndarray, t: np.ndarray, out: np.ndarray) -> None:
    """max(x, 0) - t x + log(1 + exp(-|x|)), which neither overflows nor cancels."""
    tail = np.abs(x)
    np.negative(tail, out=tail)
    np.exp(tail, out=tail)
    np.log1p(tail, out=tail)
    tail += np.maximum(x, 0)
    tail -= t * x
    out[...] = tail


def check_reduction(reduction: Any) -> None:
    """Raise ValueError unless `reduction` is one of the three words."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f'reduction (={reduction!r}) must be "mean", "sum" or "none"')


def reduced(losses: np.ndarray, count: int, reduction: str) -> float | np.ndarray:
    """The losses, their sum, or their sum over `count`."""
    if reduction == "none":
        return losses
    total = float(losses.sum(dtype=np.float64))
    if reduction == "sum":
        return total
    return total / count if count else float("nan")
