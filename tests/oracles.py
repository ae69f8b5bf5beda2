"""Convolution in float64 with vectorised NumPy: the oracle that is quick enough for every test.

It shares no formula with the package: sizes, paddings and borders are worked out here again, from `numpy.pad`.
Arrays are channels first with any number of spatial axes; `test_oracles.py` holds it against `fastconv.reference`.
"""

from __future__ import annotations

import string
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


@dataclass(frozen=True)
class Options:
    """The spatial arguments of a convolution, one entry per axis; pad holds (before, after) pairs."""

    stride: tuple[int, ...]
    pad: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    groups: int = 1
    flip: bool = False
    border: str | float = "zeros"


def options(rank, stride=1, padding=0, dilation=1, groups=1, flip=False, border="zeros", size=None, kernel=None):
    """`Options` from the public spellings; named padding needs the input's size and the kernel's."""
    strides, dilations = _per_axis(stride, rank), _per_axis(dilation, rank)
    if isinstance(padding, str):
        pad = tuple(
            _named(padding, n, d * (k - 1) + 1, s) for n, k, s, d in zip(size, kernel, strides, dilations, strict=True)
        )
    else:
        pad = tuple((p, p) if isinstance(p, int) else tuple(p) for p in _per_axis(padding, rank))
    return Options(strides, pad, dilations, groups, flip, border)


def _per_axis(value, rank):
    value = (value,) if isinstance(value, int) else tuple(value)
    return value * rank if len(value) == 1 else value


def _named(name, n, span, stride):
    if name == "valid":
        return 0, 0
    if name == "full":
        return span - 1, span - 1
    out = (n + stride - 1) // stride
    total = max(0, (out - 1) * stride + span - n)
    return ((total + 1) // 2, total // 2) if name == "same_lower" else (total // 2, (total + 1) // 2)


def _sources(n, pair, border):
    """Input index at every position of a padded axis, -1 for a constant."""
    mode = "constant" if border == "zeros" or not isinstance(border, str) else border
    keywords = {"constant_values": -1} if mode == "constant" else {}
    return np.pad(np.arange(n), pair, mode=mode, **keywords)


def pad(x, o):
    """Input with its border, float64."""
    value = 0.0 if isinstance(o.border, str) else o.border
    x = np.asarray(x, dtype=np.float64)
    for axis, pair in enumerate(o.pad, start=2):
        source = _sources(x.shape[axis], pair, o.border)
        x = np.take(x, np.maximum(source, 0), axis=axis)
        outside = np.expand_dims(source < 0, tuple(i for i in range(x.ndim) if i != axis))
        x = np.where(outside, value, x)
    return x


def _fold(wide, size, o):
    """Adjoint of `pad`."""
    for axis, (pair, n) in enumerate(zip(o.pad, size, strict=True), start=2):
        source = _sources(n, pair, o.border)
        moved = np.moveaxis(wide, axis, 0)
        folded = np.zeros((n, *moved.shape[1:]))
        np.add.at(folded, source[source >= 0], moved[source >= 0])
        wide = np.moveaxis(folded, 0, axis)
    return wide


def _windows(wide, kernel, o):
    """View (N, C, out..., k...) of a padded input."""
    rank = len(kernel)
    spans = tuple(d * (k - 1) + 1 for k, d in zip(kernel, o.dilation, strict=True))
    view = sliding_window_view(wide, spans, axis=tuple(range(2, 2 + rank)))
    steps = tuple(slice(None, None, s) for s in (*o.stride, *o.dilation))
    return view[(slice(None), slice(None), *steps)]


def _letters(rank):
    letters = string.ascii_lowercase
    return letters[10 : 10 + rank], letters[20 : 20 + rank]


def _split(array, groups, axis):
    """`axis` of channels as two: group, channel within it."""
    shape = array.shape
    return array.reshape(*shape[:axis], groups, shape[axis] // groups, *shape[axis + 1 :])


def _turned(weight, o):
    weight = np.asarray(weight, dtype=np.float64)
    return np.flip(weight, tuple(range(2, weight.ndim))) if o.flip else weight


def conv(x, weight, bias=None, o=None):
    """Forward convolution."""
    kernel = weight.shape[2:]
    p, k = _letters(len(kernel))
    windows = _split(_windows(pad(x, o), kernel, o), o.groups, 1)
    filters = _split(_turned(weight, o), o.groups, 0)
    y = np.einsum(f"ngc{p}{k},gfc{k}->ngf{p}", windows, filters, optimize=True)
    y = y.reshape(len(x), weight.shape[0], *windows.shape[3 : 3 + len(kernel)])
    return y if bias is None else y + np.asarray(bias, dtype=np.float64).reshape(-1, *(1,) * len(kernel))


def conv_backward_data(dy, x_shape, weight, o):
    """Gradient for the input: the products of every tap added where the tap read, borders folded back."""
    kernel, size = weight.shape[2:], x_shape[2:]
    p, k = _letters(len(kernel))
    filters = _split(_turned(weight, o), o.groups, 0)
    dy = np.asarray(dy, dtype=np.float64)
    out = dy.shape[2:]
    wide = np.zeros((*x_shape[:2], *(n + sum(pair) for n, pair in zip(size, o.pad, strict=True))))
    taps = np.einsum(f"ngf{p},gfc{k}->{k}ngc{p}", _split(dy, o.groups, 1), filters, optimize=True)
    for tap in np.ndindex(kernel):
        where = tuple(
            slice(i * d, i * d + (m - 1) * s + 1, s) for i, d, s, m in zip(tap, o.dilation, o.stride, out, strict=True)
        )
        wide[(slice(None), slice(None), *where)] += taps[tap].reshape(*x_shape[:2], *out)
    return _fold(wide, size, o)


def conv_backward_weights(dy, x, weight_shape, o):
    """Gradient for the filters."""
    kernel = weight_shape[2:]
    p, k = _letters(len(kernel))
    windows = _split(_windows(pad(x, o), kernel, o), o.groups, 1)
    gradient = _split(np.asarray(dy, dtype=np.float64), o.groups, 1)
    dweight = np.einsum(f"ngf{p},ngc{p}{k}->gfc{k}", gradient, windows, optimize=True).reshape(weight_shape)
    return np.flip(dweight, tuple(range(2, dweight.ndim))) if o.flip else dweight


def conv_backward_bias(dy):
    """Gradient for the bias."""
    dy = np.asarray(dy, dtype=np.float64)
    return dy.sum(axis=(0, *range(2, dy.ndim)))


def conv_transpose(x, weight, bias, out_size, o):
    """Transposed convolution, weight (C, O / groups, ...): the gradient for the input, of which padding was cropped."""
    channels = weight.shape[1] * o.groups
    y = conv_backward_data(x, (len(x), channels, *out_size), weight, o)
    return y if bias is None else y + np.asarray(bias, dtype=np.float64).reshape(-1, *(1,) * len(out_size))


def conv_transpose_size(size, kernel, o, output_padding):
    """Output size of a transposed convolution with explicit padding."""
    return tuple(
        (n - 1) * s - sum(pair) + d * (k - 1) + 1 + extra
        for n, k, s, d, pair, extra in zip(size, kernel, o.stride, o.dilation, o.pad, output_padding, strict=True)
    )


def activate(y, activation):
    """The fused activations."""
    if activation is None:
        return y
    if activation == "relu":
        return np.maximum(y, 0)
    if activation == "relu6":
        return np.clip(y, 0, 6)
    return np.where(y > 0, y, activation[1] * y)


def activation_slope(y, activation):
    """Derivative of an activation, read off its output."""
    if activation is None:
        return np.ones_like(y)
    if activation == "relu":
        return (y > 0).astype(y.dtype)
    if activation == "relu6":
        return ((y > 0) & (y < 6)).astype(y.dtype)
    return np.where(y > 0, 1.0, activation[1])
