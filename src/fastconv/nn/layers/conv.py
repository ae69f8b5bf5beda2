"""Convolution layers: Conv1d, Conv2d, Conv3d."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv import functional as F
from fastconv.geometry import canonical_padding, canonical_spatial, conv_output_size, resolve_padding, unused_input
from fastconv.nn import init
from fastconv.nn.layers._arguments import channels_of, float_type, needed_gradients, positive, spatial_of, volume
from fastconv.nn.module import Module, Parameter

__all__ = ["PADDING_MODES", "Conv1d", "Conv2d", "Conv3d"]

#: PyTorch's names for the border, and what the functional calls them
PADDING_MODES = {
    "zeros": "zeros",
    "reflect": "reflect",
    "replicate": "edge",
    "circular": "wrap",
    "symmetric": "symmetric",
}


class _Conv(Module):
    """Feature maps y[o] = bias[o] + sum_i cross-correlation(x[i], weight[o, i]); see `Conv2d`."""

    KIND = "CONV"
    FUSES_RELU = True
    ndim: int

    ARGUMENTS = (
        "in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups", "bias",
        "padding_mode", "layout", "dtype",
    )  # fmt: skip
    PARAMETERS = ("weight", "bias")
    HYPERPARAMETERS = ("out_channels", "kernel_size", "stride", "padding", "dilation", "groups")

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: Any = 0,
        dilation: int | tuple[int, ...] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        layout: str | None = None,
        dtype: Any = np.float32,
        rng: int | np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        self.in_channels = positive("in_channels", in_channels)
        self.out_channels = positive("out_channels", out_channels)
        self.kernel_size = canonical_spatial("kernel_size", kernel_size, self.ndim, 1)
        self.stride = canonical_spatial("stride", stride, self.ndim, 1)
        self.dilation = canonical_spatial("dilation", dilation, self.ndim, 1)
        self.padding = padding
        canonical_padding("padding", padding, self.ndim)
        self.groups = positive("groups", groups)
        for name, value in (("in_channels", self.in_channels), ("out_channels", self.out_channels)):
            if value % self.groups:
                raise ValueError(f"groups (={groups}) must divide {name} (={value})")
        if padding_mode not in PADDING_MODES:
            raise ValueError(f"padding_mode must be one of {sorted(PADDING_MODES)}, got {padding_mode!r}")
        self.padding_mode = padding_mode
        self.layout = volume(self.ndim, layout)
        self.dtype = float_type(dtype)
        shape = (self.out_channels, self.in_channels // self.groups, *self.kernel_size)
        self.weight = Parameter(np.empty(shape, self.dtype))
        self.bias = Parameter(np.empty(self.out_channels, self.dtype)) if bias else None
        self._call = getattr(F, f"conv{self.ndim}d")
        self._call_backward = getattr(F, f"conv{self.ndim}d_backward")
        self._positional = (self.stride, padding, self.dilation, self.groups)
        self._options = {"layout": self.layout, "border": PADDING_MODES[padding_mode]}
        self.reset_parameters(rng)

    def reset_parameters(self, rng: int | np.random.Generator | None = None) -> None:
        """Draw weight and bias as PyTorch does (`init.kaiming_uniform`)."""
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
        """Again convolutions: of `dy` with the flipped kernel for x, of x with `dy` for the weight.

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

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """floor((m + 2p - k)/s) + 1 per axis; the depth is the number of filters."""
        channels, spatial = channels_of(input_shape, self.layout, self)
        if channels != self.in_channels:
            raise ValueError(f"{self!r} takes {self.in_channels} channels, got an input of shape {input_shape}")
        size = conv_output_size(spatial, self.kernel_size, self.stride, self.dilation, self.resolved_padding(spatial))
        return spatial_of(self.out_channels, size, self.layout)

    def resolved_padding(self, spatial: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
        """Padding before and after, per axis, for an input of these sizes."""
        padding = canonical_padding("padding", self.padding, self.ndim)
        return resolve_padding(padding, spatial, self.kernel_size, self.stride, self.dilation)

    def unused_input(self, input_shape: tuple[int, ...]) -> tuple[np.ndarray, ...]:
        """Positions along each axis that no filter reads."""
        _, spatial = channels_of(input_shape, self.layout, self)
        _, size = channels_of(self.output_shape(input_shape), self.layout, self)
        border = {"zeros": "constant"}.get(self.padding_mode, PADDING_MODES[self.padding_mode])
        padding = self.resolved_padding(spatial)
        return unused_input(spatial, self.kernel_size, self.stride, self.dilation, padding, size, border)

    def operations(self, input_shape: tuple[int, ...]) -> int:
        """k multiplications and k-1 additions per output, one more addition with a bias."""
        taps = math.prod(self.weight.data.shape[1:])
        return math.prod(self.output_shape(input_shape)) * (2 * taps - 1 + (self.bias is not None))


class Conv1d(_Conv):
    """1-D convolution (cross-correlation) over (N, C, W); see `Conv2d`."""

    ndim = 1


class Conv2d(_Conv):
    """2-D convolution (cross-correlation) over a batch of volumes (N, C, H, W).

    ``y[n, o, i, j] = bias[o] + sum_{c, k, l} x[n, c, i*s + k*d - p, j*s + l*d - p] weight[o, c, k, l]``

    Parameters
    ----------
    in_channels, out_channels : int
        Depth of the input, and number of filters.
    kernel_size, stride, dilation : int or tuple of int
    padding : int, tuple, nested pairs or {"valid", "same", "same_lower", "full"}
    groups : int
        Divides both channel counts; every group of outputs sees its own group of inputs.
    bias : bool
    padding_mode : {"zeros", "reflect", "replicate", "circular", "symmetric"}
    layout : {"NCHW", "NHWC"}
    dtype : {float32, float64}
    rng : int or numpy.random.Generator, optional
        Where the first weights are drawn from; None is a fresh random seed.

    Attributes
    ----------
    weight : Parameter, shape (out_channels, in_channels / groups, kernel rows, kernel columns)
    bias : Parameter, shape (out_channels,), or None

    Raises
    ------
    ValueError
        If an argument is out of range or `groups` does not divide the channels.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> nn.Conv2d(3, 6, 5, rng=0)(np.zeros((1, 3, 32, 32), np.float32)).shape
    (1, 6, 28, 28)
    """

    ndim = 2


class Conv3d(_Conv):
    """3-D convolution (cross-correlation) over (N, C, D, H, W); see `Conv2d`."""

    ndim = 3
