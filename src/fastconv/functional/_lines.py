"""Correlation along one axis in float64, whatever the elements are: what filters are made of that have to be exact."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fastconv import _engine
from fastconv.functional._arrays import thread_count
from fastconv.functional._separable import scratch

__all__ = ["correlate_lines"]

# Elements of a call below which copying them first, so that there are fewer calls, takes less time.
_LEAST_CALL = 1 << 15
# Elements that are copied at a time: in both arrays they stay in the last cache.
_PIECE = 1 << 18

# Axes that the engine has before the one of the sums, that one, and those after it.
_Sides = tuple[list[int], list[int], list[int]]


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

    Elements are read and written where they are, whatever the strides, but for views that this would take many small
    calls for: those are copied, a piece of a few megabytes at a time. Sums lose their fractions in arrays of integers.

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
    axes = sorted(range(x.ndim), key=[-abs(stride) for stride in out.strides].__getitem__)
    name, value = (border, 0.0) if isinstance(border, str) else ("constant", border)
    threads = thread_count(num_threads)

    def correlate(source: np.ndarray, result: np.ndarray, sides: _Sides, looped: list[int]) -> None:
        size = [math.prod(source.shape[other] for other in run) for run in sides]
        strides = [[a.strides[run[-1]] if run else 0 for run in sides] for a in (source, result)]
        index: list[int | slice] = [slice(None)] * source.ndim
        for places in np.ndindex(*(source.shape[other] for other in looped)):
            for other, place in zip(looped, places, strict=True):
                index[other] = place
            _engine.correlate_lines(
                source[tuple(index)], source.dtype.str[1:], size, strides[0], weights, result[tuple(index)],
                result.dtype.str[1:], strides[1], first, result.shape[axis], reach, name, value, divisor, threads,
            )  # fmt: skip

    sides = _sides(axes, axis, x, out)
    looped = _looped(x, sides)
    if not looped or x.size >= _LEAST_CALL * math.prod(x.shape[other] for other in looped):
        correlate(x, out, sides, looped)
        return out
    for index in _pieces(x.shape, [other for other in axes if other != axis]):
        part, target = x[index], out[index]
        near = _laid_out(part, axes)
        near[...] = part
        scattered = _looped(target, _sides(axes, axis, target))
        result = _laid_out(target, axes) if scattered else target
        sides = _sides(axes, axis, near, result)
        correlate(near, result, sides, _looped(near, sides))
        if scattered:
            target[...] = result
    return out


def _sides(axes: Sequence[int], axis: int, *arrays: np.ndarray) -> _Sides:
    """What the engine has before and after the axis, of axes from far apart to close together."""
    place = axes.index(axis)
    return _run(axes[:place], *arrays), [axis], _run(axes[place + 1 :], *arrays)


def _looped(x: np.ndarray, sides: _Sides) -> list[int]:
    crossed = [axis for run in sides for axis in run]
    return [axis for axis in range(x.ndim) if axis not in crossed and x.shape[axis] != 1]


def _run(axes: Sequence[int], *arrays: np.ndarray) -> list[int]:
    """Neighbouring axes that can be crossed as one in all arrays: of all such the one with the most elements."""
    runs: list[list[int]] = [[]]
    shape, strides = arrays[0].shape, [array.strides for array in arrays]
    for axis in axes:
        if shape[axis] == 1:
            continue
        last = runs[-1]
        if not last or all(steps[last[-1]] == shape[axis] * steps[axis] for steps in strides):
            last.append(axis)
        else:
            runs.append([axis])
    return runs[0] if len(runs) == 1 else max(runs, key=lambda run: math.prod(shape[axis] for axis in run))


def _laid_out(like: np.ndarray, axes: Sequence[int]) -> np.ndarray:
    """Scratch memory of the same shape and type, dense, its axes lying in the given order."""
    dense = scratch(tuple(like.shape[axis] for axis in axes), like.dtype.newbyteorder("="))
    return dense.transpose(np.argsort(axes))


def _pieces(shape: Sequence[int], order: Sequence[int]) -> Iterator[tuple[slice, ...]]:
    """Cut an array along the axes of `order`, the first ones first, into pieces of `_PIECE` elements at most."""
    size = list(shape)
    for other in order:
        rest = math.prod(size) // max(size[other], 1)
        size[other] = min(size[other], max(1, _PIECE // max(rest, 1)))
    cuts = [range(0, n, max(step, 1)) for n, step in zip(shape, size, strict=True)]
    for starts in itertools.product(*cuts):
        yield tuple(slice(start, start + cut.step) for start, cut in zip(starts, cuts, strict=True))
