"""Losses with their gradients: softmax with cross-entropy for classification, mean squared error for regression."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv import _engine
from fastconv._arguments import number
from fastconv.functional._arrays import dense, same_dtype, same_shape, thread_count
from fastconv.functional._operands import operand
from fastconv.functional.softmax import softmax

__all__ = [
    "cross_entropy",
    "cross_entropy_backward",
    "mse_loss",
    "mse_loss_backward",
    "softmax_cross_entropy",
]

_INT64 = np.dtype(np.int64)


def cross_entropy(
    logits: Any, labels: Any, *, reduction: str = "mean", label_smoothing: float = 0.0, num_threads: int | None = None
) -> float | np.ndarray:
    """Cross-entropy of the softmax of `logits`, ``loss[n] = log(sum_c exp(logits[n, c])) - logits[n, labels[n]]``.

    Parameters
    ----------
    logits : ndarray, shape (N, C, ...) or (C,), float32 or float64
        Scores, not probabilities; further axes (a segmentation's rows and columns) follow the class axis.
    labels : ndarray, shape (N, ...) or (), any integer type; or shape of logits, dtype of logits
        The class of each example, 0..C-1; or for each example the probability of every class, which gives
        ``loss[n] = -sum_c labels[n, c] * log_softmax(logits)[n, c]``.
    reduction : {"mean", "sum", "none"}
        What becomes of the losses of the examples. The mean of none is NaN.
    label_smoothing : float
        The share 0..1 of each example's probability that is spread over all classes alike.
    num_threads : int, optional

    Returns
    -------
    float, or ndarray, shape (N, ...), dtype of logits, for "none"

    Raises
    ------
    ValueError
        If the shapes do not fit, a label is outside 0..C-1, or `reduction` is unknown.
    TypeError
        If `logits` is neither float32 nor float64, or `labels` is neither integer nor of its type.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> logits = np.array([[2.0, 0.0], [0.0, 0.0]])
    >>> round(fastconv.cross_entropy(logits, np.array([0, 1])), 4)
    0.41
    """
    return _loss_and_gradient(logits, labels, reduction, False, None, num_threads, label_smoothing)[0]


def cross_entropy_backward(
    logits: Any,
    labels: Any,
    *,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    dloss: Any = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Gradient of `cross_entropy` for the logits, ``(softmax(logits) - onehot(labels)) * dloss``, over N for "mean".

    Parameters
    ----------
    logits, labels, reduction, label_smoothing, num_threads
        As given to `cross_entropy`.
    dloss : float, or ndarray, shape (N, ...), for "none", optional
        Gradient for the loss; 1 if not given.

    Returns
    -------
    ndarray, shape of logits, dtype of logits

    Raises
    ------
    ValueError, TypeError
        As `cross_entropy`, and if `dloss` has another shape than the loss.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.cross_entropy_backward(np.array([[0.0, 0.0]]), np.array([1]))
    array([[ 0.5, -0.5]])
    """
    gradient = _loss_and_gradient(logits, labels, reduction, True, dloss, num_threads, label_smoothing)[1]
    assert gradient is not None
    return gradient


def softmax_cross_entropy(
    logits: Any, labels: Any, reduction: str = "mean", *, label_smoothing: float = 0.0, num_threads: int | None = None
) -> tuple[float | np.ndarray, np.ndarray]:
    """Return `cross_entropy` and `cross_entropy_backward` of one pass over the logits.

    Parameters
    ----------
    logits, labels, reduction, label_smoothing, num_threads
        As for `cross_entropy`.

    Returns
    -------
    loss : float, or ndarray, shape (N, ...), for "none"
    dlogits : ndarray, shape of logits, dtype of logits

    Raises
    ------
    ValueError, TypeError
        As `cross_entropy`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> loss, dlogits = fastconv.softmax_cross_entropy(np.array([[0.0, 0.0]]), np.array([1]))
    >>> round(loss, 4), dlogits
    (0.6931, array([[ 0.5, -0.5]]))
    """
    loss, gradient = _loss_and_gradient(logits, labels, reduction, True, None, num_threads, label_smoothing)
    assert gradient is not None
    return loss, gradient


def mse_loss(x: Any, target: Any, reduction: str = "mean") -> float | np.ndarray:
    """Squared error, ``(x - target)**2``, averaged over all elements.

    Parameters
    ----------
    x : ndarray, any shape, float32 or float64
    target : ndarray, shape of x, dtype of x
    reduction : {"mean", "sum", "none"}
        What becomes of the elements' errors. The mean of none is NaN.

    Returns
    -------
    float, or ndarray, shape of x, dtype of x, for "none"

    Raises
    ------
    ValueError
        If the shapes differ (nothing is broadcast) or `reduction` is unknown.
    TypeError
        If an argument is neither float32 nor float64, or types are mixed.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.mse_loss(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    2.0
    """
    difference = _difference(x, target, reduction)
    return _reduce(np.multiply(difference, difference, out=difference), reduction)


def mse_loss_backward(x: Any, target: Any, reduction: str = "mean", *, dloss: Any = None) -> np.ndarray:
    """Gradient of `mse_loss` for `x`, ``2 * (x - target) * dloss``, over the number of elements for "mean".

    Parameters
    ----------
    x, target, reduction
        As given to `mse_loss`; the gradient for `target` is the negative of the result.
    dloss : float, or ndarray, shape of x, for "none", optional
        Gradient for the loss; 1 if not given.

    Returns
    -------
    ndarray, shape of x, dtype of x

    Raises
    ------
    ValueError, TypeError
        As `mse_loss`, and if `dloss` has another shape than the loss.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.mse_loss_backward(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    array([ 0., -2.])
    """
    gradient = _difference(x, target, reduction)
    scale = 2 / max(gradient.size, 1) if reduction == "mean" else 2.0
    gradient *= gradient.dtype.type(scale)
    if dloss is not None:
        gradient *= _dloss(dloss, reduction, gradient.shape, gradient.dtype)
    return gradient


def _difference(x: Any, target: Any, reduction: str) -> np.ndarray:
    x, target = operand("x", x), operand("target", target)
    same_dtype("target", target, "x", x)
    same_shape("target", target, "x", x.shape)
    _check_reduction(reduction)
    return np.subtract(x, target, out=np.empty(x.shape, x.dtype))


def _loss_and_gradient(
    logits: Any, labels: Any, reduction: str, gradient: bool, dloss: Any, num_threads: int | None, smoothing: float
) -> tuple[float | np.ndarray, np.ndarray | None]:
    logits = operand("logits", logits)
    class_axis = min(1, logits.ndim - 1)
    if logits.ndim == 0 or logits.shape[class_axis] == 0:
        raise ValueError(f"logits has shape {logits.shape}; it must be (N, C, ...) or (C,) with at least one class")
    _check_reduction(reduction)
    if not 0 <= number("label_smoothing", smoothing) <= 1:
        raise ValueError(f"label_smoothing (={smoothing}) must lie in 0..1")
    threads = thread_count(num_threads)
    labels = np.asarray(labels)
    rows_shape = logits.shape[:class_axis] + logits.shape[class_axis + 1 :]
    rows = dense(logits if logits.ndim == 2 else np.moveaxis(logits, class_axis, -1))
    rows = rows if rows.ndim == 2 else rows.reshape(-1 if rows.size else 0, logits.shape[class_axis])
    scale = 1 / max(len(rows), 1) if reduction == "mean" else 1.0
    if labels.dtype.kind in "iu":
        same_shape("labels", labels, "logits without its class axis", rows_shape)
        classes = _classes(labels, rows.shape[1])
        losses, drows = _from_classes(rows, classes, scale, gradient, threads)
        if smoothing:
            _smooth(rows, classes, smoothing, scale, losses, drows)
    else:
        same_dtype("labels", labels, "logits", logits)
        same_shape("labels", labels, "logits", logits.shape)
        targets = np.moveaxis(labels, class_axis, -1).reshape(rows.shape)
        if smoothing:
            targets = targets * (1 - smoothing) + smoothing / rows.shape[1]
        losses, drows = _from_probabilities(rows, targets, scale, gradient, threads)
    loss = _reduce(losses.reshape(rows_shape), reduction)
    if drows is None:
        return loss, None
    if logits.ndim != 2:
        drows = np.ascontiguousarray(np.moveaxis(drows.reshape(*rows_shape, rows.shape[1]), -1, class_axis))
    if dloss is not None:
        dloss = _dloss(dloss, reduction, rows_shape, logits.dtype)
        drows *= np.expand_dims(dloss, class_axis) if dloss.ndim else dloss
    return loss, drows


def _from_classes(
    rows: np.ndarray, labels: np.ndarray, scale: float, gradient: bool, threads: int
) -> tuple[np.ndarray, np.ndarray | None]:
    losses = np.empty(len(rows), rows.dtype)
    drows = np.empty(rows.shape, rows.dtype) if gradient else None
    try:
        _engine.softmax_cross_entropy(rows, labels, scale, losses, drows, threads)
    except ValueError:
        classes = rows.shape[1]
        wrong = (labels < 0) | (labels >= classes)
        if not wrong.any():
            raise
        raise ValueError(f"labels holds {labels[wrong][0]}, outside the classes 0..{classes - 1}") from None
    return losses, drows


def _smooth(
    rows: np.ndarray, labels: np.ndarray, share: float, scale: float, losses: np.ndarray, drows: np.ndarray | None
) -> None:
    """Move losses and gradients of the labels to those of ``(1 - share) onehot + share / C``."""
    places = (np.arange(len(rows)), labels)
    share = float(share)
    losses += share * (rows[places] - rows.mean(axis=1))
    if drows is not None:
        drows -= drows.dtype.type(share * scale / rows.shape[1])
        drows[places] += drows.dtype.type(share * scale)


def _from_probabilities(
    rows: np.ndarray, targets: np.ndarray, scale: float, gradient: bool, threads: int
) -> tuple[np.ndarray, np.ndarray | None]:
    # The engine's loss of the likeliest class is log(sum exp(x)) - max(x); with max(x) - x that is -log(softmax(x)).
    likeliest = rows.argmax(axis=1).astype(_INT64, copy=False)
    least = np.empty(len(rows), rows.dtype)
    _engine.softmax_cross_entropy(rows, likeliest, 1.0, least, None, threads)
    surprise = least[:, None] + (np.take_along_axis(rows, likeliest[:, None], 1) - rows)
    losses = np.add.reduce(targets * surprise, axis=1)
    if not gradient:
        return losses, None
    drows = softmax(rows, num_threads=threads or None) * np.add.reduce(targets, axis=1, keepdims=True)
    drows -= targets
    drows *= rows.dtype.type(scale)
    return losses, drows


def _classes(labels: np.ndarray, classes: int) -> np.ndarray:
    """Return labels of any integer type as a vector of int64."""
    if labels.dtype != _INT64 or not labels.flags.aligned:
        if labels.dtype == np.uint64 and labels.size and labels.max() >= classes:
            raise ValueError(f"labels holds {labels.max()}, outside the classes 0..{classes - 1}")
        labels = labels.astype(_INT64)
    labels = labels if labels.ndim == 1 else labels.reshape(-1)
    return dense(labels)


def _check_reduction(reduction: str) -> None:
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f'reduction (={reduction!r}) must be "mean", "sum" or "none"')


def _reduce(losses: np.ndarray, reduction: str) -> float | np.ndarray:
    if reduction == "none":
        return losses
    total = float(np.add.reduce(losses, axis=None, dtype=np.float64))
    if reduction == "sum":
        return total
    return total / losses.size if losses.size else math.nan


def _dloss(dloss: Any, reduction: str, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Return the gradient for the loss as an array of the loss's shape."""
    dloss = np.asarray(dloss, dtype)
    same_shape("dloss", dloss, f"the loss with reduction={reduction!r}", shape if reduction == "none" else ())
    return dloss
