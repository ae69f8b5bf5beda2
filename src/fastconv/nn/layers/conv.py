"""Convolution layers: Conv1d, Conv2d, Conv3d."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from fastconv.geometry import canonical_padding, conv_output_size, resolve_padding, unused_input
from fastconv.graph import Node, Program
from fastconv.nn.layers._arguments import channels_of, spatial_of
from fastconv.nn.layers._filters import FilterLayer

__all__ = ["PADDING_MODES", "Conv1d", "Conv2d", "Conv3d"]

#: PyTorch's names for the border, and what the functional calls them
PADDING_MODES = {
    "zeros": "zeros",
    "reflect": "reflect",
    "replicate": "edge",
    "circular": "wrap",
    "symmetric": "symmetric",
}


class _Conv(FilterLayer):
    """Feature maps y[o] = bias[o] + sum_i cross-correlation(x[i], weight[o, i]); see `Conv2d`."""

    FUNCTION = "conv"
    ARGUMENTS: ClassVar[tuple[str, ...]] = (
        "in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups", "bias",
        "padding_mode", "layout", "dtype",
    )  # fmt: skip
    HYPERPARAMETERS: ClassVar[tuple[str, ...]] = (
        "out_channels", "kernel_size", "stride", "padding", "dilation", "groups",
    )  # fmt: skip

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
        if padding_mode not in PADDING_MODES:
            raise ValueError(f"padding_mode (={padding_mode!r}) must be one of {', '.join(PADDING_MODES)}")
        self.padding_mode = padding_mode
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, layout, dtype)
        self.reset_parameters(rng)

    def _channels(self) -> tuple[int, int]:
        return self.out_channels, self.in_channels // self.groups

    def _arguments(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        positional = (self.stride, self.padding, self.dilation, self.groups)
        return positional, {"layout": self.layout, "border": PADDING_MODES[self.padding_mode]}

    def emit(self, program: Program, x: Node, name: str) -> Node:
        """A convolution, which what follows may be fused into."""
        self.output_shape(x.shape[1:])
        options = {key: getattr(self, key) for key in ("stride", "padding", "dilation", "groups", "layout")}
        bias = None if self.bias is None else self.bias.data
        border = PADDING_MODES[self.padding_mode]
        return program.add("conv", (x,), name, weight=self.weight.data, bias=bias, border=border, **options)

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """floor((m + 2p - k)/s) + 1 per axis; the depth is the number of filters."""
        spatial = self._spatial(input_shape)
        size = conv_output_size(spatial, self.kernel_size, self.stride, self.dilation, self.resolved_padding(spatial))
        return spatial_of(self.out_channels, size, self.layout)

    def resolved_padding(self, spatial: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
        """Padding before and after, per axis, for an input of these sizes."""
        padding = canonical_padding("padding", self.padding, self.ndim)
        return resolve_padding(padding, spatial, self.kernel_size, self.stride, self.dilation)

    def unused_input(self, input_shape: tuple[int, ...]) -> tuple[np.ndarray, ...]:
        """Positions along each axis that no filter reads."""
        spatial = self._spatial(input_shape)
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
