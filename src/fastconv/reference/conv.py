"""Convolution of volumes, forward: the definition, one multiplication and one addition per loop iteration."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fastconv import geometry
from fastconv.reference._volumes import SPATIAL, as_volume, from_volume, spatial_rank
from fastconv.reference.padding import pad

Ints = int | Sequence[int]
Padding = int | str | Sequence[int | Sequence[int]]


class ConvGeometry:
    """The spatial arguments of one convolution, resolved: three axes, pairs of padding, output size."""

    def __init__(
        self, size: Sequence[int], kernel: Sequence[int], stride: Ints, padding: Padding, dilation: Ints
    ) -> None:
        rank = len(size)
        unit, none = (1,) * (SPATIAL - rank), ((0, 0),) * (SPATIAL - rank)
        strides = geometry.canonical_spatial("stride", stride, rank, 1)
        dilations = geometry.canonical_spatial("dilation", dilation, rank, 1)
        pairs = geometry.canonical_padding("padding", padding, rank)
        pairs = geometry.resolve_padding(pairs, size, kernel, strides, dilations)
        self.size = unit + tuple(size)
        self.kernel = unit + tuple(kernel)
        self.stride = unit + strides
        self.dilation = unit + dilations
        self.padding = none + pairs
        self.out = unit + geometry.conv_output_size(size, kernel, strides, dilations, pairs)


def conv(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
    *,
    flip: bool = False,
    border: str | float = "zeros",
) -> np.ndarray:
    r"""Convolve a batch of volumes with a bank of filters, in naive loops.

    .. math:: Z_{n,i,j,k} = b_i + \sum_{l,m,q} V_{n,l,\;js + md - p,\;ks + qd - p}\; K_{i,l,m,q}

    with stride *s*, dilation *d* and padding *p*; likewise with one or three spatial axes. With ``groups`` the sum over
    *l* runs over the channels of the group of *i* only.

    Parameters
    ----------
    x : ndarray of shape (N, C, ...)
        Input, with one to three spatial axes.
    weight : ndarray of shape (O, C / groups, ...)
        Filters.
    bias : ndarray of shape (O,), optional
        Added to every element of a feature map.
    stride, dilation : int or sequence of ints
        Per spatial axis.
    padding : int, str or sequence
        Every form that `fastconv.conv2d` takes.
    groups : int
        Number of independent groups of channels.
    flip : bool
        True for true convolution (the kernel rotated by 180 degrees), False for cross-correlation.
    border : str or float
        What the padding holds, see `border_index`.

    Returns
    -------
    ndarray of shape (N, O, ...)
        Feature maps, of the type of `x`; the sums are float64.

    Examples
    --------
    >>> x = np.arange(9.0).reshape(1, 1, 3, 3)
    >>> conv(x, np.array([[[[1.0, -1.0]]]])).tolist()
    [[[[-1.0, -1.0], [-1.0, -1.0], [-1.0, -1.0]]]]
    """
    x, weight = np.asarray(x), np.asarray(weight)
    rank = spatial_rank("x", x)
    if flip:
        weight = np.flip(weight, tuple(range(2, weight.ndim)))
    g = ConvGeometry(x.shape[2:], weight.shape[2:], stride, padding, dilation)
    volume, filters = pad(as_volume(x), g.padding, border), as_volume(weight)
    channels_out, channels_in = filters.shape[:2]
    per_group = channels_out // groups
    (sd, sh, sw), (dd, dh, dw), (kd, kh, kw) = g.stride, g.dilation, g.kernel
    y = np.zeros((len(x), channels_out) + g.out)
    for n in range(len(x)):
        for o in range(channels_out):
            first = o // per_group * channels_in
            for i, j, k in np.ndindex(g.out):
                total = 0.0 if bias is None else float(bias[o])
                for c in range(channels_in):
                    for a in range(kd):
                        for b in range(kh):
                            for e in range(kw):
                                total += (
                                    volume[n, first + c, i * sd + a * dd, j * sh + b * dh, k * sw + e * dw]
                                    * filters[o, c, a, b, e]
                                )
                y[n, o, i, j, k] = total
    return from_volume(y, rank, x.dtype)
