"""Gradients of a convolution: every product of the forward pass, sent back to its two factors."""

from __future__ import annotations

import numpy as np

from fastconv.reference._volumes import as_volume, from_volume, spatial_rank
from fastconv.reference.conv import ConvGeometry, Ints, Padding
from fastconv.reference.padding import pad, pad_backward


def conv_backward_data(
    dy: np.ndarray,
    x_shape: tuple[int, ...],
    weight: np.ndarray,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
    *,
    flip: bool = False,
    border: str | float = "zeros",
) -> np.ndarray:
    r"""Gradient of `conv` for its input, in naive loops.

    .. math:: dV_{n,l,\;js + md - p,\;ks + qd - p} \mathrel{+}= dZ_{n,i,j,k}\; K_{i,l,m,q}

    Parameters
    ----------
    dy : ndarray of shape (N, O, ...)
        Gradient of the output.
    x_shape : tuple of int
        Shape (N, C, ...) of the input.
    weight : ndarray of shape (O, C / groups, ...)
        Filters.
    stride, padding, dilation, groups, flip, border
        Those of `conv`.

    Returns
    -------
    ndarray of shape `x_shape`

    Examples
    --------
    >>> conv_backward_data(np.ones((1, 1, 2)), (1, 1, 4), np.array([[[1.0, 2.0]]]), stride=2).tolist()
    [[[1.0, 2.0, 1.0, 2.0]]]
    """
    dy, weight = np.asarray(dy), np.asarray(weight)
    rank = spatial_rank("dy", dy)
    if flip:
        weight = np.flip(weight, tuple(range(2, weight.ndim)))
    g = ConvGeometry(x_shape[2:], weight.shape[2:], stride, padding, dilation)
    gradient, filters = as_volume(dy), as_volume(weight)
    channels_out, channels_in = filters.shape[:2]
    per_group = channels_out // groups
    (sd, sh, sw), (dd, dh, dw), (kd, kh, kw) = g.stride, g.dilation, g.kernel
    wide = tuple(n + before + after for n, (before, after) in zip(g.size, g.padding, strict=True))
    dvolume = np.zeros(tuple(x_shape[:2]) + wide)
    for n in range(x_shape[0]):
        for o in range(channels_out):
            first = o // per_group * channels_in
            for i, j, k in np.ndindex(g.out):
                for c in range(channels_in):
                    for a in range(kd):
                        for b in range(kh):
                            for e in range(kw):
                                dvolume[n, first + c, i * sd + a * dd, j * sh + b * dh, k * sw + e * dw] += (
                                    gradient[n, o, i, j, k] * filters[o, c, a, b, e]
                                )
    return from_volume(pad_backward(dvolume, g.size, g.padding, border), rank, dy.dtype)


def conv_backward_weights(
    dy: np.ndarray,
    x: np.ndarray,
    weight_shape: tuple[int, ...],
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
    *,
    flip: bool = False,
    border: str | float = "zeros",
) -> np.ndarray:
    r"""Gradient of `conv` for its filters, in naive loops.

    .. math:: dK_{i,l,m,q} = \sum_{n,j,k} dZ_{n,i,j,k}\; V_{n,l,\;js + md - p,\;ks + qd - p}

    Parameters
    ----------
    dy : ndarray of shape (N, O, ...)
        Gradient of the output.
    x : ndarray of shape (N, C, ...)
        Input.
    weight_shape : tuple of int
        Shape (O, C / groups, ...) of the filters.
    stride, padding, dilation, groups, flip, border
        Those of `conv`.

    Returns
    -------
    ndarray of shape `weight_shape`

    Examples
    --------
    >>> conv_backward_weights(np.ones((1, 1, 3)), np.array([[[1.0, 2.0, 3.0, 4.0]]]), (1, 1, 2)).tolist()
    [[[6.0, 9.0]]]
    """
    dy, x = np.asarray(dy), np.asarray(x)
    rank = spatial_rank("x", x)
    g = ConvGeometry(x.shape[2:], weight_shape[2:], stride, padding, dilation)
    gradient, volume = as_volume(dy), pad(as_volume(x), g.padding, border)
    channels_out, channels_in = weight_shape[:2]
    per_group = channels_out // groups
    (sd, sh, sw), (dd, dh, dw), (kd, kh, kw) = g.stride, g.dilation, g.kernel
    dfilters = np.zeros((channels_out, channels_in) + g.kernel)
    for o in range(channels_out):
        first = o // per_group * channels_in
        for c in range(channels_in):
            for a in range(kd):
                for b in range(kh):
                    for e in range(kw):
                        total = 0.0
                        for n in range(len(x)):
                            for i, j, k in np.ndindex(g.out):
                                total += (
                                    gradient[n, o, i, j, k]
                                    * volume[n, first + c, i * sd + a * dd, j * sh + b * dh, k * sw + e * dw]
                                )
                        dfilters[o, c, a, b, e] = total
    dweight = from_volume(dfilters, rank, dy.dtype)
    return np.flip(dweight, tuple(range(2, dweight.ndim))).copy() if flip else dweight


def conv_backward_bias(dy: np.ndarray) -> np.ndarray:
    r"""Gradient of `conv` for its bias, in naive loops: :math:`db_i = \sum_{n,j,k} dZ_{n,i,j,k}`.

    Parameters
    ----------
    dy : ndarray of shape (N, O, ...)
        Gradient of the output.

    Returns
    -------
    ndarray of shape (O,)

    Examples
    --------
    >>> conv_backward_bias(np.ones((2, 3, 4))).tolist()
    [8.0, 8.0, 8.0]
    """
    dy = np.asarray(dy)
    gradient = as_volume(dy)
    dbias = np.zeros(dy.shape[1])
    for n, o, i, j, k in np.ndindex(gradient.shape):
        dbias[o] += gradient[n, o, i, j, k]
    return dbias.astype(dy.dtype)


def conv_backward(
    dy: np.ndarray,
    x: np.ndarray,
    weight: np.ndarray,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
    *,
    flip: bool = False,
    border: str | float = "zeros",
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All three gradients of `conv`, in naive loops.

    Parameters
    ----------
    dy : ndarray of shape (N, O, ...)
        Gradient of the output.
    x : ndarray of shape (N, C, ...)
        Input.
    weight : ndarray of shape (O, C / groups, ...)
        Filters.
    stride, padding, dilation, groups, flip, border
        Those of `conv`.

    Returns
    -------
    dx, dweight, dbias : ndarray
        Shaped as `x`, `weight` and (O,).

    Examples
    --------
    >>> dx, dweight, dbias = conv_backward(np.ones((1, 1, 2)), np.ones((1, 1, 3)), np.array([[[1.0, 2.0]]]))
    >>> dx.tolist(), dweight.tolist(), dbias.tolist()
    ([[[1.0, 3.0, 2.0]]], [[[2.0, 2.0]]], [2.0])
    """
    x, weight = np.asarray(x), np.asarray(weight)
    options = (stride, padding, dilation, groups)
    return (
        conv_backward_data(dy, x.shape, weight, *options, flip=flip, border=border),
        conv_backward_weights(dy, x, weight.shape, *options, flip=flip, border=border),
        conv_backward_bias(dy),
    )
