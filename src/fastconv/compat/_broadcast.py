"""Convolution of arrays along some of their axes, the other axes broadcast against each other: one call of the engine.

Of the axes that are not convolved, those of the input alone are the engine's batch, those of the kernel alone its
filters, and those of both its groups: every group has one input channel. Up to three axes are convolved by the engine;
each further one is a loop over the kernel's slices along it, whose results are added at their offsets.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fastconv.compat._long import in_rows, wants_rows
from fastconv.functional import conv
from fastconv.functional._separable import choose_factors, scratch

__all__ = ["Window", "convolve", "finite", "window"]

_CONV = {1: conv.conv1d, 2: conv.conv2d, 3: conv.conv3d}
# Sums of fewer products are never made by transforms, so what is not finite stays under its windows.
_ALWAYS_DIRECT = 24


class Window(NamedTuple):
    """Which part of the full convolution is wanted along one axis."""

    first: int
    length: int


def window(mode: str, n: int, k: int) -> Window:
    """Return the part that a mode stands for, where the input has `n` and the kernel `k` elements.

    Examples
    --------
    >>> window("same", 4, 2)
    Window(first=0, length=4)
    """
    if mode == "full":
        return Window(0, n + k - 1)
    return Window((k - 1) // 2, n) if mode == "same" else Window(k - 1, n - k + 1)


def finite(array: np.ndarray) -> bool:
    """Whether all elements are finite; their sum tells almost always, and wakes none of BLAS's threads."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(array.sum())) or bool(np.isfinite(array).all())


class _Options(NamedTuple):
    border: str | float
    accuracy: str
    num_threads: int | None


def _size(shape: Sequence[int], axes: Sequence[int]) -> int:
    return math.prod(shape[axis] for axis in axes)


def convolve(
    x: np.ndarray,
    kernel: np.ndarray,
    axes: Sequence[int],
    windows: Sequence[Window],
    *,
    border: str | float = "zeros",
    accuracy: str = "default",
    num_threads: int | None = None,
) -> np.ndarray:
    """Convolve two arrays of one float type along `axes`; sizes along the others are equal or 1.

    Parameters
    ----------
    x, kernel : ndarray of float32 or float64, as many axes each
        No axis of size 0.
    axes : sequence of int
        Convolved axes, in ascending order; there may be none, which gives the product.
    windows : sequence of Window
        What is wanted of the full convolution, per convolved axis.
    border : str or float
        What lies beyond `x`, as in `conv2d`.
    accuracy : {"default", "strict"}
        "default" may transform; where a result then is not finite, the sums are made one by one after all.
    num_threads : int, optional
        Threads of this call.

    Returns
    -------
    ndarray of x.dtype, C-contiguous
    """
    zeros = isinstance(border, str) and border == "zeros"
    if zeros and _size(kernel.shape, axes) > _size(x.shape, axes):
        x, kernel = kernel, x
    options = _Options(border, accuracy, num_threads)
    y = _sum(x, kernel, axes, windows, options)
    if accuracy == "default" and _size(kernel.shape, axes) >= _ALWAYS_DIRECT and not finite(y):
        y = _sum(x, kernel, axes, windows, options._replace(accuracy="strict"))
    return y


def _sum(
    x: np.ndarray, kernel: np.ndarray, axes: Sequence[int], windows: Sequence[Window], options: _Options
) -> np.ndarray:
    """Add the convolutions of up to three axes over the kernel's slices along the axes before them."""
    if not axes:
        return np.multiply(x, kernel)
    lead = axes[:-3]
    if not lead:
        return _once(x, kernel, axes, windows, options)
    shape = [max(n, k) for n, k in zip(x.shape, kernel.shape, strict=True)]
    for axis, (_, length) in zip(axes, windows, strict=True):
        shape[axis] = length
    y = np.zeros(shape, x.dtype)
    for offset in np.ndindex(*(kernel.shape[axis] for axis in lead)):
        source, target, part = ([slice(None)] * x.ndim for _ in range(3))
        for axis, at, (first, length) in zip(lead, offset, windows, strict=False):
            start = max(0, first - at)
            stop = max(start, min(x.shape[axis], first + length - at))
            source[axis] = slice(start, stop)
            target[axis] = slice(start + at - first, stop + at - first)
            part[axis] = slice(at, at + 1)
        piece = x[tuple(source)]
        if piece.size:
            y[tuple(target)] += _once(piece, kernel[tuple(part)], axes[-3:], windows[-3:], options)
    return y


def _once(
    x: np.ndarray, kernel: np.ndarray, axes: Sequence[int], windows: Sequence[Window], options: _Options
) -> np.ndarray:
    """One call of the engine."""
    others = [axis for axis in range(x.ndim) if axis not in axes]
    batch = [axis for axis in others if kernel.shape[axis] == 1]
    filters = [axis for axis in others if kernel.shape[axis] != 1 and x.shape[axis] == 1]
    groups = [axis for axis in others if axis not in batch and axis not in filters]
    count = _size(kernel.shape, groups)
    image = x.transpose(*batch, *filters, *groups, *axes).reshape(
        _size(x.shape, batch), count, *(x.shape[axis] for axis in axes)
    )
    weight = kernel.transpose(*batch, *groups, *filters, *axes).reshape(
        count * _size(kernel.shape, filters), 1, *(kernel.shape[axis] for axis in axes)
    )
    image, padding = _padded(image, weight.shape[2:], windows)
    y = _engine_call(image, weight, padding, count, options)
    y = y.reshape(
        *(x.shape[axis] for axis in batch),
        *(x.shape[axis] for axis in groups),
        *(kernel.shape[axis] for axis in filters),
        *(length for _, length in windows),
    )
    order = [*batch, *groups, *filters, *axes]
    if order == sorted(order):
        return y
    return np.ascontiguousarray(y.transpose(np.argsort(order)))


def _padded(
    image: np.ndarray, kernel: Sequence[int], windows: Sequence[Window]
) -> tuple[np.ndarray, tuple[tuple[int, int], ...]]:
    """Cut off what no wanted output reads, and say how many border elements the others read on each side."""
    crop = [slice(None), slice(None)]
    padding = []
    for n, k, (first, length) in zip(image.shape[2:], kernel, windows, strict=True):
        before, after = k - 1 - first, first + length - n
        crop.append(slice(max(0, -before), n - max(0, -after)))
        padding.append((max(0, before), max(0, after)))
    return image[tuple(crop)], tuple(padding)


def _engine_call(image: np.ndarray, weight: np.ndarray, padding: Any, groups: int, options: _Options) -> np.ndarray:
    """True convolution; a single kernel that is a column times a row, or long and of one axis, goes ways of its own."""

    def run(x: np.ndarray, w: np.ndarray, pad: Any, border: str | float, out: np.ndarray | None = None) -> np.ndarray:
        return _CONV[w.ndim - 2](
            x, w, None, 1, pad, 1, groups, flip=True, border=border, accuracy=options.accuracy, out=out,
            num_threads=options.num_threads,
        )  # fmt: skip

    single = len(weight) == groups == 1
    alone = single and weight.ndim == 3 and options[:2] == ("zeros", "strict")
    if alone and wants_rows(image, weight[0, 0]):
        y = in_rows(
            image, weight[0, 0, ::-1], padding[0], options.num_threads,
            lambda x, pad: run(x, weight, (pad,), options.border),
        )  # fmt: skip
        if finite(y):
            return y
    found = None
    if weight.ndim == 4 and single:
        found = choose_factors(weight[0, 0], image.size, "auto", options.accuracy)
    if found is None:
        return run(image, weight, padding, options.border)
    column, row = found
    beyond = options.border
    if not isinstance(beyond, str):
        beyond *= float(row.sum(dtype=np.float64))
    half = scratch((*image.shape[:-1], image.shape[-1] + sum(padding[1]) - len(row) + 1), image.dtype)
    run(image, row[None, None, None], ((0, 0), padding[1]), options.border, half)
    return run(half, column[None, None, :, None], (padding[0], (0, 0)), beyond)
