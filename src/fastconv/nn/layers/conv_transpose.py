"""Transposed convolution layers: ConvTranspose1d, ConvTranspose2d, ConvTranspose3d."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv.geometry import canonical_padding, canonical_spatial, conv_transpose_geometry
from fastconv.nn.layers._arguments import spatial_of
from fastconv.nn.layers._filters import FilterLayer

__all__ = ["ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]


class _ConvTranspose(FilterLayer):
    """The adjoint of a convolution: enlarges a volume by its stride; see `ConvTranspose2d`."""

    FUNCTION = "conv_transpose"
    ARGUMENTS = (
        "in_channels", "out_channels", "kernel_size", "stride", "padding", "output_padding", "groups", "bias",
        "dilation", "layout", "dtype",
    )  # fmt: skip
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
        self.output_padding = canonical_spatial("output_padding", output_padding, self.ndim, 0)
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, layout, dtype)
        self.reset_parameters(rng)

    def _channels(self) -> tuple[int, int]:
        return self.in_channels, self.out_channels // self.groups

    def _arguments(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        positional = (self.stride, self.padding, self.output_padding, self.groups, self.dilation)
        return positional, {"layout": self.layout}

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """(n - 1)s - 2p + d(k - 1) + output_padding + 1 per axis."""
        spatial = self._spatial(input_shape)
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
