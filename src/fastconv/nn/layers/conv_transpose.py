"""Transposed convolution layers: ConvTranspose1d, ConvTranspose2d, ConvTranspose3d."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv import functional as F
from fastconv.geometry import canonical_padding, canonical_spatial, conv_transpose_geometry
from fastconv.nn import init
from fastconv.nn.layers._arguments import channels_of, float_type, needed_gradients, positive, spatial_of, volume
from fastconv.nn.module import Module, Parameter

__all__ = ["ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]


class _ConvTranspose(Module):
    """The adjoint of a convolution: enlarges a volume by its stride; see `ConvTranspose2d`."""

    KIND = "CONV"
    FUSES_RELU = True
    ndim: int

    ARGUMENTS = (
        "in_channels", "out_channels", "kernel_size", "stride", "padding", "output_padding", "groups", "bias",
        "dilation", "layout", "dtype",
    )  # fmt: skip
    PARAMETERS = ("weight", "bias")
    HYPERPARAMETERS = ("out_channels", "kernel_size", "stride", "padding", "output_padding", "dilation", "groups")

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: Any = 0,
        output_padding: int | tuple[int, ...] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | tuple[int, ...] = 1,
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
        self.output_padding = canonical_spatial("output_padding", output_padding, self.ndim, 0)
        self.padding = padding
        canonical_padding("padding", padding, self.ndim)
        self.groups = positive("groups", groups)
        for name, value in (("in_channels", self.in_channels), ("out_channels", self.out_channels)):
            if value % self.groups:
                raise ValueError(f"groups (={groups}) must divide {name} (={value})")
        self.layout = volume(self.ndim, layout)
        self.dtype = float_type(dtype)
        shape = (self.in_channels, self.out_channels // self.groups, *self.kernel_size)
        self.weight = Parameter(np.empty(shape, self.dtype))
        self.bias = Parameter(np.empty(self.out_channels, self.dtype)) if bias else None
        self._call = getattr(F, f"conv_transpose{self.ndim}d")
        self._call_backward = getattr(F, f"conv_transpose{self.ndim}d_backward")
        self._positional = (self.stride, padding, self.output_padding, self.groups, self.dilation)
        self.reset_parameters(rng)

    def reset_parameters(self, rng: int | np.random.Generator | None = None) -> None:
        """Draw weight and bias as PyTorch does (its fan-in is that of the second weight axis)."""
        fan_in = math.prod(self.weight.data.shape[1:])
        init.kaiming_uniform(rng, self.weight, self.bias, fan_in)

    def forward(self, x: np.ndarray, training: bool = False, activation: str | None = None) -> np.ndarray:
        """The enlarged volume of `x`; `activation` is applied in the same pass."""
        bias = None if self.bias is None else self.bias.data
        out = self._kept_buffer(x.shape) if training else None
        y = self._call(x, self.weight.data, bias, *self._positional, layout=self.layout, activation=activation, out=out)
        if training:
            self._saved = (x, y, activation)
            self._keep_buffer(x.shape, y)
        return y

    def backward(self, dy: np.ndarray, needs_input: bool = True, masked: bool = False) -> np.ndarray | None:
        """The gradient for x is the plain convolution of `dy` with the weight; `masked` as for `Conv2d`."""
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
            activation=activation, y=y if activation else None, layout=self.layout,
        )  # fmt: skip
        if needs_input:
            self._keep_buffer(("dx", x.shape), dx)
        return dx

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """(n - 1)s - 2p + d(k - 1) + output_padding + 1 per axis."""
        channels, spatial = channels_of(input_shape, self.layout, self)
        if channels != self.in_channels:
            raise ValueError(f"{self!r} takes {self.in_channels} channels, got an input of shape {input_shape}")
        padding = canonical_padding("padding", self.padding, self.ndim)
        size, _ = conv_transpose_geometry(
            spatial, self.kernel_size, self.stride, self.dilation, padding, self.output_padding
        )
        return spatial_of(self.out_channels, size, self.layout)

    def operations(self, input_shape: tuple[int, ...]) -> int:
        """One multiplication and one addition for every input, output channel and tap, cropped ones included."""
        return 2 * math.prod(input_shape) * math.prod(self.weight.data.shape[1:])


class ConvTranspose1d(_ConvTranspose):
    """1-D transposed convolution over (N, C, W); see `ConvTranspose2d`."""

    ndim = 1


class ConvTranspose2d(_ConvTranspose):
    """2-D transposed convolution over (N, C, H, W): the gradient of `Conv2d` for its input, used to enlarge.

    ``y[n, o, i*s + k*d - p, j*s + l*d - p] += x[n, c, i, j] weight[c, o, k, l]``, plus ``bias[o]``

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, dilation : int or tuple of int
    padding : int, tuple, nested pairs or {"valid", "same", "same_lower", "full"}
        What is cropped from the full result.
    output_padding : int or tuple of int
        Rows and columns added at the end; smaller than the stride or the dilation.
    groups : int
    bias : bool
    layout : {"NCHW", "NHWC"}
    dtype : {float32, float64}
    rng : int or numpy.random.Generator, optional

    Attributes
    ----------
    weight : Parameter, shape (in_channels, out_channels / groups, kernel rows, kernel columns)
    bias : Parameter, shape (out_channels,), or None

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> nn.ConvTranspose2d(8, 4, 4, stride=2, padding=1, rng=0)(np.zeros((1, 8, 7, 7), np.float32)).shape
    (1, 4, 14, 14)
    """

    ndim = 2


class ConvTranspose3d(_ConvTranspose):
    """3-D transposed convolution over (N, C, D, H, W); see `ConvTranspose2d`."""

    ndim = 3
