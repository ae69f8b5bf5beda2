"""Running a model over a data set: predictions, loss, accuracy, confusion matrix."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastconv.data.transforms import Transform
from fastconv.geometry import canonical_integer
from fastconv.nn.losses import CrossEntropyLoss, Loss
from fastconv.nn.module import Module

__all__ = ["Evaluation", "confusion_matrix", "evaluate", "intersection_over_union", "predict"]


class Evaluation(NamedTuple):
    """What `evaluate` finds: ``loss``; ``accuracy`` (None without classes); ``predictions`` (classes, or outputs)."""

    loss: float
    accuracy: float | None
    predictions: Any


def predict(model: Module, x: np.ndarray, *, batch_size: int = 256, transform: Transform | None = None) -> Any:
    """The outputs of a model for many inputs, computed batch by batch.

    Parameters
    ----------
    model : Module
    x : ndarray, shape (N, ...)
        Inputs as the model takes them; a `numpy.memmap` is read batch by batch.
    batch_size : int
    transform : callable (batch, rng) -> batch, optional
        What makes of `x` what the model takes, such as `fastconv.data.Normalize`.

    Returns
    -------
    ndarray, shape (N, ...), or a tuple of them for a model of several outputs

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> nn.predict(nn.Linear(3, 2, rng=0), np.zeros((5, 3), np.float32)).shape
    (5, 2)
    """
    x = np.asarray(x)
    if x.ndim == 0:
        raise ValueError("x must hold a batch of inputs, got a single number")
    batch_size = canonical_integer("batch_size", batch_size, 1)

    def outputs_of(batch: np.ndarray) -> Any:
        return model(batch if transform is None else transform(batch, np.random.default_rng(0)))

    first = outputs_of(x[:batch_size])
    if len(x) <= batch_size:
        return first
    several = isinstance(first, tuple)
    wholes = [np.empty((len(x), *part.shape[1:]), part.dtype) for part in (first if several else (first,))]
    for start in range(0, len(x), batch_size):
        outputs = first if start == 0 else outputs_of(x[start : start + batch_size])
        for whole, part in zip(wholes, outputs if several else (outputs,), strict=True):
            whole[start : start + batch_size] = part
    return tuple(wholes) if several else wholes[0]


def evaluate(
    model: Module,
    x: np.ndarray,
    targets: Any,
    loss: Loss | None = None,
    *,
    batch_size: int = 256,
    transform: Transform | None = None,
) -> Evaluation:
    """Loss and accuracy of a model on a test set.

    Parameters
    ----------
    model : Module
    x : ndarray, shape (N, ...)
    targets : ndarray
        Labels, shape (N,), or for regression values shaped as the outputs.
    loss : Loss, optional
        `CrossEntropyLoss` where it is not given.
    batch_size : int
    transform : callable (batch, rng) -> batch, optional
        As for `predict`.

    Returns
    -------
    Evaluation

    Raises
    ------
    ValueError
        If there is no input, or as many targets as inputs are not given.
    """
    loss = CrossEntropyLoss() if loss is None else loss
    x, targets = np.asarray(x), np.asarray(targets)
    check_pair("x", x, "targets", targets)
    outputs = predict(model, x, batch_size=batch_size, transform=transform)
    value = loss(outputs, targets)
    if not loss.CLASSIFIES:
        return Evaluation(value, None, outputs)
    classes = outputs.argmax(axis=1)
    return Evaluation(value, float(np.mean(classes == targets)), classes)


def confusion_matrix(labels: Any, predictions: Any, classes: int) -> np.ndarray:
    """How often each class was taken for each: ``counts[label, prediction]``.

    Parameters
    ----------
    labels, predictions : ndarray of int, shape (N,), or any one shape, such as that of maps
    classes : int

    Returns
    -------
    ndarray of int64, shape (classes, classes)

    Examples
    --------
    >>> from fastconv import nn
    >>> nn.confusion_matrix([0, 1, 1], [0, 1, 0], 2)
    array([[1, 0],
           [1, 1]])
    """
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    if labels.shape != predictions.shape:
        raise ValueError(f"labels has shape {labels.shape}, predictions has {predictions.shape}")
    classes = canonical_integer("classes", classes, 1)
    for name, values in (("labels", labels), ("predictions", predictions)):
        if values.size and values.dtype.kind not in "iu":
            raise TypeError(f"{name} must hold integers, got dtype {values.dtype}")
        if values.size and not 0 <= values.min() <= values.max() < classes:
            raise ValueError(f"{name} must lie in 0..{classes - 1}, got {values.min()}..{values.max()}")
    flat = labels.astype(np.int64).ravel() * classes + predictions.astype(np.int64).ravel()
    return np.bincount(flat, minlength=classes * classes).reshape(classes, classes)


def intersection_over_union(counts: Any) -> np.ndarray:
    """How well the areas of a segmentation fit, class by class: right pixels over those that are or were taken for it.

    Parameters
    ----------
    counts : ndarray, shape (classes, classes)
        `confusion_matrix` of the pixels.

    Returns
    -------
    ndarray of float64, shape (classes,)
        NaN for a class that is nowhere and was seen nowhere; `numpy.nanmean` gives the mean over the others.

    Examples
    --------
    >>> from fastconv import nn
    >>> nn.intersection_over_union(nn.confusion_matrix([[0, 0], [1, 1]], [[0, 0], [0, 1]], 2)).round(3)
    array([0.667, 0.5  ])
    """
    counts = np.asarray(counts)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise ValueError(f"counts must be a confusion matrix, got shape {counts.shape}")
    right = np.diagonal(counts).astype(np.float64)
    union = counts.sum(0) + counts.sum(1) - right
    return np.divide(right, union, out=np.full(len(counts), np.nan), where=union > 0)


def check_pair(name: str, x: np.ndarray, targets_name: str, targets: np.ndarray) -> None:
    """Raise ValueError unless there are inputs, and as many targets."""
    if x.ndim < 1 or len(x) < 1:
        raise ValueError(f"{name} is empty: shape {x.shape}")
    if targets.ndim < 1 or len(targets) != len(x):
        raise ValueError(f"{name} holds {len(x)} inputs, but {targets_name} has shape {targets.shape}")
