"""The rectifier as a layer: ReLU."""

from __future__ import annotations

import math

import numpy as np

from fastconv import functional as F
from fastconv.nn.module import Module

__all__ = ["ReLU"]


class ReLU(Module):
    """``y = max(x, 0)``, element by element. Straight after a convolution or Linear, `Sequential` fuses it into that.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> nn.ReLU()(np.array([-1.0, 2.0], np.float32))
    array([0., 2.], dtype=float32)
    """

    KIND = "RELU"

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        """The rectified input."""
        y = F.relu(x)
        if training:
            self._saved = (y,)
        return y

    def backward(self, dy: np.ndarray, needs_input: bool = True) -> np.ndarray | None:
        """`dy` where the output was positive, else 0."""
        (y,) = self._take_saved()
        return F.relu_backward(dy, y) if needs_input else None

    def operations(self, input_shape: tuple[int, ...]) -> int:
        """One comparison per element."""
        return math.prod(input_shape)
