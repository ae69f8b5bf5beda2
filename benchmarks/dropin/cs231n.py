"""CS231n's fast layers: columns of a strided view and one matrix product, as the course has them, against fastconv."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from benchmarks.dropin.row import Row

Call = Callable[[], Any]
POOL = {"pool_height": 2, "pool_width": 2, "stride": 2}
# The notebook's shapes in its float64, and a layer of a larger network in float32: x, w, stride, pad, type
LAYERS = {
    "notebook": ((100, 3, 31, 31), (25, 3, 3, 3), 2, 1, np.float64),
    "64@32x32": ((32, 64, 32, 32), (64, 64, 3, 3), 1, 1, np.float32),
}


def arrays(layer: str) -> tuple[np.ndarray, ...]:
    """x, w, b and a gradient for the result."""
    x, w, stride, pad, dtype = LAYERS[layer]
    size = (x[2] + 2 * pad - w[2]) // stride + 1
    rng = np.random.default_rng(0)
    return tuple(rng.standard_normal(shape).astype(dtype) for shape in (x, w, w[:1], (x[0], w[0], size, size)))


def columns(layer: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Forward and backward by columns; the columns of the forward pass are kept."""
    _, _, stride, pad, _ = LAYERS[layer]

    def forward(x: np.ndarray, w: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
        view = sliding_window_view(padded, w.shape[2:], (2, 3))[:, :, ::stride, ::stride]
        n, _, height, width = view.shape[:4]
        kept = np.ascontiguousarray(view.transpose(1, 4, 5, 0, 2, 3)).reshape(w[0].size, -1)
        y = w.reshape(len(w), -1) @ kept + b[:, None]
        return np.ascontiguousarray(y.reshape(len(w), n, height, width).transpose(1, 0, 2, 3)), kept

    def backward(dout: np.ndarray, x: np.ndarray, w: np.ndarray, kept: np.ndarray) -> tuple[np.ndarray, ...]:
        n, f, height, width = dout.shape
        rows = dout.transpose(1, 0, 2, 3).reshape(f, -1)
        dw = (rows @ kept.T).reshape(w.shape)
        spread = (w.reshape(f, -1).T @ rows).reshape(*w.shape[1:], n, height, width)
        dx = np.zeros((n, x.shape[1], x.shape[2] + 2 * pad, x.shape[3] + 2 * pad), x.dtype)
        for i, j in np.ndindex(*w.shape[2:]):
            at = slice(i, i + stride * height, stride), slice(j, j + stride * width, stride)
            dx[:, :, at[0], at[1]] += spread[:, i, j].transpose(1, 0, 2, 3)
        return dx[:, :, pad : pad + x.shape[2], pad : pad + x.shape[3]], dw, rows.sum(axis=1)

    return forward, backward


def host(layer: str, name: str) -> Call:
    x, w, b, dout = arrays(layer)
    forward, backward = columns(layer)
    if name == "backward":
        kept = forward(x, w, b)[1]
        return lambda: backward(dout, x, w, kept)
    return lambda: forward(x, w, b)[0]


def ours(layer: str, name: str) -> Call:
    from fastconv.compat import cs231n

    x, w, b, dout = arrays(layer)
    conv_param = dict(zip(("stride", "pad"), LAYERS[layer][2:4], strict=True))
    if name == "backward":
        cache = cs231n.conv_forward_fast(x, w, b, conv_param)[1]
        return lambda: cs231n.conv_backward_fast(dout, cache)
    return lambda: cs231n.conv_forward_fast(x, w, b, conv_param)[0]


def pool_input() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((100, 3, 32, 32))


def host_pool() -> Call:
    """The course's way for windows that tile: a reshape and two maxima."""
    x = pool_input()
    return lambda: x.reshape(100, 3, 16, 2, 16, 2).max(axis=3).max(axis=4)


def our_pool() -> Call:
    from fastconv.compat import cs231n

    x = pool_input()
    return lambda: cs231n.max_pool_forward_fast(x, POOL)[0]


def row(layer: str, name: str) -> Row:
    tolerance = 1e-12 if LAYERS[layer][4] is np.float64 else 1e-5
    return Row(f"{layer}-{name}", None, lambda: host(layer, name), lambda: ours(layer, name), tolerance)


ROWS = [
    *(row(layer, name) for layer in LAYERS for name in ("forward", "backward")),
    Row("notebook-pool", None, host_pool, our_pool, 0.0),
]
