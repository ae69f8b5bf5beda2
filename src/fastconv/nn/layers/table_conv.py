"""TableConv2d: a convolution whose filters see what a table gives them, as in the third layer of LeNet-5."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv import functional as F
from fastconv.geometry import canonical_integer, canonical_padding, canonical_spatial, conv_output_size, resolve_padding
from fastconv.graph import Node, Program
from fastconv.nn import init
from fastconv.nn.layers._arguments import (
    channels_of,
    float_type,
    needed_gradients,
    plain_padding,
    positive,
    spatial_of,
    volume,
)
from fastconv.nn.module import Module, Parameter

__all__ = ["TableConv2d"]


class TableConv2d(Module):
    """``y[o] = bias[o] + sum over i in connections[o] of cross-correlation(x[i], weight of the pair)``.

    It runs as a convolution whose other kernels are zero.

    Parameters
    ----------
    in_channels : int
    connections : sequence of sequences of int
        For each filter the inputs that it sees.
    kernel_size, stride : int or tuple of int
    padding : int, tuple, nested pairs or {"valid", "same", "same_lower", "full"}
    bias : bool
    layout : {"NCHW", "NHWC"}
    dtype : {float32, float64}
    rng : int or numpy.random.Generator, optional

    Attributes
    ----------
    weight : Parameter, shape (number of pairs, kernel rows, kernel columns)
        Pairs in the order of the table.
    bias : Parameter, shape (number of filters,), or None

    Raises
    ------
    ValueError
        If a filter sees nothing, an input twice, or an input that does not exist.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> layer = nn.TableConv2d(3, [(0, 1), (1, 2)], 5, rng=0)
    >>> layer.weight.data.shape, layer(np.zeros((1, 3, 8, 8), np.float32)).shape
    ((4, 5, 5), (1, 2, 4, 4))
    """

    KIND = "CONV"
    ARGUMENTS = ("in_channels", "connections", "kernel_size", "stride", "padding", "bias", "layout", "dtype")
    PARAMETERS = ("weight", "bias")
    HYPERPARAMETERS = ("connections", "kernel_size", "stride", "padding")

    def __init__(
        self,
        in_channels: int,
        connections: Any,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: Any = 0,
        bias: bool = True,
        *,
        layout: str | None = None,
        dtype: Any = np.float32,
        rng: int | np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        self.in_channels = positive("in_channels", in_channels)
        self.connections = _table(connections, self.in_channels)
        self.kernel_size = canonical_spatial("kernel_size", kernel_size, 2, 1)
        self.stride = canonical_spatial("stride", stride, 2, 1)
        self.padding = plain_padding(padding, 2)
        self.layout = volume(2, layout)
        self.dtype = float_type(dtype)
        self._filters = np.repeat(np.arange(len(self.connections)), [len(row) for row in self.connections])
        self._inputs = np.concatenate([np.array(row, np.intp) for row in self.connections])
        self.weight = Parameter(np.empty((len(self._inputs), *self.kernel_size), self.dtype))
        self.bias = Parameter(np.empty(len(self.connections), self.dtype)) if bias else None
        self.reset_parameters(rng)

    def reset_parameters(self, rng: int | np.random.Generator | None = None) -> None:
        """Draw weight and bias as `init.kaiming_uniform` does, for each filter by what it sums over."""
        if rng is init.UNSET:
            return
        generator = np.random.default_rng(rng)
        fan_in = np.array([len(row) for row in self.connections]) * math.prod(self.kernel_size)
        bound = 1 / np.sqrt(fan_in)
        self.weight.data[...] = generator.uniform(-1, 1, self.weight.data.shape) * bound[self._filters, None, None]
        if self.bias is not None:
            self.bias.data[...] = generator.uniform(-1, 1, len(bound)) * bound

    def _dense(self, kept: np.ndarray | None = None) -> np.ndarray:
        """The weight with the kernels of all pairs, zero where the table has none."""
        if kept is None:
            kept = np.zeros((len(self.connections), self.in_channels, *self.kernel_size), self.weight.data.dtype)
        kept[self._filters, self._inputs] = self.weight.data
        return kept

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        """The feature maps of `x`."""
        self.output_shape(x.shape[1:])
        bias = None if self.bias is None else self.bias.data
        dense = self._dense(self._kept_buffer("weight") if training else None)
        out = self._kept_buffer(x.shape) if training else None
        y = F.conv2d(x, dense, bias, self.stride, self.padding, layout=self.layout, out=out)
        if training:
            self._saved = (x, dense)
            self._keep_buffer("weight", dense)
            self._keep_buffer(x.shape, y)
        return y

    def backward(self, dy: np.ndarray, needs_input: bool = True) -> np.ndarray | None:
        """That of the convolution; gradients for kernels that the table does not have are dropped."""
        x, dense = self._take_saved()
        out = (
            self._kept_buffer(("dx", x.shape)) if needs_input else None,
            self._kept_buffer("dweight"),
            None if self.bias is None else self.bias.gradient(),
        )
        dx, dweight, _ = F.conv2d_backward(
            dy, x, dense, self.stride, self.padding, layout=self.layout, out=out,
            needs=needed_gradients(needs_input, self.bias is not None),
        )  # fmt: skip
        assert dweight is not None
        self.weight.gradient()[...] = dweight[self._filters, self._inputs]
        self._keep_buffer("dweight", dweight)
        if needs_input:
            self._keep_buffer(("dx", x.shape), dx)
        return dx

    def emit(self, program: Program, x: Node, name: str) -> Node:
        """A convolution, which what follows may be fused into."""
        self.output_shape(x.shape[1:])
        bias = None if self.bias is None else self.bias.data
        return program.add(
            "conv", (x,), name, weight=self._dense(), bias=bias, border="zeros", stride=self.stride,
            padding=self.padding, dilation=(1, 1), groups=1, layout=self.layout,
        )  # fmt: skip

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """floor((m + 2p - k)/s) + 1 per axis; the depth is the number of filters."""
        channels, spatial = channels_of(input_shape, self.layout, self)
        if channels != self.in_channels:
            raise ValueError(f"{self!r} takes {self.in_channels} channels, got an input of shape {input_shape}")
        padding = canonical_padding("padding", self.padding, 2)
        resolved = resolve_padding(padding, spatial, self.kernel_size, self.stride, (1, 1))
        size = conv_output_size(spatial, self.kernel_size, self.stride, (1, 1), resolved)
        return spatial_of(len(self.connections), size, self.layout)

    def operations(self, input_shape: tuple[int, ...]) -> int:
        """k multiplications and k-1 additions per output of a filter, one more addition with a bias."""
        _, spatial = channels_of(self.output_shape(input_shape), self.layout, self)
        filters = len(self.connections)
        return math.prod(spatial) * (2 * self.weight.data.size - filters + (self.bias is not None) * filters)


def _table(connections: Any, in_channels: int) -> tuple[tuple[int, ...], ...]:
    if not isinstance(connections, (tuple, list)) or not connections:
        raise TypeError(f"connections (={connections!r}) must be a sequence with the inputs of each filter")
    table = []
    for row in connections:
        if not isinstance(row, (tuple, list)) or not row:
            raise ValueError(f"connections holds {row!r}: each filter needs a sequence of at least one input")
        inputs = tuple(canonical_integer("connections", index, 0) for index in row)
        if max(inputs) >= in_channels or len(set(inputs)) < len(inputs):
            raise ValueError(f"connections holds {row!r}: inputs are 0..{in_channels - 1}, each at most once")
        table.append(inputs)
    return tuple(table)
