"""The convolution and the pools of the deep learning course's "step by step" notebook, with its names and caches.

In place of the notebook's own cells: ``from fastconv.compat.coursera import *``. Arrays are channels last, weights
(f, f, C, n_C), biases (1, 1, 1, n_C); sizes that do not divide are rounded down. Every tied maximum of a window gets
the whole gradient, as the notebook's mask gives it. float32 and float64 stay what they are, integers become float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.compat._floats import same_floats
from fastconv.functional.conv import conv2d, conv2d_backward
from fastconv.functional.pool_avg import avg_pool2d, avg_pool2d_backward
from fastconv.functional.pool_max import max_pool2d, max_pool2d_backward

__all__ = ["conv_backward", "conv_forward", "pool_backward", "pool_forward"]

_LAYOUTS: dict[str, Any] = {"layout": "NHWC", "weight_layout": "HWIO"}


def conv_forward(A_prev: Any, W: Any, b: Any, hparameters: dict[str, Any]) -> tuple[np.ndarray, tuple[Any, ...]]:
    """Convolve a batch of images with a bank of filters.

    Parameters
    ----------
    A_prev : array_like, shape (m, n_H_prev, n_W_prev, n_C_prev)
        Output of the layer before.
    W : array_like, shape (f, f, n_C_prev, n_C)
    b : array_like, shape (1, 1, 1, n_C)
    hparameters : dict
        "stride" and "pad", which may be 0.

    Returns
    -------
    Z : ndarray, shape (m, n_H, n_W, n_C)
    cache : tuple
        ``(A_prev, W, b, hparameters)``, for `conv_backward`.

    Examples
    --------
    >>> import numpy as np
    >>> Z, cache = conv_forward(np.ones((1, 3, 3, 1)), np.ones((2, 2, 1, 1)), np.zeros((1, 1, 1, 1)),
    ...                         {"stride": 1, "pad": 0})
    >>> Z[0, :, :, 0]
    array([[4., 4.],
           [4., 4.]])
    """
    (x, weight, bias), result = same_floats(A_prev=A_prev, W=W, b=b)
    Z = conv2d(x, weight, bias.reshape(-1), hparameters["stride"], hparameters["pad"], **_LAYOUTS)
    return Z.astype(result, copy=False), (A_prev, W, b, hparameters)


def conv_backward(dZ: Any, cache: tuple[Any, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients of `conv_forward`.

    Parameters
    ----------
    dZ : array_like, shape (m, n_H, n_W, n_C)
        Gradient for the output.
    cache : tuple
        What `conv_forward` returned.

    Returns
    -------
    dA_prev, dW, db : ndarray
        Of the shapes of A_prev, W and (1, 1, 1, n_C).

    Examples
    --------
    >>> import numpy as np
    >>> x, W, b = np.ones((1, 3, 3, 1)), np.ones((2, 2, 1, 1)), np.zeros((1, 1, 1, 1))
    >>> Z, cache = conv_forward(x, W, b, {"stride": 1, "pad": 0})
    >>> dA_prev, dW, db = conv_backward(np.ones_like(Z), cache)
    >>> dA_prev[0, :, :, 0], dW.ravel(), db
    (array([[1., 2., 1.],
            [2., 4., 2.],
            [1., 2., 1.]]), array([4., 4., 4., 4.]), array([[[[4.]]]]))
    """
    A_prev, W, _, hparameters = cache
    (dy, x, weight), result = same_floats(dZ=dZ, A_prev=A_prev, W=W)
    gradients = conv2d_backward(dy, x, weight, hparameters["stride"], hparameters["pad"], **_LAYOUTS)
    dA_prev, dW, db = (np.asarray(gradient).astype(result, copy=False) for gradient in gradients)
    return dA_prev, dW, db.reshape(1, 1, 1, -1)


def pool_forward(A_prev: Any, hparameters: dict[str, Any], mode: str = "max") -> tuple[np.ndarray, tuple[Any, Any]]:
    """Pool a batch of images.

    Parameters
    ----------
    A_prev : array_like, shape (m, n_H_prev, n_W_prev, n_C_prev)
    hparameters : dict
        "f", the size of the window, and "stride".
    mode : {"max", "average"}

    Returns
    -------
    A : ndarray, shape (m, n_H, n_W, n_C_prev)
    cache : tuple
        ``(A_prev, hparameters)``, for `pool_backward`.

    Examples
    --------
    >>> import numpy as np
    >>> A, cache = pool_forward(np.arange(16.0).reshape(1, 4, 4, 1), {"f": 2, "stride": 2}, mode="average")
    >>> A[0, :, :, 0]
    array([[ 2.5,  4.5],
           [10.5, 12.5]])
    """
    _checked(mode)
    (x,), result = same_floats(A_prev=A_prev)
    pool: Any = max_pool2d if mode == "max" else avg_pool2d
    A = pool(x, hparameters["f"], hparameters["stride"], layout="NHWC")
    return A.astype(result, copy=False), (A_prev, hparameters)


def pool_backward(dA: Any, cache: tuple[Any, Any], mode: str = "max") -> np.ndarray:
    """Gradient of `pool_forward`; every tied maximum of a window gets the whole of it.

    Parameters
    ----------
    dA : array_like, shape (m, n_H, n_W, n_C)
        Gradient for the output.
    cache : tuple
        What `pool_forward` returned.
    mode : {"max", "average"}

    Returns
    -------
    dA_prev : ndarray, shape of A_prev

    Examples
    --------
    >>> import numpy as np
    >>> A, cache = pool_forward(np.array([[[[1.0], [4.0]], [[4.0], [2.0]]]]), {"f": 2, "stride": 2})
    >>> pool_backward(np.full((1, 1, 1, 1), 6.0), cache)[0, :, :, 0]
    array([[0., 6.],
           [6., 0.]])
    """
    _checked(mode)
    A_prev, hparameters = cache
    (dy, x), result = same_floats(dA=dA, A_prev=A_prev)
    where = (hparameters["f"], hparameters["stride"])
    if mode == "max":
        dA_prev = max_pool2d_backward(dy, x, *where, ties="all", layout="NHWC")
    else:
        dA_prev = avg_pool2d_backward(dy, x.shape, *where, layout="NHWC")
    return dA_prev.astype(result, copy=False)


def _checked(mode: Any) -> None:
    if mode not in ("max", "average"):
        raise ValueError(f"mode (={mode!r}) must be 'max' or 'average'")
