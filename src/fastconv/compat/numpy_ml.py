"""numpy-ml's convolutions, and its Conv1D, Conv2D, Deconv2D and Pool2D layers, on fastconv.

The functions have numpy-ml's names, arguments and conventions: channels last, ``dilation`` 0 for none, pads as ints,
tuples, "same" or "causal". ``fastconv.compat.use("numpy_ml")`` puts them, and gradients and pools as whole calls,
under numpy-ml's own layers. float32 and float64 stay what they are, integers become float64; numpy-ml makes pools and
gradients float64.

Pool2D takes the zeros of its padding for elements, as numpy-ml does. Its gradient with padding is the true one here:
numpy-ml looks for the maximum at the padded place of the unpadded input. Importing this module also lets numpy-ml's
last release (0.1.2) be imported on Python 3.10 and newer.
"""

from __future__ import annotations

import collections
import collections.abc
from typing import Any

import numpy as np

from fastconv.compat._floats import same_floats
from fastconv.compat._hosts import host_module
from fastconv.functional import conv as _conv
from fastconv.functional import conv_transpose as _transposed
from fastconv.functional import pool_avg, pool_max

__all__ = ["PLACES", "conv1D", "conv2D", "deconv2D_naive"]


def _import_host() -> tuple[Any, Any]:
    """Import numpy-ml, whose last release takes a name out of `collections` that Python 3.10 moved."""
    moved = not hasattr(collections, "Hashable")
    if moved:
        vars(collections).update(Hashable=collections.abc.Hashable)
    try:
        modules = "numpy_ml.neural_nets.utils", "numpy_ml.neural_nets.layers.layers"
        utils, layers = (host_module(name, "numpy-ml") for name in modules)
    finally:
        if moved:
            del vars(collections)["Hashable"]
    return utils, layers


_utils, _layers = _import_host()

Pairs = tuple[tuple[int, int], ...]
_LAYOUTS_2D: dict[str, Any] = {"layout": "NHWC", "weight_layout": "HWIO"}
_LAYOUTS_1D: dict[str, Any] = {"layout": "NWC", "weight_layout": "WIO"}
# A transposed convolution here maps the weight's "in" to its "out", as a plain one does.
_TRANSPOSED: dict[str, Any] = {"layout": "NHWC", "weight_layout": "HWOI"}


def _pads_2d(shape: tuple[int, ...], pad: Any, kernel: tuple[int, ...], stride: int, dilation: int) -> Pairs:
    """Padding of rows and of columns, from any of numpy-ml's forms."""
    if pad == "same":
        pad = _utils.calc_pad_dims_2D(shape, tuple(shape[1:3]), tuple(kernel), stride, dilation=dilation)
    elif isinstance(pad, (int, np.integer)):
        pad = (pad,) * 4
    if not isinstance(pad, tuple) or len(pad) not in (2, 4):
        raise ValueError(f"pad (={pad!r}) must be an int, a tuple of 2 or 4 ints, or 'same'")
    pad = tuple(int(p) for p in pad)
    return (pad[:2], pad[2:]) if len(pad) == 4 else ((pad[0],) * 2, (pad[1],) * 2)


def _pads_1d(shape: tuple[int, ...], pad: Any, width: int, stride: int, dilation: int) -> Pairs:
    if pad in ("same", "causal"):
        pad = _utils.calc_pad_dims_1D(shape, shape[1], width, stride, causal=pad == "causal", dilation=dilation)
    elif isinstance(pad, (int, np.integer)):
        pad = (pad, pad)
    if not isinstance(pad, tuple) or len(pad) != 2:
        raise ValueError(f"pad (={pad!r}) must be an int, a tuple of 2 ints, 'same' or 'causal'")
    return ((int(pad[0]), int(pad[1])),)


def conv2D(X: Any, W: Any, stride: int, pad: Any, dilation: int = 0) -> np.ndarray:
    """Cross-correlate images with kernels.

    Parameters
    ----------
    X : array_like, shape (n_ex, in_rows, in_cols, in_ch)
    W : array_like, shape (kernel_rows, kernel_cols, in_ch, out_ch)
    stride : int
    pad : int, tuple of 2 (rows, columns) or 4 (top, bottom, left, right) ints, or "same"
    dilation : int
        Elements between the kernel's taps; 0 is a dense kernel.

    Returns
    -------
    ndarray, shape (n_ex, out_rows, out_cols, out_ch)

    Examples
    --------
    >>> conv2D(np.ones((1, 5, 5, 2)), np.ones((3, 3, 2, 4)), 1, "same").shape
    (1, 5, 5, 4)
    """
    (x, weight), result = same_floats(X=X, W=W)
    pads = _pads_2d(x.shape, pad, weight.shape[:2], stride, dilation)
    return _conv.conv2d(x, weight, None, stride, pads, dilation + 1, **_LAYOUTS_2D).astype(result, copy=False)


def conv1D(X: Any, W: Any, stride: int, pad: Any, dilation: int = 0) -> np.ndarray:
    """Cross-correlate sequences with kernels.

    Parameters
    ----------
    X : array_like, shape (n_ex, l_in, in_ch)
    W : array_like, shape (kernel_width, in_ch, out_ch)
    stride : int
    pad : int, tuple of 2 ints, "same" or "causal"
    dilation : int
        Elements between the kernel's taps; 0 is a dense kernel.

    Returns
    -------
    ndarray, shape (n_ex, l_out, out_ch)

    Examples
    --------
    >>> conv1D(np.arange(4.0).reshape(1, 4, 1), np.ones((2, 1, 1)), 1, "causal").ravel()
    array([0., 1., 3., 5.])
    """
    (x, weight), result = same_floats(X=X, W=W)
    pads = _pads_1d(x.shape, pad, weight.shape[0], stride, dilation)
    return _conv.conv1d(x, weight, None, stride, pads, dilation + 1, **_LAYOUTS_1D).astype(result, copy=False)


def _crop(x_shape: tuple[int, ...], kernel: tuple[int, ...], stride: int, pad: Any, dilation: int) -> Pairs:
    """What numpy-ml's deconvolution leaves off the full one: it pads the spread input, cuts, and pads again."""
    n_ex, rows, columns, channels = x_shape
    spread = (n_ex, (rows - 1) * stride + 1, (columns - 1) * stride + 1, channels)
    pads = _pads_2d(spread, pad, kernel, 1, dilation)
    reach = tuple(k * (dilation + 1) - dilation for k in kernel)
    size = tuple(n + sum(pair) for n, pair in zip(spread[1:3], pads, strict=True))
    target = tuple(n - 1 - sum(pair) + k for n, pair, k in zip(size, pads, reach, strict=True))
    more = _utils.calc_pad_dims_2D((n_ex, *size, channels), target, tuple(kernel), 1, dilation)
    return (
        (reach[0] - 1 - more[0], reach[0] - 1 - more[1]),
        (reach[1] - 1 - more[2], reach[1] - 1 - more[3]),
    )


def deconv2D_naive(X: Any, W: Any, stride: int, pad: Any, dilation: int = 0) -> np.ndarray:
    """Transposed convolution of images; the name is numpy-ml's, the loops are not.

    Parameters
    ----------
    X : array_like, shape (n_ex, in_rows, in_cols, in_ch)
    W : array_like, shape (kernel_rows, kernel_cols, in_ch, out_ch)
    stride, pad, dilation
        As in `conv2D`.

    Returns
    -------
    ndarray, shape (n_ex, out_rows, out_cols, out_ch)

    Examples
    --------
    >>> deconv2D_naive(np.ones((1, 3, 3, 2)), np.ones((2, 2, 2, 4)), 2, 0).shape
    (1, 6, 6, 4)
    """
    (x, weight), result = same_floats(X=X, W=W)
    crop = _crop(x.shape, weight.shape[:2], stride, pad, dilation)
    y = _transposed.conv_transpose2d(x, weight.swapaxes(2, 3), None, stride, crop, 0, 1, dilation + 1, **_TRANSPOSED)
    return y.astype(result, copy=False)


def _conv1d_gradients(self: Any, dLdy: Any, X: Any, Z: Any) -> tuple[np.ndarray, ...]:
    """Conv1D._bwd: gradients for the input, the kernels and the biases."""
    (dy, x, weight), result = same_floats(dLdy=dLdy * self.act_fn.grad(Z), X=X, W=self.parameters["W"])
    pads = _pads_1d(x.shape, self.pad, self.kernel_width, self.stride, self.dilation)
    found = _conv.conv1d_backward(dy, x, weight, self.stride, pads, self.dilation + 1, **_LAYOUTS_1D)
    dx, dw, db = (np.asarray(gradient).astype(result, copy=False) for gradient in found)
    return dx, dw, db.reshape(1, 1, -1)


def _conv2d_gradients(self: Any, dLdy: Any, X: Any, Z: Any) -> tuple[np.ndarray, ...]:
    """Conv2D._bwd, likewise."""
    (dy, x, weight), result = same_floats(dLdy=dLdy * self.act_fn.grad(Z), X=X, W=self.parameters["W"])
    pads = _pads_2d(x.shape, self.pad, self.kernel_shape, self.stride, self.dilation)
    found = _conv.conv2d_backward(dy, x, weight, self.stride, pads, self.dilation + 1, **_LAYOUTS_2D)
    dx, dw, db = (np.asarray(gradient).astype(result, copy=False) for gradient in found)
    return dx, dw, db.reshape(1, 1, 1, -1)


def _deconv2d_gradients(self: Any, dLdY: Any, X: Any, Z: Any) -> tuple[np.ndarray, ...]:
    """Deconv2D._bwd, likewise."""
    (dy, x, weight), result = same_floats(dLdY=dLdY * self.act_fn.grad(Z), X=X, W=self.parameters["W"])
    crop = _crop(x.shape, self.kernel_shape, self.stride, self.pad, 0)
    found = _transposed.conv_transpose2d_backward(dy, x, weight.swapaxes(2, 3), self.stride, crop, **_TRANSPOSED)
    dx, dw, db = (np.asarray(gradient).astype(result, copy=False) for gradient in found)
    return dx, dw.swapaxes(2, 3), db.reshape(1, 1, 1, -1)


def _padded(layer: Any, X: Any) -> tuple[np.ndarray, Pairs, np.dtype]:
    """A pool's input with the zeros that are elements to numpy-ml."""
    if layer.mode not in ("max", "average"):
        raise ValueError(f"mode (={layer.mode!r}) must be 'max' or 'average'")
    (x,), result = same_floats(X=X)
    pads = _pads_2d(x.shape, layer.pad, layer.kernel_shape, layer.stride, 0)
    if any(map(any, pads)):
        x = np.pad(x, ((0, 0), *pads, (0, 0)))
    return x, pads, result


def _pool2d_forward(self: Any, X: Any, retain_derived: bool = True) -> np.ndarray:
    """Pool2D.forward."""
    if not self.is_initialized:
        self.in_ch = self.out_ch = X.shape[3]
        self._init_params()
    x, _, result = _padded(self, X)
    pool: Any = pool_max.max_pool2d if self.mode == "max" else pool_avg.avg_pool2d
    y = pool(x, self.kernel_shape, self.stride, layout="NHWC").astype(result, copy=False)
    if retain_derived:
        self.X.append(X)
        self.derived_variables["out_rows"].append(y.shape[1])
        self.derived_variables["out_cols"].append(y.shape[2])
    return y


def _pool2d_backward(self: Any, dLdY: Any, retain_grads: bool = True) -> Any:
    """Pool2D.backward: the first of several largest elements gets the gradient."""
    assert self.trainable, "Layer is frozen"
    found = []
    for X, dy in zip(self.X, dLdY if isinstance(dLdY, list) else [dLdY], strict=False):
        x, (rows, columns), _ = _padded(self, X)
        (dy, x), result = same_floats(dLdY=dy, X=x)
        if self.mode == "max":
            dx = pool_max.max_pool2d_backward(dy, x, self.kernel_shape, self.stride, layout="NHWC")
        else:
            dx = pool_avg.avg_pool2d_backward(dy, x.shape, self.kernel_shape, self.stride, layout="NHWC")
        inside = [slice(before, n - after) for n, (before, after) in zip(x.shape[1:3], (rows, columns), strict=True)]
        found.append(dx[:, inside[0], inside[1]].astype(result, copy=False))
    return found[0] if len(self.X) == 1 else found


_FUNCTIONS = {"conv1D": conv1D, "conv2D": conv2D, "deconv2D_naive": deconv2D_naive}
# (where, name, what stands there while fastconv is in use): see fastconv.compat.use
PLACES = [
    *((module, name, function) for module in (_utils, _utils.utils, _layers) for name, function in _FUNCTIONS.items()),
    (_layers.Conv1D, "_bwd", _conv1d_gradients),
    (_layers.Conv2D, "_bwd", _conv2d_gradients),
    (_layers.Deconv2D, "_bwd", _deconv2d_gradients),
    (_layers.Pool2D, "forward", _pool2d_forward),
    (_layers.Pool2D, "backward", _pool2d_backward),
]
