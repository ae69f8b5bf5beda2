"""Correlation along one axis in float64, whatever the elements are: what filters are made of that have to be exact."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv import _engine
from fastconv.functional._arrays import thread_count

__all__ = ["correlate_lines"]


def correlate_lines(
    x: np.ndarray,
    weights: np.ndarray,
    axis: int,
    reach: int,
    border: str | float,
    out: np.ndarray,
    *,
    divisor: float = 1.0,
    num_threads: int | None = None,
) -> Any:
    """Write the correlation along `axis` to `out`, summed in float64 in SciPy's order.

    Parameters
    ----------
    x : ndarray of float32 or float64, C-contiguous
    weights : ndarray of float64, shape (taps,), C-contiguous
    axis : int
        Counted from the front.
    reach : int
        Elements before its own that an output sees, less than the taps.
    border : str or float
        A border of `conv2d`, or the constant.
    out : ndarray of float32 or float64, of x.shape, C-contiguous, apart from `x`
    divisor : float
        The sums are divided by it.
    num_threads : int, optional
        Threads of this call.

    Returns
    -------
    ndarray
        `out`.

    Examples
    --------
    >>> correlate_lines(np.arange(4.0), np.ones(3), 0, 1, "edge", np.empty(4, np.float32), divisor=3)
    array([0.33333334, 1.        , 2.        , 2.6666667 ], dtype=float32)
    """
    size = (math.prod(x.shape[:axis]), x.shape[axis], math.prod(x.shape[axis + 1 :]))
    name, value = (border, 0.0) if isinstance(border, str) else ("constant", border)
    threads = 0 if num_threads is None else thread_count(num_threads)
    _engine.correlate_lines(x, weights, out, size, reach, name, value, divisor, threads)
    return out
