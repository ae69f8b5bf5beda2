"""Long kernels along one axis, product by product: the outputs in rows, so that every element read meets many weights.

Sixteen neighbouring outputs are what sixteen kernels give, each of them the kernel shifted by one, at one place of the
signal; the places are sixteen elements apart. So the sums become those of a product of matrices, whose left one is a
view of the signal with rows that overlap.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastconv.functional.conv import conv2d

__all__ = ["in_rows", "wants_rows"]

_ROW = 16
_LEAST_TAPS = 48
_LEAST_ROWS = 64


def wants_rows(x: np.ndarray, weights: np.ndarray) -> bool:
    """Whether signals, of shape (signals, 1, n), are read in place and long enough for one kernel, of shape (taps,)."""
    taps = len(weights)
    inside = x.shape[2] - taps + 1
    dense = x.strides[2] == x.itemsize and x.flags.aligned and x.dtype.isnative
    return dense and taps >= _LEAST_TAPS and inside >= _LEAST_ROWS * _ROW


def in_rows(
    x: np.ndarray, weights: np.ndarray, padding: tuple[int, int], num_threads: int | None,
    run: Callable[[np.ndarray, tuple[int, int]], np.ndarray],
) -> np.ndarray:  # fmt: skip
    """Return correlations, of shape (signals, 1, outputs).

    What is not finite also spoils outputs of its row that do not see it: by the zeros beside a shifted kernel.

    Parameters
    ----------
    x, weights
        As in `wants_rows`.
    padding : (int, int)
        Of border elements, less than the taps.
    num_threads : int, optional
    run : callable
        Of a part of the signals and its padding, for the outputs at the ends.
    """
    signals, _, n = x.shape
    taps, before = len(weights), padding[0]
    rows = (n - taps + 1) // _ROW
    done = before + rows * _ROW
    shifted = np.zeros((taps + _ROW - 1, _ROW), x.dtype)
    for column in range(_ROW):
        shifted[column : column + taps, column] = weights
    step = x.strides[2]
    matrix = np.lib.stride_tricks.as_strided(
        x, (signals, 1, rows, len(shifted)), (x.strides[0], 0, _ROW * step, step), writeable=False
    )  # fmt: skip
    y = np.empty((signals, 1, n + sum(padding) - taps + 1), x.dtype)
    inner = y[..., before:done]
    whole = conv2d(
        matrix, shifted[None, None], layout="NHWC", weight_layout="HWIO", accuracy="strict", num_threads=num_threads,
        out=inner.reshape(1, 1, rows, _ROW) if signals == 1 else None,
    )  # fmt: skip
    if signals > 1:
        inner[...] = whole.reshape(inner.shape)
    if before:
        y[..., :before] = run(x[..., : taps - 1], (before, 0))
    if done < y.shape[2]:
        y[..., done:] = run(x[..., rows * _ROW :], (0, padding[1]))
    return y
