"""Adaptive pooling layers, whose output has a fixed size: AdaptiveAvgPool1d ... 3d, AdaptiveMaxPool1d ... 3d."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from fastconv import functional as F
from fastconv.geometry import adaptive_windows, canonical_integer
from fastconv.nn.layers._arguments import channels_of, spatial_of, volume
from fastconv.nn.module import Module

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
]


class _AdaptivePool(Module):
    """Windows floor(i n / o) .. ceil((i + 1) n / o); see `AdaptiveAvgPool2d`."""

    KIND = "POOL"
    FUNCTION: ClassVar[str]
    ARGUMENTS = ("output_size", "layout")
    HYPERPARAMETERS = ("output_size",)
    ndim: int

    def __init__(self, output_size: Any, *, layout: str | None = None) -> None:
        super().__init__()
        sizes = tuple(output_size) if isinstance(output_size, (tuple, list)) else (output_size,)
        if len(sizes) not in (1, self.ndim):
            raise ValueError(f"output_size (={output_size!r}) must have 1 or {self.ndim} entries")
        sizes = tuple(None if size is None else canonical_integer("output_size", size, 1) for size in sizes)
        self.output_size = sizes if len(sizes) == self.ndim else sizes * self.ndim
        self.layout = volume(self.ndim, layout)
        self._call = getattr(F, f"{self.FUNCTION}{self.ndim}d")
        self._call_backward = getattr(F, f"{self.FUNCTION}{self.ndim}d_backward")

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        """The pooled volume."""
        out = self._kept_buffer(x.shape) if training else None
        y = self._call(x, self.output_size, layout=self.layout, out=out)
        if training:
            self._saved = (x,)
            self._keep_buffer(x.shape, y)
        return y

    def backward(self, dy: np.ndarray, needs_input: bool = True) -> np.ndarray | None:
        """The gradient for the input of the last training call."""
        (x,) = self._take_saved()
        if not needs_input:
            return None
        out = self._kept_buffer(("dx", x.shape))
        dx = self._call_backward(dy, x, self.output_size, layout=self.layout, out=out)
        self._keep_buffer(("dx", x.shape), dx)
        return dx

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """`output_size`, with the size of the input where it is None; the depth is unchanged."""
        channels, size = channels_of(input_shape, self.layout, self)
        output = tuple(n if out is None else out for n, out in zip(size, self.output_size, strict=True))
        return spatial_of(channels, output, self.layout)

    def operations(self, input_shape: tuple[int, ...]) -> int:
        """As the pool with windows of these sizes: k per output for the mean, k-1 for the largest."""
        channels, size = channels_of(input_shape, self.layout, self)
        _, output = channels_of(self.output_shape(input_shape), self.layout, self)
        taps = math.prod(
            sum(stop - start for start, stop in adaptive_windows(n, out)) for n, out in zip(size, output, strict=True)
        )
        return channels * (taps - (math.prod(output) if "max" in self.FUNCTION else 0))


class AdaptiveAvgPool1d(_AdaptivePool):
    """1-D adaptive average pooling over (N, C, W); see `AdaptiveAvgPool2d`."""

    FUNCTION = "adaptive_avg_pool"
    ndim = 1


class AdaptiveAvgPool2d(_AdaptivePool):
    """2-D adaptive average pooling: means over windows that divide any input into `output_size` parts.

    Parameters
    ----------
    output_size : int, None or tuple of them
        Rows and columns of the output; None keeps the input's.
    layout : {"NCHW", "NHWC"}

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> nn.AdaptiveAvgPool2d(1)(np.arange(6, dtype=np.float32).reshape(1, 1, 2, 3))
    array([[[[2.5]]]], dtype=float32)
    """

    FUNCTION = "adaptive_avg_pool"
    ndim = 2


class AdaptiveAvgPool3d(_AdaptivePool):
    """3-D adaptive average pooling over (N, C, D, H, W); see `AdaptiveAvgPool2d`."""

    FUNCTION = "adaptive_avg_pool"
    ndim = 3


class AdaptiveMaxPool1d(_AdaptivePool):
    """1-D adaptive max pooling over (N, C, W); see `AdaptiveMaxPool2d`."""

    FUNCTION = "adaptive_max_pool"
    ndim = 1


class AdaptiveMaxPool2d(_AdaptivePool):
    """2-D adaptive max pooling: the largest elements of the windows of `AdaptiveAvgPool2d`."""

    FUNCTION = "adaptive_max_pool"
    ndim = 2


class AdaptiveMaxPool3d(_AdaptivePool):
    """3-D adaptive max pooling over (N, C, D, H, W); see `AdaptiveMaxPool2d`."""

    FUNCTION = "adaptive_max_pool"
    ndim = 3
