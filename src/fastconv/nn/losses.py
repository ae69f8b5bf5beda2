"""Losses: what training makes small. Each gives the value alone, or the value with the gradient for the predictions."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv import functional as F
from fastconv._arguments import number

__all__ = ["CrossEntropyLoss", "Loss", "MSELoss"]


class Loss:
    """Base of losses.

    Parameters
    ----------
    reduction : {"mean", "sum"}
        What becomes of the losses of a batch.
    """

    #: whether the outputs are scores of classes, so that an accuracy makes sense
    CLASSIFIES = False

    def __init__(self, reduction: str = "mean") -> None:
        if reduction not in ("mean", "sum"):
            raise ValueError(f'reduction (={reduction!r}) must be "mean" or "sum"')
        self.reduction = reduction

    def __call__(self, predictions: np.ndarray, targets: np.ndarray) -> float:
        """The loss of a batch."""
        raise NotImplementedError(type(self).__name__)

    def with_gradient(self, predictions: np.ndarray, targets: np.ndarray) -> tuple[float, np.ndarray]:
        """The loss of a batch and its gradient for the predictions."""
        raise NotImplementedError(type(self).__name__)

    def plain(self) -> Loss:
        """The loss that tests are measured by: this one without what only helps training."""
        return self

    def __repr__(self) -> str:
        return f"{type(self).__name__}(reduction={self.reduction!r})"


class CrossEntropyLoss(Loss):
    """Softmax and cross-entropy in one: ``log(sum_c exp(x[n, c])) - x[n, label[n]]``, for classification.

    Parameters
    ----------
    reduction : {"mean", "sum"}
    label_smoothing : float
        The share 0..1 of each example that is spread over all classes alike.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> round(nn.CrossEntropyLoss()(np.zeros((2, 10), np.float32), np.array([3, 7])), 4)
    2.3026
    """

    CLASSIFIES = True

    def __init__(self, reduction: str = "mean", label_smoothing: float = 0.0) -> None:
        super().__init__(reduction)
        self.label_smoothing = number("label_smoothing", label_smoothing)
        if not 0 <= self.label_smoothing <= 1:
            raise ValueError(f"label_smoothing (={label_smoothing}) must lie in 0..1")

    def __call__(self, predictions: np.ndarray, targets: np.ndarray) -> float:
        """The loss of scores, shape (N, C), against labels, shape (N,)."""
        smoothing = self.label_smoothing
        return _scalar(F.cross_entropy(predictions, targets, reduction=self.reduction, label_smoothing=smoothing))

    def with_gradient(self, predictions: np.ndarray, targets: np.ndarray) -> tuple[float, np.ndarray]:
        """The loss and ``softmax(x) - onehot(label)`` (over N for "mean")."""
        smoothing = self.label_smoothing
        loss, gradient = F.softmax_cross_entropy(predictions, targets, self.reduction, label_smoothing=smoothing)
        return _scalar(loss), gradient

    def plain(self) -> Loss:
        """Cross-entropy without smoothing."""
        return CrossEntropyLoss(self.reduction) if self.label_smoothing else self

    def __repr__(self) -> str:
        return f"{type(self).__name__}(reduction={self.reduction!r}, label_smoothing={self.label_smoothing!r})"


class MSELoss(Loss):
    """Mean squared error, for regression.

    Parameters
    ----------
    reduction : {"mean", "sum"}

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> nn.MSELoss()(np.array([1.0, 2.0]), np.array([0.0, 4.0]))
    2.5
    """

    def __call__(self, predictions: np.ndarray, targets: np.ndarray) -> float:
        """The loss of predictions against targets of the same shape."""
        return _scalar(F.mse_loss(predictions, targets, self.reduction))

    def with_gradient(self, predictions: np.ndarray, targets: np.ndarray) -> tuple[float, np.ndarray]:
        """The loss and ``2 (x - target)`` (over the number of elements for "mean")."""
        return self(predictions, targets), F.mse_loss_backward(predictions, targets, self.reduction)


def _scalar(loss: Any) -> float:
    return float(loss)
