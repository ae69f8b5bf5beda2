"""The fully connected layer: Linear."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv import functional as F
from fastconv.graph import Node, Program
from fastconv.nn import init
from fastconv.nn.layers._arguments import float_type, needed_gradients, positive
from fastconv.nn.module import Module, Parameter

__all__ = ["Linear"]


class Linear(Module):
    """Fully connected: ``y[..., o] = bias[o] + sum_i x[..., i] weight[o, i]``.

    Parameters
    ----------
    in_features, out_features : int
    bias : bool
    dtype : {float32, float64}
    rng : int or numpy.random.Generator, optional
        Where the first weights are drawn from; None is a fresh random seed.

    Attributes
    ----------
    weight : Parameter, shape (out_features, in_features)
    bias : Parameter, shape (out_features,), or None

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> nn.Linear(400, 120, rng=0)(np.zeros((2, 400), np.float32)).shape
    (2, 120)
    """

    KIND = "FC"
    FUSES_RELU = True
    ARGUMENTS = ("in_features", "out_features", "bias", "dtype")
    PARAMETERS = ("weight", "bias")
    HYPERPARAMETERS = ("out_features",)

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        dtype: Any = np.float32,
        rng: int | np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        self.in_features = positive("in_features", in_features)
        self.out_features = positive("out_features", out_features)
        self.dtype = float_type(dtype)
        self.weight = Parameter(np.empty((self.out_features, self.in_features), self.dtype))
        self.bias = Parameter(np.empty(self.out_features, self.dtype)) if bias else None
        self.reset_parameters(rng)

    def reset_parameters(self, rng: int | np.random.Generator | None = None) -> None:
        """Draw weight and bias as PyTorch does (`init.kaiming_uniform`)."""
        init.kaiming_uniform(rng, self.weight, self.bias, self.in_features)

    def forward(self, x: np.ndarray, training: bool = False, activation: str | None = None) -> np.ndarray:
        """The outputs for `x`; `activation` is applied in the same pass."""
        bias = None if self.bias is None else self.bias.data
        if not training:
            return F.linear(x, self.weight.data, bias, activation=activation)
        y = F.linear(x, self.weight.data, bias, activation=activation, out=self._kept_buffer(x.shape))
        self._saved = (x, y, activation)
        self._keep_buffer(x.shape, y)
        return y

    def backward(self, dy: np.ndarray, needs_input: bool = True) -> np.ndarray | None:
        """``dx = dy @ weight``, ``dweight = dy.T @ x``, ``dbias = dy.sum(0)``."""
        x, y, activation = self._take_saved()
        needs = needed_gradients(needs_input, self.bias is not None)
        out = (
            self._kept_buffer(("dx", x.shape)) if needs_input else None,
            self.weight.gradient(),
            None if self.bias is None else self.bias.gradient(),
        )
        dx, _, _ = F.linear_backward(
            dy, x, self.weight.data, needs=needs, activation=activation, y=y if activation else None, out=out
        )
        if needs_input:
            self._keep_buffer(("dx", x.shape), dx)
        return dx

    def emit(self, program: Program, x: Node, name: str) -> Node:
        """A matrix product, which what follows may be fused into."""
        self.output_shape(x.shape[1:])
        bias = None if self.bias is None else self.bias.data
        return program.add("linear", (x,), name, weight=self.weight.data, bias=bias)

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """The last axis becomes `out_features`."""
        if not input_shape or input_shape[-1] != self.in_features:
            raise ValueError(f"{self!r} takes {self.in_features} features, got an input of shape {input_shape}")
        return (*input_shape[:-1], self.out_features)

    def operations(self, input_shape: tuple[int, ...]) -> int:
        """n multiplications and n-1 additions per output, one more addition with a bias."""
        return math.prod(self.output_shape(input_shape)) * (2 * self.in_features - 1 + (self.bias is not None))
