"""The rectifier and its relatives as layers: ReLU, ReLU6, LeakyReLU."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv._arguments import number
from fastconv.functional.activation import activate, activation_backward
from fastconv.graph import Node, Program
from fastconv.nn.module import Module

__all__ = ["LeakyReLU", "ReLU", "ReLU6"]


class Rectifier(Module):
    """An activation that the engine applies to sums before they are stored: `activation` as the functional takes it."""

    KIND = "RELU"
    activation: Any

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        """The rectified input."""
        if not training:
            return activate(x, self.activation)
        y = activate(x, self.activation, out=self._kept_buffer(x.shape))
        self._saved = (y,)
        self._keep_buffer(x.shape, y)
        return y

    def backward(self, dy: np.ndarray, needs_input: bool = True) -> np.ndarray | None:
        """`dy` times the derivative, which the output tells."""
        (y,) = self._take_saved()
        if not needs_input:
            return None
        dx = activation_backward(dy, y, self.activation, out=self._kept_buffer(("dx", y.shape)))
        self._keep_buffer(("dx", y.shape), dx)
        return dx

    def emit(self, program: Program, x: Node, name: str) -> Node:
        """An activation, which the layer before may take in."""
        return program.add("activation", (x,), name, activation=self.activation)

    def operations(self, input_shape: tuple[int, ...]) -> int:
        """One comparison per element."""
        return math.prod(input_shape)


class ReLU(Rectifier):
    """``y = max(x, 0)``, element by element. Where it alone reads a convolution or Linear, `Graph` fuses it into that.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> nn.ReLU()(np.array([-1.0, 2.0], np.float32))
    array([0., 2.], dtype=float32)
    """

    activation = "relu"


class ReLU6(Rectifier):
    """``y = min(max(x, 0), 6)``, element by element.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> nn.ReLU6()(np.array([-1.0, 2.0, 9.0], np.float32))
    array([0., 2., 6.], dtype=float32)
    """

    activation = "relu6"

    def operations(self, input_shape: tuple[int, ...]) -> int:
        """Two comparisons per element."""
        return 2 * math.prod(input_shape)


class LeakyReLU(Rectifier):
    """``y = x where x > 0, else slope * x``, element by element.

    Parameters
    ----------
    negative_slope : float
        At least 0.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> nn.LeakyReLU(0.5)(np.array([-1.0, 2.0], np.float32))
    array([-0.5,  2. ], dtype=float32)
    """

    KIND = "ACTIVATION"
    ARGUMENTS = ("negative_slope",)
    HYPERPARAMETERS = ("negative_slope",)

    def __init__(self, negative_slope: float = 0.01) -> None:
        super().__init__()
        self.negative_slope = number("negative_slope", negative_slope)
        if not 0 <= self.negative_slope < math.inf:
            raise ValueError(f"negative_slope (={negative_slope}) must be at least 0 and finite")
        self.activation = ("leaky_relu", self.negative_slope)

    def operations(self, input_shape: tuple[int, ...]) -> int:
        """A comparison and a multiplication per element."""
        return 2 * math.prod(input_shape)
