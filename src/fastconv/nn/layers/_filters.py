"""What the layers with filters share, convolution and its transpose: arguments, parameters and calls."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from fastconv import functional as F
from fastconv.geometry import canonical_spatial
from fastconv.nn import init
from fastconv.nn.layers._arguments import (
    channels_of,
    float_type,
    needed_gradients,
    plain_padding,
    positive,
    volume,
)
from fastconv.nn.module import Module, Parameter


class FilterLayer(Module):
    """A layer whose weight slides over a volume; the subclass names the function and gives its arguments."""

    KIND = "CONV"
    FUSES_RELU = True
    PARAMETERS: ClassVar[tuple[str, ...]] = ("weight", "bias")
    #: name of the functional without its dimension, e.g. "conv"
    FUNCTION: ClassVar[str]
    ndim: int

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        groups: int,
        bias: bool,
        layout: str | None,
        dtype: Any,
    ) -> None:
        super().__init__()
        self.in_channels = positive("in_channels", in_channels)
        self.out_channels = positive("out_channels", out_channels)
        self.kernel_size = canonical_spatial("kernel_size", kernel_size, self.ndim, 1)
        self.stride = canonical_spatial("stride", stride, self.ndim, 1)
        self.padding = plain_padding(padding, self.ndim)
        self.dilation = canonical_spatial("dilation", dilation, self.ndim, 1)
        self.groups = positive("groups", groups)
        for name, value in (("in_channels", self.in_channels), ("out_channels", self.out_channels)):
            if value % self.groups:
                raise ValueError(f"groups (={groups}) must divide {name} (={value})")
        self.layout = volume(self.ndim, layout)
        self.dtype = float_type(dtype)
        self.weight = Parameter(np.empty((*self._channels(), *self.kernel_size), self.dtype))
        self.bias = Parameter(np.empty(self.out_channels, self.dtype)) if bias else None
        self._call = getattr(F, f"{self.FUNCTION}{self.ndim}d")
        self._call_backward = getattr(F, f"{self.FUNCTION}{self.ndim}d_backward")
        self._positional, self._options = self._arguments()

    def _channels(self) -> tuple[int, int]:
        """The first two sizes of the weight."""
        raise NotImplementedError

    def _arguments(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Arguments of the functional after the bias: those by position, and those by name."""
        raise NotImplementedError

    def reset_parameters(self, rng: int | np.random.Generator | None = None) -> None:
        """Draw weight and bias as PyTorch does: its fan-in is that of the second weight axis, transposed or not."""
        fan_in = math.prod(self.weight.data.shape[1:])
        init.kaiming_uniform(rng, self.weight, self.bias, fan_in)

    def forward(self, x: np.ndarray, training: bool = False, activation: str | None = None) -> np.ndarray:
        """The feature maps of `x`; `activation` is applied in the same pass."""
        bias = None if self.bias is None else self.bias.data
        out = self._kept_buffer(x.shape) if training else None
        y = self._call(x, self.weight.data, bias, *self._positional, activation=activation, out=out, **self._options)
        if training:
            self._saved = (x, y, activation)
            self._keep_buffer(x.shape, y)
        return y

    def backward(self, dy: np.ndarray, needs_input: bool = True, masked: bool = False) -> np.ndarray | None:
        """Again convolutions: of `dy` with the weight for x, of x with `dy` for the weight.

        `masked` says that `dy` is 0 already where the activation's derivative is.
        """
        x, y, activation = self._take_saved()
        if masked:
            activation = None
        needs = needed_gradients(needs_input, self.bias is not None)
        out = (
            self._kept_buffer(("dx", x.shape)) if needs_input else None,
            self.weight.gradient(),
            None if self.bias is None else self.bias.gradient(),
        )
        dx, _, _ = self._call_backward(
            dy, x, self.weight.data, *self._positional, needs=needs, out=out,
            activation=activation, y=y if activation else None, **self._options,
        )  # fmt: skip
        if needs_input:
            self._keep_buffer(("dx", x.shape), dx)
        return dx

    def _spatial(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Spatial sizes of one input, whose channels must be those of the layer."""
        channels, spatial = channels_of(input_shape, self.layout, self)
        if channels != self.in_channels:
            raise ValueError(f"{self!r} takes {self.in_channels} channels, got an input of shape {input_shape}")
        return spatial
