"""Correlation along one axis in float64, whatever the elements are: what filters are made of that have to be exact."""

from __future__ import annotations

import math
from collections.abc import Sequence
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
    first: int = 0,
    divisor: float = 1.0,
    num_threads: int | None = None,
) -> Any:
    """Write the correlation along `axis` to `out`, summed in float64 in SciPy's order.

    Elements are read and written where they are, whatever the strides; sums lose their fractions in arrays of integers.

    Parameters
    ----------
    x : ndarray of float32, float64 or integers, of any byte order
    weights : ndarray of float64, shape (taps,), C-contiguous
    axis : int
        Counted from the front.
    reach : int
        Elements before its own that an output sees, less than the taps.
    border : str or float
        A border of `conv2d`, or the constant.
    out : ndarray of float32, float64 or integers but uint64, apart from `x`
        Of x.shape, but for `axis`, along which it has the wanted outputs.
    first : int
        The first wanted output.
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
    >>> correlate_lines(np.arange(4), np.ones(3), 0, 1, "edge", np.empty(4, np.float32), divisor=3)
    array([0.33333334, 1.        , 2.        , 2.6666667 ], dtype=float32)
    >>> correlate_lines(np.arange(8, dtype=np.uint8)[::2], np.ones(3), 0, 1, "edge", np.empty(2, np.uint8), first=1)
    array([ 6, 12], dtype=uint8)
    """
    before, after = _run(range(axis), x, out), _run(range(axis + 1, x.ndim), x, out)
    looped = [other for other in range(x.ndim) if other not in (*before, axis, *after)]
    size = [math.prod(x.shape[other] for other in run) for run in (before, [axis], after)]
    strides = [[a.strides[run[-1]] if run else 0 for run in (before, [axis], after)] for a in (x, out)]
    name, value = (border, 0.0) if isinstance(border, str) else ("constant", border)
    threads = thread_count(num_threads)
    index: list[int | slice] = [slice(None)] * x.ndim
    for places in np.ndindex(*(x.shape[other] for other in looped)):
        for other, place in zip(looped, places, strict=True):
            index[other] = place
        _engine.correlate_lines(
            x[tuple(index)], x.dtype.str[1:], size, strides[0], weights, out[tuple(index)], out.dtype.str[1:],
            strides[1], first, out.shape[axis], reach, name, value, divisor, threads,
        )  # fmt: skip
    return out


def _run(axes: Sequence[int], x: np.ndarray, out: np.ndarray) -> list[int]:
    """Neighbouring axes that can be crossed as one in both arrays: of all such the one with the most elements."""
    runs: list[list[int]] = [[]]
    for axis in axes:
        if x.shape[axis] == 1:
            continue
        joined = runs[-1] and all(a.strides[runs[-1][-1]] == a.shape[axis] * a.strides[axis] for a in (x, out))
        if joined:
            runs[-1].append(axis)
        else:
            runs.append([axis])
    return max(runs, key=lambda run: math.prod(x.shape[axis] for axis in run) if run else 0)
