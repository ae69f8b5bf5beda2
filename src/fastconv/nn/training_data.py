"""What a training asks of its data, checked before the first batch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv.data.transforms import Transform
from fastconv.nn.evaluation import check_pair
from fastconv.nn.layers import BatchNorm1d, BatchNorm2d, BatchNorm3d
from fastconv.nn.losses import Loss
from fastconv.nn.module import Module

__all__ = ["check_data", "needs_two_rows"]


def check_data(
    model: Module, loss: Loss, name: str, pair: Any, transform: Transform | None
) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets as arrays that fit the model after `transform`; `name` is the argument's, for errors.

    Raises
    ------
    TypeError
        If they are no pair, or of a type that the model or the loss does not take.
    ValueError
        If there are none, their numbers differ, or a label is outside the classes of the model.
    """
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise TypeError(f"{name} must be a tuple (inputs, targets), got {type(pair).__name__}")
    x, targets = np.asarray(pair[0]), np.asarray(pair[1])
    check_pair(f"{name}[0]", x, f"{name}[1]", targets)
    seen, after = (x, "") if transform is None else (transform(x[:1], np.random.default_rng(0)), " after its transform")
    if seen.dtype not in (np.float32, np.float64):
        raise TypeError(f"{name}[0] has dtype {seen.dtype}{after}: normalise it and cast it with .astype(np.float32)")
    wanted = next((parameter.data.dtype for parameter in model.parameters()), seen.dtype)
    if seen.dtype != wanted:
        raise TypeError(
            f"{name}[0] is {seen.dtype}{after} but the model is {wanted}: cast it with .astype(np.{wanted})"
        )
    if loss.CLASSIFIES:
        return x, _labels(model, f"{name}[1]", targets, seen.shape[1:])
    if targets.dtype != wanted:
        raise TypeError(
            f"{name}[1] is {targets.dtype} but {name}[0] is {seen.dtype}: cast it with .astype(np.{seen.dtype})"
        )
    return x, targets


def needs_two_rows(model: Module, input_shape: Any) -> bool:
    """Whether some batch norm sees a single element per channel and row, so that one row has no variance."""
    single = []

    def apply(_: str, layer: Module, shape: Any) -> Any:
        if isinstance(layer, (BatchNorm1d, BatchNorm2d, BatchNorm3d)):
            single.append(math.prod(shape) == layer.num_features)
        return layer.output_shape(shape)

    try:
        model.flow(apply, input_shape)
    except (ValueError, TypeError):
        return False  # forward says better what does not fit
    return any(single)


def _labels(model: Module, name: str, labels: np.ndarray, input_shape: tuple[int, ...]) -> np.ndarray:
    if labels.dtype.kind not in "iu":
        raise TypeError(f"{name} must hold integer labels, got dtype {labels.dtype}")
    try:
        classes = int(model.output_shape(input_shape)[0])
    except (ValueError, TypeError):
        return labels  # forward says better what does not fit
    wrong = np.argwhere((labels < 0) | (labels >= classes))
    if len(wrong):
        label, row = labels[tuple(wrong[0])], wrong[0][0]
        raise ValueError(f"{name} holds label {label} in row {row}, outside the classes 0..{classes - 1} of the model")
    return labels.astype(np.int64, copy=False) if labels.ndim == 1 else labels
