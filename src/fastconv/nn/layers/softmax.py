"""Softmax as a layer, for outputs read as probabilities; `CrossEntropyLoss` trains on what comes before it."""

from __future__ import annotations

import math

import numpy as np

from fastconv import functional as F
from fastconv.nn.layers._arguments import axis
from fastconv.nn.module import Module

__all__ = ["Softmax"]


class Softmax(Module):
    """``y[c] = exp(x[c]) / sum_k exp(x[k])`` along the axis `dim`.

    Parameters
    ----------
    dim : int
        Counted with the batch axis, as in PyTorch.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> nn.Softmax(1)(np.zeros((1, 4), np.float32))
    array([[0.25, 0.25, 0.25, 0.25]], dtype=float32)
    """

    KIND = "SOFTMAX"
    ARGUMENTS = ("dim",)

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = axis("dim", dim)

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        """The probabilities."""
        y = F.softmax(x, self.dim, out=self._kept_buffer(x.shape) if training else None)
        if training:
            self._saved = (y,)
            self._keep_buffer(x.shape, y)
        return y

    def backward(self, dy: np.ndarray, needs_input: bool = True) -> np.ndarray | None:
        """``dx = y (dy - sum_k dy[k] y[k])``."""
        (y,) = self._take_saved()
        if not needs_input:
            return None
        dx = F.softmax_backward(dy, y, self.dim, out=self._kept_buffer(("dx", y.shape)))
        self._keep_buffer(("dx", y.shape), dx)
        return dx

    def operations(self, input_shape: tuple[int, ...]) -> int:
        """An exponential, an addition and a division per element."""
        return 3 * math.prod(input_shape)
