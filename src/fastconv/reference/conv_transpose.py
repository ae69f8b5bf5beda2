"""Transposed convolution: every input element paints its multiple of the kernel into the output."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fastconv import geometry
from fastconv.reference._volumes import SPATIAL, as_volume, from_volume, spatial_rank
from fastconv.reference.conv import Ints, Padding

Position = tuple[int, ...]


def conv_transpose(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    stride: Ints = 1,
    padding: Padding = 0,
    output_padding: Ints = 0,
    groups: int = 1,
    dilation: Ints = 1,
    *,
    flip: bool = False,
) -> np.ndarray:
    r"""Transposed convolution of a batch of volumes, in naive loops.

    .. math:: Z_{n,i,\;js + md - p,\;ks + qd - p} \mathrel{+}= V_{n,l,j,k}\; K_{l,i,m,q}

    which is the gradient of `conv` for its input; `padding` crops the result.

    Parameters
    ----------
    x : ndarray of shape (N, C, ...)
        Input, with one to three spatial axes.
    weight : ndarray of shape (C, O / groups, ...)
        Filters.
    bias : ndarray of shape (O,), optional
        Added to every element of a feature map.
    stride, dilation : int or sequence of ints
        Per spatial axis.
    padding : int, str or sequence
        Every form that `fastconv.conv_transpose2d` takes.
    output_padding : int or sequence of ints
        Elements to add after the last one of each axis.
    groups : int
        Number of independent groups of channels.
    flip : bool
        Rotate the kernel by 180 degrees.

    Returns
    -------
    ndarray of shape (N, O, ...)
        Of size ``(n - 1) stride - before - after + dilation (k - 1) + 1 + output_padding`` per axis.

    Examples
    --------
    >>> conv_transpose(np.array([[[1.0, 2.0]]]), np.array([[[1.0, 1.0, 1.0]]]), stride=2).tolist()
    [[[1.0, 1.0, 3.0, 2.0, 2.0]]]
    """
    x, weight = np.asarray(x), np.asarray(weight)
    rank = spatial_rank("x", x)
    products = _Products(x.shape, weight.shape, stride, padding, output_padding, groups, dilation, flip)
    volume, filters = as_volume(x), as_volume(weight)
    z = np.zeros((len(x), products.channels_out) + products.out)
    for source, tap, target in products:
        z[target] += volume[source] * filters[tap]
    if bias is not None:
        for n, o, i, j, k in np.ndindex(z.shape):
            z[n, o, i, j, k] += bias[o]
    return from_volume(z, rank, x.dtype)


def conv_transpose_backward(
    dy: np.ndarray,
    x: np.ndarray,
    weight: np.ndarray,
    stride: Ints = 1,
    padding: Padding = 0,
    output_padding: Ints = 0,
    groups: int = 1,
    dilation: Ints = 1,
    *,
    flip: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients of `conv_transpose`, in naive loops.

    Parameters
    ----------
    dy : ndarray of shape (N, O, ...)
        Gradient of the output.
    x : ndarray of shape (N, C, ...)
        Input.
    weight : ndarray of shape (C, O / groups, ...)
        Filters.
    stride, padding, output_padding, groups, dilation, flip
        Those of `conv_transpose`.

    Returns
    -------
    dx, dweight, dbias : ndarray
        Shaped as `x`, `weight` and (O,).

    Examples
    --------
    >>> dx, dweight, dbias = conv_transpose_backward(np.ones((1, 1, 3)), np.array([[[1.0, 2.0]]]), np.ones((1, 1, 2)))
    >>> dx.tolist(), dweight.tolist(), dbias.tolist()
    ([[[2.0, 2.0]]], [[[3.0, 3.0]]], [3.0])
    """
    dy, x, weight = np.asarray(dy), np.asarray(x), np.asarray(weight)
    rank = spatial_rank("x", x)
    products = _Products(x.shape, weight.shape, stride, padding, output_padding, groups, dilation, flip)
    volume, filters, gradient = as_volume(x), as_volume(weight), as_volume(dy)
    dvolume, dfilters, dbias = np.zeros(volume.shape), np.zeros(filters.shape), np.zeros(products.channels_out)
    for source, tap, target in products:
        dvolume[source] += gradient[target] * filters[tap]
        dfilters[tap] += gradient[target] * volume[source]
    for n, o, i, j, k in np.ndindex(gradient.shape):
        dbias[o] += gradient[n, o, i, j, k]
    return from_volume(dvolume, rank, x.dtype), from_volume(dfilters, rank, x.dtype), dbias.astype(x.dtype)


class _Products:
    """Every product of a transposed convolution: where its two factors stand, and the element it is added to."""

    def __init__(
        self,
        x_shape: tuple[int, ...],
        weight_shape: tuple[int, ...],
        stride: Ints,
        padding: Padding,
        output_padding: Ints,
        groups: int,
        dilation: Ints,
        flip: bool,
    ) -> None:
        rank = len(x_shape) - 2
        unit = (1,) * (SPATIAL - rank)
        strides = geometry.canonical_spatial("stride", stride, rank, 1)
        dilations = geometry.canonical_spatial("dilation", dilation, rank, 1)
        extra = geometry.canonical_spatial("output_padding", output_padding, rank, 0)
        pairs = geometry.canonical_padding("padding", padding, rank)
        out, crop = geometry.conv_transpose_geometry(x_shape[2:], weight_shape[2:], strides, dilations, pairs, extra)
        self.inputs = x_shape[:2] + unit + x_shape[2:]
        self.taps = weight_shape[1:2] + unit + weight_shape[2:]
        self.out = unit + out
        self.axes = list(zip(unit + strides, unit + dilations, ((0, 0),) * (SPATIAL - rank) + crop, strict=True))
        self.group_in = x_shape[1] // groups
        self.channels_out = weight_shape[1] * groups
        self.flip = flip

    def __iter__(self) -> Iterator[tuple[Position, Position, Position]]:
        per_group, *kernel = self.taps
        for n, c, *position in np.ndindex(self.inputs):
            first = c // self.group_in * per_group
            for o, *tap in np.ndindex(self.taps):
                target = [
                    i * s + k * d - before for i, k, (s, d, (before, _)) in zip(position, tap, self.axes, strict=True)
                ]
                if all(0 <= i < size for i, size in zip(target, self.out, strict=True)):
                    if self.flip:
                        tap = [size - 1 - k for k, size in zip(tap, kernel, strict=True)]
                    yield (n, c, *position), (c, o, *tap), (n, first + o, *target)
