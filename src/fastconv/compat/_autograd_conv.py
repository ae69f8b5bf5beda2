"""Convolution as primitives of autograd."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastconv.compat._floats import same_floats
from fastconv.compat._hosts import host_module
from fastconv.functional import conv

__all__ = ["Conv", "conv1d", "conv2d", "conv3d", "forward"]

_extend = host_module("autograd.extend", "autograd")
_numpy = host_module("autograd.numpy", "autograd")

_CONV = {1: conv.conv1d, 2: conv.conv2d, 3: conv.conv3d}
_CONV_BACKWARD = {1: conv.conv1d_backward, 2: conv.conv2d_backward, 3: conv.conv3d_backward}

# Convolution is linear in each operand, and the three passes below are one another's derivatives: with <., .> the inner
# product, <dy, conv(x, w)> = <data(dy, w), x> = <weights(dy, x), w>.


class Conv(NamedTuple):
    """How a convolution is done, apart from its arrays."""

    ndim: int
    options: dict[str, Any]


@_extend.primitive
def forward(x: Any, w: Any, how: Conv) -> np.ndarray:
    (x, w), result = same_floats(x=x, weight=w)
    return _CONV[how.ndim](x, w, **how.options).astype(result, copy=False)


@_extend.primitive
def _data(dy: Any, w: Any, x_shape: tuple[int, ...], how: Conv) -> np.ndarray:
    (dy, w), result = same_floats(dy=dy, weight=w)
    dx, _, _ = _CONV_BACKWARD[how.ndim](dy, x_shape, w, needs=("x",), **how.options)
    return np.asarray(dx).astype(result, copy=False)


@_extend.primitive
def _weights(dy: Any, x: Any, w_shape: tuple[int, ...], how: Conv) -> np.ndarray:
    (dy, x), result = same_floats(dy=dy, x=x)
    _, dw, _ = _CONV_BACKWARD[how.ndim](dy, x, w_shape, needs=("weight",), **how.options)
    return np.asarray(dw).astype(result, copy=False)


_extend.defvjp(
    forward,
    lambda ans, x, w, how: lambda g: _data(g, w, x.shape, how),
    lambda ans, x, w, how: lambda g: _weights(g, x, w.shape, how),
)
_extend.defvjp(
    _data,
    lambda ans, dy, w, x_shape, how: lambda g: forward(g, w, how),
    lambda ans, dy, w, x_shape, how: lambda g: _weights(dy, g, w.shape, how),
)
_extend.defvjp(
    _weights,
    lambda ans, dy, x, w_shape, how: lambda g: forward(x, g, how),
    lambda ans, dy, x, w_shape, how: lambda g: _data(dy, g, x.shape, how),
)
_extend.defjvp(
    forward,
    lambda g, ans, x, w, how: forward(g, w, how),
    lambda g, ans, x, w, how: forward(x, g, how),
)
_extend.defjvp(
    _data,
    lambda g, ans, dy, w, x_shape, how: _data(g, w, x_shape, how),
    lambda g, ans, dy, w, x_shape, how: _data(dy, g, x_shape, how),
)
_extend.defjvp(
    _weights,
    lambda g, ans, dy, x, w_shape, how: _weights(g, x, w_shape, how),
    lambda g, ans, dy, x, w_shape, how: _weights(dy, g, w_shape, how),
)


def _convolution(ndim: int, x: Any, weight: Any, bias: Any, options: dict[str, Any]) -> Any:
    y = forward(x, weight, Conv(ndim, options))
    if bias is None:
        return y
    channel = y.ndim - 1 if options["layout"].endswith("C") else y.ndim - 1 - ndim
    return y + _numpy.reshape(bias, [-1 if axis == channel else 1 for axis in range(y.ndim)])


def conv1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    *,
    layout: str = "NCW",
    weight_layout: str = "OIW",
    flip: bool = False,
    accuracy: str = "default",
    num_threads: int | None = None,
) -> Any:
    """`fastconv.conv1d`, differentiable for `x`, `weight` and `bias`; see `conv2d`."""
    return _convolution(1, x, weight, bias, {
        "stride": stride, "padding": padding, "dilation": dilation, "groups": groups, "layout": layout,
        "weight_layout": weight_layout, "flip": flip, "accuracy": accuracy, "num_threads": num_threads,
    })  # fmt: skip


def conv2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    *,
    layout: str = "NCHW",
    weight_layout: str = "OIHW",
    flip: bool = False,
    accuracy: str = "default",
    num_threads: int | None = None,
) -> Any:
    """`fastconv.conv2d`, differentiable for `x`, `weight` and `bias`.

    Parameters
    ----------
    x, weight, bias : ndarray, or box of autograd
        As in `fastconv.conv2d`; mixed element types are promoted as NumPy does.
    stride, padding, dilation, groups, layout, weight_layout, flip, accuracy, num_threads
        As in `fastconv.conv2d`.

    Returns
    -------
    ndarray, or box of autograd

    Examples
    --------
    >>> import autograd
    >>> x, weight = np.arange(9.0).reshape(1, 1, 3, 3), np.ones((1, 1, 2, 2))
    >>> autograd.grad(lambda w: conv2d(x, w).sum())(weight)[0, 0]
    array([[ 8., 12.],
           [20., 24.]])
    """
    return _convolution(2, x, weight, bias, {
        "stride": stride, "padding": padding, "dilation": dilation, "groups": groups, "layout": layout,
        "weight_layout": weight_layout, "flip": flip, "accuracy": accuracy, "num_threads": num_threads,
    })  # fmt: skip


def conv3d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    *,
    layout: str = "NCDHW",
    weight_layout: str = "OIDHW",
    flip: bool = False,
    accuracy: str = "default",
    num_threads: int | None = None,
) -> Any:
    """`fastconv.conv3d`, differentiable for `x`, `weight` and `bias`; see `conv2d`."""
    return _convolution(3, x, weight, bias, {
        "stride": stride, "padding": padding, "dilation": dilation, "groups": groups, "layout": layout,
        "weight_layout": weight_layout, "flip": flip, "accuracy": accuracy, "num_threads": num_threads,
    })  # fmt: skip
