"""Pooling in float64 as the definition reads: a loop over windows, vectorised over images and channels only.

Arrays are channels first with one to three spatial axes. Nothing here is shared with the package.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Windows:
    """The windows of one pool: per axis and output the positions inside the input, and how many count with padding."""

    size: tuple[int, ...]
    positions: tuple[tuple[np.ndarray, ...], ...]
    counted: tuple[tuple[int, ...], ...]
    taps: int = 1

    @property
    def output(self):
        return tuple(len(axis) for axis in self.positions)

    def __iter__(self):
        """Yield (output index, flat positions in row-major order, number of elements with padding)."""
        strides = np.cumprod([1, *self.size[:0:-1]])[::-1]
        for index in itertools.product(*map(range, self.output)):
            flat = np.zeros(1, np.int64)
            for axis, (p, stride) in enumerate(zip(index, strides, strict=True)):
                flat = np.add.outer(flat, self.positions[axis][p] * stride).ravel()
            yield index, flat, int(np.prod([self.counted[axis][p] for axis, p in enumerate(index)]))


def sliding(size, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
    """Windows of a sliding pool; padding is an int, one int per axis, or one (before, after) pair per axis."""
    rank = len(size)
    kernel, dilation = _each(kernel_size, rank), _each(dilation, rank)
    stride = kernel if stride is None else _each(stride, rank)
    pads = tuple(_each(entry, 2) for entry in _each(padding, rank))
    positions, counted = [], []
    for n, k, s, d, (before, after) in zip(size, kernel, stride, dilation, pads, strict=True):
        room = n + before + after - d * (k - 1) - 1
        outputs = -(-room // s) + 1 if ceil_mode else room // s + 1
        if ceil_mode and (outputs - 1) * s >= n + before:
            outputs -= 1
        starts = [p * s - before for p in range(outputs)]
        taps = [[start + t * d for t in range(k)] for start in starts]
        positions.append(tuple(np.array([i for i in window if 0 <= i < n]) for window in taps))
        counted.append(tuple(sum(i < n + after for i in window) for window in taps))
    return Windows(tuple(size), tuple(positions), tuple(counted), int(np.prod(kernel)))


def adaptive(size, output_size):
    """Windows of an adaptive pool; None keeps the size of an axis."""
    outputs = [n if o is None else o for n, o in zip(size, _each(output_size, len(size)), strict=True)]
    positions = tuple(
        tuple(np.arange(p * n // o, -(-(p + 1) * n // o)) for p in range(o)) for n, o in zip(size, outputs, strict=True)
    )
    return Windows(tuple(size), positions, tuple(tuple(len(window) for window in axis) for axis in positions))


def _each(value, count):
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * count


def _planes(x):
    return x.reshape(*x.shape[:2], -1).astype(np.float64)


def max_pool(x, windows):
    """The first largest element of every window (a NaN is larger than all), and its flat position."""
    planes = _planes(x)
    y = np.zeros(x.shape[:2] + windows.output)
    indices = np.zeros(y.shape, np.int64)
    for index, flat, _ in windows:
        best = np.argmax(planes[:, :, flat], axis=-1)
        indices[(..., *index)] = flat[best]
        y[(..., *index)] = np.take_along_axis(planes[:, :, flat], best[..., None], -1)[..., 0]
    return y, indices


def max_pool_backward(dy, x, windows, ties="first"):
    """Gradient of `max_pool`."""
    planes, dx = _planes(x), np.zeros(_planes(x).shape)
    for index, flat, _ in windows:
        values = planes[:, :, flat]
        hits = np.isnan(values) | (values == values.max(axis=-1, keepdims=True))
        if ties == "first":
            hits &= np.cumsum(hits, axis=-1) == 1
        share = hits / hits.sum(axis=-1, keepdims=True) if ties == "split" else hits
        dx[:, :, flat] += share * dy[(..., *index)][..., None]
    return dx.reshape(x.shape)


def _divisor(flat, counted, count_include_pad, divisor):
    return divisor if divisor else counted if count_include_pad else len(flat)


def avg_pool(x, windows, count_include_pad=True, divisor=None):
    """The mean of every window."""
    planes, y = _planes(x), np.zeros(x.shape[:2] + windows.output)
    for index, flat, counted in windows:
        y[(..., *index)] = planes[:, :, flat].sum(axis=-1) / _divisor(flat, counted, count_include_pad, divisor)
    return y


def avg_pool_backward(dy, x, windows, count_include_pad=True, divisor=None):
    """Gradient of `avg_pool`."""
    dx = np.zeros(_planes(x).shape)
    for index, flat, counted in windows:
        share = dy[(..., *index)].astype(np.float64) / _divisor(flat, counted, count_include_pad, divisor)
        dx[:, :, flat] += share[..., None]
    return dx.reshape(x.shape)


def lp_pool(x, windows, p, signed=False):
    """The p-norm of every window; signed: the root of the mean of x^p times the size of the kernel."""
    planes, y = _planes(x), np.zeros(x.shape[:2] + windows.output)
    for index, flat, counted in windows:
        values = planes[:, :, flat]
        if np.isinf(p):
            y[(..., *index)] = np.abs(values).max(axis=-1)
        elif signed:
            y[(..., *index)] = ((values**p).sum(axis=-1) / counted * windows.taps) ** (1 / p)
        else:
            y[(..., *index)] = (np.abs(values) ** p).sum(axis=-1) ** (1 / p)
    return y


def lp_pool_backward(dy, x, windows, p):
    """Gradient of `lp_pool`: 0 where the norm or the element is 0, the first largest magnitude where p is infinite."""
    planes, dx = _planes(x), np.zeros(_planes(x).shape)
    y = lp_pool(x, windows, p)
    for index, flat, _ in windows:
        values, norm = planes[:, :, flat], y[(..., *index)][..., None]
        with np.errstate(divide="ignore", invalid="ignore"):
            if np.isinf(p):
                hits = np.abs(values) == norm
                slope = (hits & (np.cumsum(hits, axis=-1) == 1)).astype(np.float64)
            else:
                slope = np.where((norm == 0) | (values == 0), 0, (np.abs(values) / norm) ** (p - 1))
        dx[:, :, flat] += np.sign(values) * slope * dy[(..., *index)][..., None]
    return dx.reshape(x.shape)


def max_unpool(x, indices, size):
    """Elements put to their flat positions; zeros elsewhere."""
    y = np.zeros((*x.shape[:2], int(np.prod(size))))
    np.put_along_axis(y, indices.reshape(*x.shape[:2], -1), _planes(x), axis=-1)
    return y.reshape(*x.shape[:2], *size)
