"""Losses of networks that make pictures: binary cross-entropy, and what variational autoencoders add to it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv import functional as F
from fastconv._arguments import number
from fastconv.nn.losses import Loss

__all__ = ["BCEWithLogitsLoss", "KLLoss", "VAELoss"]


class BCEWithLogitsLoss(Loss):
    """Sigmoid and binary cross-entropy in one, for outputs that are each a yes or no, as those of a discriminator.

    Parameters
    ----------
    reduction : {"mean", "sum"}

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> round(nn.BCEWithLogitsLoss()(np.zeros((2, 1)), np.ones((2, 1))), 4)
    0.6931
    """

    def __call__(self, predictions: np.ndarray, targets: np.ndarray) -> float:
        """The loss of scores against probabilities of the same shape."""
        return float(F.binary_cross_entropy_with_logits(predictions, targets, self.reduction))

    def with_gradient(self, predictions: np.ndarray, targets: np.ndarray) -> tuple[float, np.ndarray]:
        """The loss and ``sigmoid(x) - target`` (over the number of elements for "mean")."""
        gradient = F.binary_cross_entropy_with_logits_backward(predictions, targets, self.reduction)
        return self(predictions, targets), gradient


class KLLoss(Loss):
    """Divergence from the standard normal law of those given by the outputs mean and logvar: `F.normal_divergence`.

    Parameters
    ----------
    reduction : {"mean", "sum"}

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> nn.KLLoss()((np.array([[1.0, 2.0]]), np.zeros((1, 2))))
    2.5
    """

    def __call__(self, predictions: Any, targets: Any = None) -> float:
        """The loss of (mean, logvar); there is nothing to compare them with."""
        mean, logvar = predictions
        return float(F.normal_divergence(mean, logvar, self.reduction))

    def with_gradient(self, predictions: Any, targets: Any = None) -> tuple[float, Any]:
        """The loss, and its gradients for mean and logvar."""
        mean, logvar = predictions
        return self(predictions), F.normal_divergence_backward(mean, logvar, self.reduction)


class VAELoss(Loss):
    """What a variational autoencoder makes small: minus the evidence lower bound.

    Per example the binary cross-entropy of its pixels and `beta` times the divergence of its code, each added up.

    Parameters
    ----------
    beta : float
        At least 0.
    reduction : {"mean", "sum"}
        Over the examples.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> outputs = np.zeros((2, 1, 2, 2)), np.ones((2, 3)), np.zeros((2, 3))
    >>> round(nn.VAELoss()(outputs, np.ones((2, 1, 2, 2))), 4)
    4.2726
    """

    def __init__(self, beta: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.beta = number("beta", beta)
        if not 0 <= self.beta < math.inf:
            raise ValueError(f"beta (={beta}) must be at least 0 and finite")

    def __call__(self, predictions: Any, targets: np.ndarray) -> float:
        """The loss of (scores of the pixels, mean, logvar) against pixels, 0..1."""
        scores, mean, logvar = predictions
        pixels = float(F.binary_cross_entropy_with_logits(scores, targets, "sum"))
        divergence = float(F.normal_divergence(mean, logvar, "sum"))
        return (pixels + self.beta * divergence) / self._count(scores)

    def with_gradient(self, predictions: Any, targets: np.ndarray) -> tuple[float, Any]:
        """The loss, and its gradients for the three outputs."""
        scores, mean, logvar = predictions
        count = self._count(scores)
        gradients = (
            F.binary_cross_entropy_with_logits_backward(scores, targets, "sum"),
            *(self.beta * gradient for gradient in F.normal_divergence_backward(mean, logvar, "sum")),
        )
        return self(predictions, targets), tuple(gradient / count for gradient in gradients)

    def _count(self, scores: np.ndarray) -> int:
        return max(1, len(scores)) if self.reduction == "mean" else 1

    def __repr__(self) -> str:
        return f"VAELoss(beta={self.beta!r}, reduction={self.reduction!r})"
