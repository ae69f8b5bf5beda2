"""LocalResponseNorm: elements divided by what their neighbours in other channels say."""

from __future__ import annotations

import math

import numpy as np

from fastconv import functional as F
from fastconv._arguments import number
from fastconv.graph import Node, Program
from fastconv.nn.layers._arguments import channel_axis, positive
from fastconv.nn.module import Module

__all__ = ["LocalResponseNorm"]


class LocalResponseNorm(Module):
    """``y[c] = x[c] / (k + alpha / size * sum_j x[j]^2)^beta`` over the `size` channels j around c.

    Parameters
    ----------
    size : int
    alpha, beta, k : float
        AlexNet's paper does not divide by `size`: its alpha of 1e-4 is 5e-4 here, as in PyTorch.
    layout : str, optional
        Such as "NHWC"; channels first where it is not given.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> nn.LocalResponseNorm(3, alpha=3.0, beta=1.0, k=0.0)(np.ones((1, 3))).round(4)
    array([[0.5   , 0.3333, 0.5   ]])
    """

    KIND = "NORM"
    ARGUMENTS = ("size", "alpha", "beta", "k", "layout")
    HYPERPARAMETERS = ("size", "alpha", "beta", "k")

    def __init__(
        self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0, *, layout: str | None = None
    ) -> None:
        super().__init__()
        self.size = positive("size", size)
        self.alpha, self.beta, self.k = number("alpha", alpha), number("beta", beta), number("k", k)
        for name in ("alpha", "beta", "k"):
            if not math.isfinite(getattr(self, name)):
                raise ValueError(f"{name} (={getattr(self, name)}) must be finite")
        self.layout, self._axis = layout, channel_axis(layout)

    def _normalized(self, x: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        return F.local_response_norm(x, self.size, self.alpha, self.beta, self.k, axis=self._axis, out=out)

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        """The divided elements."""
        y = self._normalized(x, self._kept_buffer(x.shape) if training else None)
        if training:
            self._saved = (x,)
            self._keep_buffer(x.shape, y)
        return y

    def backward(self, dy: np.ndarray, needs_input: bool = True) -> np.ndarray | None:
        """Through the divisors as well: `F.local_response_norm_backward`."""
        (x,) = self._take_saved()
        if not needs_input:
            return None
        out = self._kept_buffer(("dx", x.shape))
        dx = F.local_response_norm_backward(dy, x, self.size, self.alpha, self.beta, self.k, axis=self._axis, out=out)
        self._keep_buffer(("dx", x.shape), dx)
        return dx

    def emit(self, program: Program, x: Node, name: str) -> Node:
        """A call that writes where the program wants it."""
        return program.add("call", (x,), name, function=self._normalized, out=True, shape=x.shape)

    def operations(self, input_shape: tuple[int, ...]) -> int:
        """A square, size - 1 additions, a product, a sum, a power and a division per element."""
        return (self.size + 4) * math.prod(input_shape)
