"""Coursera's "step by step" functions: loops over every output, as the notebook has them written, against fastconv."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.dropin.row import Row

Call = Callable[[], Any]
HYPERPARAMETERS = {"stride": 1, "pad": 1}
WINDOW = {"f": 2, "stride": 2}


def arrays() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A_prev, W, b and a gradient for Z."""
    rng = np.random.default_rng(0)
    shapes = (4, 32, 32, 3), (3, 3, 3, 8), (1, 1, 1, 8), (4, 32, 32, 8)
    A_prev, W, b, dZ = (rng.standard_normal(shape) for shape in shapes)
    return A_prev, W, b, dZ


def loops(A_prev: np.ndarray, W: np.ndarray, b: np.ndarray, dZ: np.ndarray | None = None) -> Any:
    """Forward, or backward for `dZ`: one position of one map at a time."""
    padded = np.pad(A_prev, ((0, 0), (1, 1), (1, 1), (0, 0)))
    if dZ is None:
        Z = np.zeros((*A_prev.shape[:3], W.shape[3]))
        for m, i, j, c in np.ndindex(*Z.shape):
            Z[m, i, j, c] = np.sum(padded[m, i : i + 3, j : j + 3] * W[..., c]) + float(b[0, 0, 0, c])
        return Z
    dA, dW, db = np.zeros_like(padded), np.zeros_like(W), np.zeros_like(b)
    for m, i, j, c in np.ndindex(*dZ.shape):
        dA[m, i : i + 3, j : j + 3] += W[..., c] * dZ[m, i, j, c]
        dW[..., c] += padded[m, i : i + 3, j : j + 3] * dZ[m, i, j, c]
        db[..., c] += dZ[m, i, j, c]
    return dA[:, 1:-1, 1:-1], dW, db


def pool_loops(A_prev: np.ndarray) -> np.ndarray:
    A = np.zeros((len(A_prev), A_prev.shape[1] // 2, A_prev.shape[2] // 2, A_prev.shape[3]))
    for m, i, j, c in np.ndindex(*A.shape):
        A[m, i, j, c] = np.max(A_prev[m, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2, c])
    return A


def ours(name: str) -> Call:
    from fastconv.compat import coursera

    A_prev, W, b, dZ = arrays()
    if name == "pool":
        return lambda: coursera.pool_forward(A_prev, WINDOW)[0]
    Z, cache = coursera.conv_forward(A_prev, W, b, HYPERPARAMETERS)
    if name == "backward":
        return lambda: coursera.conv_backward(dZ, cache)
    return lambda: coursera.conv_forward(A_prev, W, b, HYPERPARAMETERS)[0]


def host(name: str) -> Call:
    A_prev, W, b, dZ = arrays()
    calls = {
        "forward": lambda: loops(A_prev, W, b),
        "backward": lambda: loops(A_prev, W, b, dZ),
        "pool": lambda: pool_loops(A_prev),
    }
    return calls[name]


ROWS = [
    Row("conv_forward", None, lambda: host("forward"), lambda: ours("forward"), 1e-12),
    Row("conv_backward", None, lambda: host("backward"), lambda: ours("backward"), 1e-12),
    Row("pool_forward", None, lambda: host("pool"), lambda: ours("pool"), 0.0),
]
