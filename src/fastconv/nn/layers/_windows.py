"""What the pooling layers with a sliding window share: arguments, calls and figures."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from fastconv import functional as F
from fastconv._arguments import flag
from fastconv.geometry import (
    Pairs,
    canonical_padding,
    canonical_spatial,
    check_windows,
    pool_output_size,
    resolve_padding,
    unused_input,
)
from fastconv.graph import Node, Program
from fastconv.nn.layers._arguments import channels_of, plain_padding, spatial_of, volume
from fastconv.nn.module import Module


class WindowPool(Module):
    """A window that slides over every depth slice apart; the subclass names the function."""

    KIND = "POOL"
    #: name of the functional without its dimension, e.g. "max_pool"
    FUNCTION: ClassVar[str]
    #: what passes see of it: a max-pool may be fused
    OPERATION: ClassVar[str] = "call"
    ndim: int

    def __init__(
        self, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool, layout: str | None
    ) -> None:
        super().__init__()
        self.kernel_size = canonical_spatial("kernel_size", kernel_size, self.ndim, 1)
        self.stride = self.kernel_size if stride is None else canonical_spatial("stride", stride, self.ndim, 1)
        self.padding = plain_padding(padding, self.ndim)
        self.dilation = canonical_spatial("dilation", dilation, self.ndim, 1)
        self.ceil_mode = flag("ceil_mode", ceil_mode)
        self.layout = volume(self.ndim, layout)
        self._call = getattr(F, f"{self.FUNCTION}{self.ndim}d")
        self._call_backward = getattr(F, f"{self.FUNCTION}{self.ndim}d_backward")
        self._options = {**self._arguments(), "layout": self.layout}

    def _arguments(self) -> dict[str, Any]:
        """Arguments of the functional, layout apart."""
        raise NotImplementedError

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        """The pooled volume."""
        if not training:
            return self._call(x, **self._options)
        y = self._call(x, out=self._kept_buffer(x.shape), **self._options)
        self._saved = (x, y)
        self._keep_buffer(x.shape, y)
        return y

    def backward(self, dy: np.ndarray, needs_input: bool = True) -> np.ndarray | None:
        """The gradient for the input of the last training call."""
        x, _ = self._take_saved()
        if not needs_input:
            return None
        dx = self._call_backward(dy, x, out=self._kept_buffer(("dx", x.shape)), **self._options)
        self._keep_buffer(("dx", x.shape), dx)
        return dx

    def _geometry(self, input_shape: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...], Pairs, int]:
        """Input size, output size, padding and channels."""
        channels, size = channels_of(input_shape, self.layout, self)
        named = canonical_padding("padding", self.padding, self.ndim)
        padding = resolve_padding(named, size, self.kernel_size, self.stride, self.dilation)
        output = pool_output_size(size, self.kernel_size, self.stride, self.dilation, padding, ceil_mode=self.ceil_mode)
        check_windows(size, self.kernel_size, self.stride, self.dilation, padding, output)
        return size, output, padding, channels

    def emit(self, program: Program, x: Node, name: str) -> Node:
        """A pool that writes where the program wants its result."""
        shape = (x.shape[0], *self.output_shape(x.shape[1:]))

        def pool(x: np.ndarray, out: np.ndarray) -> np.ndarray:
            return self._call(x, out=out, **self._options)

        options = {"function": pool, "out": True, "halves": self._halves(x.shape[1:]), "layout": self.layout}
        return program.add(self.OPERATION, (x,), name, shape=shape, **options)

    def _halves(self, input_shape: tuple[int, ...]) -> bool:
        """Whether the windows are 2x2, side by side, without padding."""
        size, _, padding, _ = self._geometry(input_shape)
        plain = self.kernel_size == self.stride == (2,) * self.ndim and self.dilation == (1,) * self.ndim
        return plain and not np.any(padding) and not (self.ceil_mode and any(extent % 2 for extent in size))

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """floor((m + 2p - k)/s) + 1 per axis (ceil with `ceil_mode`); the depth is unchanged."""
        _, output, _, channels = self._geometry(input_shape)
        return spatial_of(channels, output, self.layout)

    def unused_input(self, input_shape: tuple[int, ...]) -> tuple[np.ndarray, ...]:
        """Positions along each axis that no window reads."""
        size, output, padding, _ = self._geometry(input_shape)
        return unused_input(size, self.kernel_size, self.stride, self.dilation, padding, output)

    def _outputs(self, input_shape: tuple[int, ...]) -> int:
        return math.prod(self.output_shape(input_shape))
