"""The naive side of bench_naive.py: Python loops on a part of a layer, and NumPy without a convolution routine.

A part is a smaller layer of the same kind, a few channels or a few pixels of the outputs, so that loops of one
iteration per multiply-add end in a reasonable time; the time of the whole layer is that of the part times the ratio of
iterations. Convolutions, linear layers, ReLU and softmax use the loops of fastconv.reference; pools have their own
here, without the bookkeeping of indices and borders, which would flatter the comparison.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


@dataclass(frozen=True)
class Conv:
    """One convolution layer: a square kernel with the same stride and padding on both axes."""

    n: int
    channels: int
    height: int
    width: int
    filters: int
    kernel: int
    stride: int
    padding: int
    groups: int

    @property
    def out(self) -> tuple[int, int]:
        return tuple((size + 2 * self.padding - self.kernel) // self.stride + 1 for size in (self.height, self.width))

    @property
    def depthwise(self) -> bool:
        return self.groups == self.channels > 1

    @property
    def multiply_adds(self) -> int:
        return self.n * self.filters * self.out[0] * self.out[1] * self.channels // self.groups * self.kernel**2

    def part(self, pass_name: str, iterations: int) -> Conv:
        """A layer of about `iterations` multiply-adds that computes a part of this one's outputs of a pass.

        forward: some filters at some pixels, all channels. backward_data: some channels at some pixels, all filters.
        backward_weights: some filters and channels, all pixels of one image. Depthwise layers: some channels.
        """
        layer = replace(self, n=1)
        if self.depthwise:
            channels = max(1, iterations * self.channels // layer.multiply_adds)
            kept = min(channels, self.channels)
            layer = replace(layer, channels=kept, filters=kept, groups=kept)
        elif pass_name == "backward_weights":
            pairs = max(1, iterations * self.channels * self.filters // layer.multiply_adds)
            channels = min(self.channels, pairs)
            layer = replace(layer, channels=channels, filters=max(1, min(self.filters, pairs // channels)))
        else:
            pixels, reduced = 4, self.channels if pass_name == "forward" else self.filters
            edge = min(self.height, self.width, (pixels - 1) * self.stride + self.kernel)
            count = max(1, iterations // (reduced * self.kernel**2 * pixels**2))
            layer = replace(layer, height=edge, width=edge, padding=0)
            if pass_name == "forward":
                layer = replace(layer, filters=min(self.filters, count))
            else:
                layer = replace(layer, channels=min(self.channels, count))
        return layer


def numpy_conv(layer: Conv, pass_name: str, x: np.ndarray, w: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """One pass with sliding_window_view and tensordot (einsum for depthwise layers)."""
    k, s, p = layer.kernel, layer.stride, layer.padding
    if pass_name == "backward_data":
        return _numpy_backward_data(layer, w, dy)
    padded = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    windows = sliding_window_view(padded, (k, k), axis=(2, 3))[:, :, ::s, ::s]
    if pass_name == "forward":
        if layer.depthwise:
            return np.einsum("nchwij,cij->nchw", windows, w[:, 0])
        return np.tensordot(windows, w, ((1, 4, 5), (1, 2, 3))).transpose(0, 3, 1, 2)
    if layer.depthwise:
        return np.einsum("nchwij,nchw->cij", windows, dy)[:, None]
    return np.tensordot(dy, windows, ((0, 2, 3), (0, 2, 3)))


def _numpy_backward_data(layer: Conv, w: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """Correlation of the spread and padded gradient with the rotated filters."""
    k, s, p = layer.kernel, layer.stride, layer.padding
    size = (layer.height + k - 1, layer.width + k - 1)
    spread = np.zeros((*dy.shape[:2], size[0] + 2 * p, size[1] + 2 * p), dy.dtype)
    rows, columns = dy.shape[2:]
    spread[:, :, k - 1 : k - 1 + rows * s : s, k - 1 : k - 1 + columns * s : s] = dy
    windows = sliding_window_view(spread[:, :, p : p + size[0], p : p + size[1]], (k, k), axis=(2, 3))
    rotated = w[:, :, ::-1, ::-1]
    if layer.depthwise:
        return np.einsum("nchwij,cij->nchw", windows, rotated[:, 0])
    return np.tensordot(windows, rotated, ((1, 4, 5), (0, 2, 3))).transpose(0, 3, 1, 2)


@dataclass(frozen=True)
class Pool:
    """One pool layer: a square window."""

    n: int
    channels: int
    height: int
    width: int
    kernel: int
    stride: int
    padding: int

    @property
    def out(self) -> tuple[int, int]:
        return tuple((size + 2 * self.padding - self.kernel) // self.stride + 1 for size in (self.height, self.width))

    @property
    def elements(self) -> int:
        """Elements looked at."""
        return self.n * self.channels * self.out[0] * self.out[1] * self.kernel**2


def naive_pool(layer: Pool, kind: str, x: np.ndarray) -> np.ndarray:
    """Max or average pool without padding, one Python iteration per element of a window."""
    k, s = layer.kernel, layer.stride
    y = np.empty((*x.shape[:2], *layer.out), x.dtype)
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            for i in range(layer.out[0]):
                for j in range(layer.out[1]):
                    value = -np.inf if kind == "max" else 0.0
                    for a in range(k):
                        for b in range(k):
                            element = x[n, c, i * s + a, j * s + b]
                            if kind == "avg":
                                value += element
                            elif element > value:
                                value = element
                    y[n, c, i, j] = value if kind == "max" else value / k**2
    return y


def naive_pool_backward(layer: Pool, kind: str, dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Gradient of `naive_pool`, one Python iteration per element of a window."""
    k, s = layer.kernel, layer.stride
    dx = np.zeros_like(x)
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            for i in range(layer.out[0]):
                for j in range(layer.out[1]):
                    best, at = -np.inf, (0, 0)
                    for a in range(k):
                        for b in range(k):
                            if kind == "avg":
                                dx[n, c, i * s + a, j * s + b] += dy[n, c, i, j] / k**2
                            elif x[n, c, i * s + a, j * s + b] > best:
                                best, at = x[n, c, i * s + a, j * s + b], (i * s + a, j * s + b)
                    if kind == "max":
                        dx[n, c, at[0], at[1]] += dy[n, c, i, j]
    return dx


def numpy_pool(layer: Pool, kind: str, x: np.ndarray) -> np.ndarray:
    """The same with sliding_window_view and a reduction."""
    k, s = layer.kernel, layer.stride
    windows = sliding_window_view(x, (k, k), axis=(2, 3))[:, :, ::s, ::s]
    return windows.max(axis=(4, 5)) if kind == "max" else windows.mean(axis=(4, 5))
