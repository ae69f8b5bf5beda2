"""Scale: a trainable coefficient and a trainable bias for each channel."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv.functional.scale_shift import scaled
from fastconv.graph import Node, Program
from fastconv.nn.layers._arguments import channel_axis, float_type, positive
from fastconv.nn.module import Module, Parameter

__all__ = ["Scale"]


class Scale(Module):
    """``y[c] = weight[c] x[c] + bias[c]``, as behind the sub-sampling of LeNet-5.

    Parameters
    ----------
    num_features : int
        Number of channels.
    bias : bool
    layout : str, optional
        Such as "NHWC"; channels first where it is not given.
    dtype : {float32, float64}
    rng
        Taken as every layer with parameters takes it; nothing is drawn.

    Attributes
    ----------
    weight : Parameter, shape (num_features,)
    bias : Parameter, shape (num_features,), or None

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> layer = nn.Scale(2)
    >>> layer.weight.data[...] = 3, 5
    >>> layer(np.ones((1, 2), np.float32))
    array([[3., 5.]], dtype=float32)
    """

    KIND = "SCALE"
    ARGUMENTS = ("num_features", "bias", "layout", "dtype")
    PARAMETERS = ("weight", "bias")

    def __init__(
        self, num_features: int, bias: bool = True, *, layout: str | None = None, dtype: Any = np.float32,
        rng: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.num_features = positive("num_features", num_features)
        self.layout, self._axis = layout, channel_axis(layout)
        self.dtype = float_type(dtype)
        self.weight = Parameter(np.empty(self.num_features, self.dtype))
        self.bias = Parameter(np.empty(self.num_features, self.dtype)) if bias else None
        self.reset_parameters(rng)

    def reset_parameters(self, rng: Any = None) -> None:
        """Weight 1, bias 0. Nothing is drawn from `rng`."""
        self.weight.data[...] = 1
        if self.bias is not None:
            self.bias.data[...] = 0

    def _factors(self, ndim: int) -> tuple[np.ndarray, np.ndarray]:
        """Weight and bias in a shape that fits an array with `ndim` axes."""
        bias = np.zeros_like(self.weight.data) if self.bias is None else self.bias.data
        after = () if self._axis == -1 else (1,) * (ndim - 2)
        return self.weight.data.reshape(-1, *after), bias.reshape(-1, *after)

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        """The channels, scaled and shifted."""
        self.output_shape(x.shape[1:])
        weight, bias = self._factors(x.ndim)
        y = scaled(x, weight, bias, out=self._kept_buffer(x.shape) if training else None)
        if training:
            self._saved = (x,)
            self._keep_buffer(x.shape, y)
        return y

    def backward(self, dy: np.ndarray, needs_input: bool = True) -> np.ndarray | None:
        """``dx = weight dy``; for weight and bias the sums of ``dy x`` and ``dy`` over a channel."""
        (x,) = self._take_saved()
        axes = list(range(x.ndim))
        channel = [axes[self._axis]]
        np.einsum(dy, axes, x, axes, channel, out=self.weight.gradient())
        if self.bias is not None:
            np.einsum(dy, axes, channel, out=self.bias.gradient())
        if not needs_input:
            return None
        dx = np.multiply(dy, self._factors(x.ndim)[0], out=self._kept_buffer(("dx", x.shape)))
        self._keep_buffer(("dx", x.shape), dx)
        return dx

    def emit(self, program: Program, x: Node, name: str) -> Node:
        """A scale and a shift, which go into the weights before them."""
        self.output_shape(x.shape[1:])
        weight, bias = (values.astype(program.dtype) for values in self._factors(len(x.shape)))
        return program.add("scale", (x,), name, scale=weight, shift=bias)

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """That of the input."""
        channels = input_shape[-1 if self._axis == -1 else 0] if input_shape else 0
        if channels != self.num_features:
            raise ValueError(f"{self!r} takes {self.num_features} channels, got an input of shape {input_shape}")
        return input_shape

    def operations(self, input_shape: tuple[int, ...]) -> int:
        """A multiplication per element, and an addition with a bias."""
        return math.prod(self.output_shape(input_shape)) * (1 + (self.bias is not None))
