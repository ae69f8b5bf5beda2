"""Convolution of small integers with zero points, and what makes its sums small integers again."""

from __future__ import annotations

import numpy as np

from fastconv.reference._volumes import as_volume, from_volume, spatial_rank
from fastconv.reference.conv import ConvGeometry, Ints, Padding
from fastconv.reference.padding import pad


def conv_integer(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
    *,
    x_zero_point: int = 0,
    weight_zero_point: int | np.ndarray = 0,
) -> np.ndarray:
    r"""Convolve a batch of volumes of integers with a bank of filters of integers, in naive loops.

    .. math:: Z_{n,i,j,k} = b_i + \sum_{l,m,q} (V_{n,l,\;js + md - p,\;ks + qd - p} - v)\,(K_{i,l,m,q} - k_i)

    modulo :math:`2^{32}`, in the range of int32; *v* and *k* are the zero points. The padding holds *v*.

    Parameters
    ----------
    x : ndarray of int8 or uint8, shape (N, C, ...)
        Input, with one to three spatial axes.
    weight : ndarray of int8 or uint8, shape (O, C / groups, ...)
        Filters.
    bias : ndarray of int32, shape (O,), optional
        Added to every element of a feature map.
    stride, padding, dilation, groups
        As in `conv`.
    x_zero_point : int
        The integer that stands for 0 in `x`.
    weight_zero_point : int or ndarray of shape (O,)
        The same in `weight`, of all filters or of each.

    Returns
    -------
    ndarray of int32, shape (N, O, ...)

    Examples
    --------
    >>> x = np.array([[[3, 4, 6]]], np.uint8)
    >>> conv_integer(x, np.array([[[-1, 2]]], np.int8), x_zero_point=3, padding=1).tolist()
    [[[0, 2, 5, -3]]]
    """
    rank = spatial_rank("x", x)
    g = ConvGeometry(x.shape[2:], weight.shape[2:], stride, padding, dilation)
    volume, filters = pad(as_volume(x), g.padding, float(x_zero_point)), as_volume(weight)
    channels_out, channels_in = filters.shape[:2]
    per_group = channels_out // groups
    zeros = np.broadcast_to(weight_zero_point, channels_out)
    (sd, sh, sw), (dd, dh, dw), (kd, kh, kw) = g.stride, g.dilation, g.kernel
    y = np.zeros((len(x), channels_out) + g.out)
    for n in range(len(x)):
        for o in range(channels_out):
            first = o // per_group * channels_in
            for i, j, k in np.ndindex(g.out):
                total = 0 if bias is None else int(bias[o])
                for c in range(channels_in):
                    for a in range(kd):
                        for b in range(kh):
                            for e in range(kw):
                                element = volume[n, first + c, i * sd + a * dd, j * sh + b * dh, k * sw + e * dw]
                                total += int(element - x_zero_point) * int(filters[o, c, a, b, e] - zeros[o])
                y[n, o, i, j, k] = (total + 2**31) % 2**32 - 2**31
    return from_volume(y, rank, np.dtype(np.int32))


def requantize(
    sums: np.ndarray, scale: float | np.ndarray, zero_point: int = 0, dtype: type | np.dtype = np.uint8
) -> np.ndarray:
    r"""Make small integers of sums, in naive loops.

    .. math:: y_{n,i,p} = \mathrm{clip}(\mathrm{rint}(z_{n,i,p}\, a_i) + v)

    Parameters
    ----------
    sums : ndarray of int32, shape (N, O, ...)
        What `conv_integer` gives.
    scale : float or ndarray of shape (O,)
        Of all channels or of each.
    zero_point : int
        The integer that stands for 0 in the result.
    dtype : {int8, uint8}
        Its range is that of the clip.

    Returns
    -------
    ndarray of `dtype` and the shape of `sums`
        Rounded half to even.

    Examples
    --------
    >>> requantize(np.array([[1, 3, 600, -4]], np.int32), 0.5, 1).tolist()
    [[1, 3, 255, 0]]
    """
    limits = np.iinfo(dtype)
    y = np.zeros(sums.shape, dtype)
    factors = np.broadcast_to(np.asarray(scale, np.float64), sums.shape[1])
    for index in np.ndindex(sums.shape):
        whole = round(int(sums[index]) * float(factors[index[1]])) + zero_point
        y[index] = min(max(whole, limits.min), limits.max)
    return y
