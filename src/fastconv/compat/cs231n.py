"""The fast layers of CS231n's second assignment, which need no compiler run and no im2col.

In place of ``from cs231n.fast_layers import *``: ``from fastconv.compat.cs231n import *``. Inputs are (N, C, H, W),
filters (F, C, HH, WW). A star import brings what fast_layers.py has. By name there are also the functions of layers.py
(`conv_forward_naive` ..., which a star import must not hide: they are the homework) and the sandwiches of
layer_utils.py, which fuse the rectifier into the convolution. Caches hold what the backward functions need, and nothing
else should read them.

Sizes that do not divide are rounded down. Tied maxima share the gradient where the windows tile the input, as the
course's reshape version does, else the first one gets it, as in its im2col version. float32 and float64 stay what they
are, integers become float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.compat._floats import same_floats
from fastconv.functional.batch_norm import batch_norm, batch_norm_backward
from fastconv.functional.conv import conv2d, conv2d_backward
from fastconv.functional.pool_max import max_pool2d, max_pool2d_backward

__all__ = [
    "conv_backward_fast",
    "conv_backward_im2col",
    "conv_backward_strides",
    "conv_forward_fast",
    "conv_forward_im2col",
    "conv_forward_strides",
    "max_pool_backward_fast",
    "max_pool_backward_im2col",
    "max_pool_backward_reshape",
    "max_pool_forward_fast",
    "max_pool_forward_im2col",
    "max_pool_forward_reshape",
]

Parameters = dict[str, Any]
Cache = tuple[Any, ...]


def _conv(x: Any, w: Any, b: Any, conv_param: Parameters, activation: str | None = None) -> np.ndarray:
    (x, w, b), result = same_floats(x=x, w=w, b=b)
    y = conv2d(x, w, b, conv_param["stride"], conv_param["pad"], activation=activation)
    return y.astype(result, copy=False)


def _conv_backward(
    dout: Any, cache: Cache, activation: str | None = None, y: Any = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x, w, _, conv_param = cache
    (dy, x, w, y), result = same_floats(dout=dout, x=x, w=w, out=dout if y is None else y)
    gradients = conv2d_backward(dy, x, w, conv_param["stride"], conv_param["pad"], activation=activation, y=y)
    dx, dw, db = (np.asarray(gradient).astype(result, copy=False) for gradient in gradients)
    return dx, dw, db


def conv_forward_fast(x: Any, w: Any, b: Any, conv_param: Parameters) -> tuple[np.ndarray, Cache]:
    """Convolve a batch of images with a bank of filters.

    Parameters
    ----------
    x : array_like, shape (N, C, H, W)
    w : array_like, shape (F, C, HH, WW)
    b : array_like, shape (F,)
    conv_param : dict
        "stride" and "pad".

    Returns
    -------
    out : ndarray, shape (N, F, H', W')
    cache : tuple
        For `conv_backward_fast`.

    Examples
    --------
    >>> import numpy as np
    >>> x, w, b = np.ones((1, 1, 3, 3)), np.ones((1, 1, 2, 2)), np.zeros(1)
    >>> out, cache = conv_forward_fast(x, w, b, {"stride": 1, "pad": 0})
    >>> out[0, 0]
    array([[4., 4.],
           [4., 4.]])
    """
    return _conv(x, w, b, conv_param), (x, w, b, conv_param)


def conv_backward_fast(dout: Any, cache: Cache) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients of `conv_forward_fast`.

    Parameters
    ----------
    dout : array_like, shape (N, F, H', W')
        Gradient for the output.
    cache : tuple
        What `conv_forward_fast` returned.

    Returns
    -------
    dx, dw, db : ndarray
        Of the shapes of x, w and b.

    Examples
    --------
    >>> import numpy as np
    >>> x, w, b = np.ones((1, 1, 3, 3)), np.ones((1, 1, 2, 2)), np.zeros(1)
    >>> out, cache = conv_forward_fast(x, w, b, {"stride": 1, "pad": 0})
    >>> dx, dw, db = conv_backward_fast(np.ones_like(out), cache)
    >>> dx[0, 0], dw.ravel(), db
    (array([[1., 2., 1.],
            [2., 4., 2.],
            [1., 2., 1.]]), array([4., 4., 4., 4.]), array([4.]))
    """
    return _conv_backward(dout, cache)


def max_pool_forward_fast(x: Any, pool_param: Parameters) -> tuple[np.ndarray, Cache]:
    """Max-pool a batch of images.

    Parameters
    ----------
    x : array_like, shape (N, C, H, W)
    pool_param : dict
        "pool_height", "pool_width" and "stride".

    Returns
    -------
    out : ndarray, shape (N, C, H', W')
    cache : tuple
        For `max_pool_backward_fast`.

    Examples
    --------
    >>> import numpy as np
    >>> pool_param = {"pool_height": 2, "pool_width": 2, "stride": 2}
    >>> out, cache = max_pool_forward_fast(np.arange(16.0).reshape(1, 1, 4, 4), pool_param)
    >>> out[0, 0]
    array([[ 5.,  7.],
           [13., 15.]])
    """
    (array,), result = same_floats(x=x)
    out = max_pool2d(array, *_window(pool_param))
    return out.astype(result, copy=False), (x, pool_param)


def max_pool_backward_fast(dout: Any, cache: Cache) -> np.ndarray:
    """Gradient of `max_pool_forward_fast`.

    Parameters
    ----------
    dout : array_like, shape (N, C, H', W')
        Gradient for the output.
    cache : tuple
        What `max_pool_forward_fast` returned.

    Returns
    -------
    dx : ndarray, shape of x

    Examples
    --------
    >>> import numpy as np
    >>> pool_param = {"pool_height": 2, "pool_width": 2, "stride": 2}
    >>> out, cache = max_pool_forward_fast(np.array([[[[1.0, 4.0], [4.0, 2.0]]]]), pool_param)
    >>> max_pool_backward_fast(np.full((1, 1, 1, 1), 6.0), cache)[0, 0]
    array([[0., 3.],
           [3., 0.]])
    """
    x, pool_param = cache
    (dy, x), result = same_floats(dout=dout, x=x)
    kernel, stride = _window(pool_param)
    tiles = kernel == (stride, stride) and x.shape[-2] % stride == 0 and x.shape[-1] % stride == 0
    dx = max_pool2d_backward(dy, x, kernel, stride, ties="split" if tiles else "first")
    return dx.astype(result, copy=False)


def _window(pool_param: Parameters) -> tuple[tuple[int, int], int]:
    return (pool_param["pool_height"], pool_param["pool_width"]), pool_param["stride"]


conv_forward_im2col = conv_forward_strides = conv_forward_naive = conv_forward_fast
conv_backward_im2col = conv_backward_strides = conv_backward_naive = conv_backward_fast
max_pool_forward_im2col = max_pool_forward_reshape = max_pool_forward_naive = max_pool_forward_fast
max_pool_backward_im2col = max_pool_backward_reshape = max_pool_backward_naive = max_pool_backward_fast


def conv_relu_forward(x: Any, w: Any, b: Any, conv_param: Parameters) -> tuple[np.ndarray, Cache]:
    """Convolution and rectifier in one pass."""
    out = _conv(x, w, b, conv_param, "relu")
    return out, ((x, w, b, conv_param), out)


def conv_relu_backward(dout: Any, cache: Cache) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients of `conv_relu_forward`: dx, dw, db."""
    conv_cache, out = cache
    return _conv_backward(dout, conv_cache, "relu", out)


def conv_relu_pool_forward(
    x: Any, w: Any, b: Any, conv_param: Parameters, pool_param: Parameters
) -> tuple[np.ndarray, Cache]:
    """Convolution, rectifier and max-pool."""
    maps, relu_cache = conv_relu_forward(x, w, b, conv_param)
    out, pool_cache = max_pool_forward_fast(maps, pool_param)
    return out, (relu_cache, pool_cache)


def conv_relu_pool_backward(dout: Any, cache: Cache) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients of `conv_relu_pool_forward`: dx, dw, db."""
    relu_cache, pool_cache = cache
    return conv_relu_backward(max_pool_backward_fast(dout, pool_cache), relu_cache)


def spatial_batchnorm_forward(x: Any, gamma: Any, beta: Any, bn_param: Parameters) -> tuple[np.ndarray, Cache]:
    """Batch normalisation of every channel; `bn_param` keeps the running statistics, as in the course.

    Parameters
    ----------
    x : array_like, shape (N, C, H, W)
    gamma, beta : array_like, shape (C,)
    bn_param : dict
        "mode", "train" or "test"; "eps" (1e-5) and "momentum" (0.9); "running_mean" and "running_var" are made by the
        first call, and changed by every one in mode "train".

    Returns
    -------
    out : ndarray, shape of x
    cache : tuple
        For `spatial_batchnorm_backward`; there is one in mode "test" as well.
    """
    return _batchnorm(x, gamma, beta, bn_param, None)


def spatial_batchnorm_backward(dout: Any, cache: Cache) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients of `spatial_batchnorm_forward`: dx, dgamma, dbeta."""
    x, gamma, mean, var, training, eps, activation, y = cache
    (dy, x, gamma, mean, var, y), result = same_floats(dout=dout, x=x, gamma=gamma, mean=mean, var=var, out=y)
    gradients = batch_norm_backward(dy, x, mean, var, gamma, training, eps=eps, activation=activation, y=y)
    dx, dgamma, dbeta = (np.asarray(gradient).astype(result, copy=False) for gradient in gradients)
    return dx, dgamma, dbeta


def _batchnorm(x: Any, gamma: Any, beta: Any, bn_param: Parameters, activation: str | None) -> tuple[np.ndarray, Cache]:
    mode, eps, momentum = bn_param["mode"], bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
    if mode not in ("train", "test"):
        raise ValueError(f"mode (={mode!r}) of bn_param must be 'train' or 'test'")
    (x, gamma, beta), result = same_floats(x=x, gamma=gamma, beta=beta)
    running = [np.asarray(bn_param.get(name, np.zeros(x.shape[1]))) for name in ("running_mean", "running_var")]
    mean, var = (statistic.astype(x.dtype) for statistic in running)
    training = mode == "train"
    if training:
        y, mean, var = batch_norm(x, weight=gamma, bias=beta, training=True, eps=eps, activation=activation)
        running = [momentum * old + (1 - momentum) * new for old, new in zip(running, (mean, var), strict=True)]
    else:
        y = batch_norm(x, mean, var, gamma, beta, eps=eps, activation=activation)
    bn_param["running_mean"], bn_param["running_var"] = running
    return y.astype(result, copy=False), (x, gamma, mean, var, training, eps, activation, y)


def conv_bn_relu_forward(
    x: Any, w: Any, b: Any, gamma: Any, beta: Any, conv_param: Parameters, bn_param: Parameters
) -> tuple[np.ndarray, Cache]:
    """Convolution, batch normalisation and rectifier."""
    maps, conv_cache = conv_forward_fast(x, w, b, conv_param)
    out, bn_cache = _batchnorm(maps, gamma, beta, bn_param, "relu")
    return out, (conv_cache, bn_cache)


def conv_bn_relu_backward(dout: Any, cache: Cache) -> tuple[np.ndarray, ...]:
    """Gradients of `conv_bn_relu_forward`: dx, dw, db, dgamma, dbeta."""
    conv_cache, bn_cache = cache
    dmaps, dgamma, dbeta = spatial_batchnorm_backward(dout, bn_cache)
    return (*conv_backward_fast(dmaps, conv_cache), dgamma, dbeta)


def spatial_groupnorm_forward(x: Any, gamma: Any, beta: Any, G: int, gn_param: Parameters) -> tuple[np.ndarray, Cache]:
    """Normalisation of every group of channels of every image.

    Parameters
    ----------
    x : array_like, shape (N, C, H, W)
    gamma, beta : array_like, shape (1, C, 1, 1)
    G : int
        Number of groups; it divides C.
    gn_param : dict
        "eps" (1e-5).

    Returns
    -------
    out : ndarray, shape of x
    cache : tuple
        For `spatial_groupnorm_backward`.
    """
    eps = gn_param.get("eps", 1e-5)
    (x, gamma, beta), result = same_floats(x=x, gamma=gamma, beta=beta)
    if x.shape[1] % G:
        raise ValueError(f"G (={G}) must divide the channels of x (={x.shape[1]})")
    # A group of an image is a channel of one image.
    groups = x.reshape(1, x.shape[0] * G, -1)
    normal, mean, var = batch_norm(groups, training=True, eps=eps)
    normal = normal.reshape(x.shape)
    out = (gamma * normal + beta).astype(result, copy=False)
    return out, (groups, normal, gamma, mean, var, eps)


def spatial_groupnorm_backward(dout: Any, cache: Cache) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients of `spatial_groupnorm_forward`: dx, dgamma, dbeta."""
    groups, normal, gamma, mean, var, eps = cache
    (dy, _), result = same_floats(dout=dout, x=groups)
    dgamma = (dy * normal).sum(axis=(0, 2, 3), keepdims=True)
    dbeta = dy.sum(axis=(0, 2, 3), keepdims=True)
    dnormal = (dy * gamma).astype(groups.dtype, copy=False).reshape(groups.shape)
    dx, _, _ = batch_norm_backward(dnormal, groups, mean, var, eps=eps, needs=("x",))
    dx = np.asarray(dx).reshape(dy.shape)
    return dx.astype(result, copy=False), dgamma.astype(result, copy=False), dbeta.astype(result, copy=False)
