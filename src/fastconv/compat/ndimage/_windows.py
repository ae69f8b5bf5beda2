"""Correlation with a kernel of several axes in one call of the engine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastconv.compat._blocks import BLOCK_BYTES, Room, blocks, with_border
from fastconv.compat._broadcast import finite
from fastconv.compat.ndimage import _passes
from fastconv.compat.ndimage._arguments import Target, working_dtype
from fastconv.compat.ndimage._kernels import rounded
from fastconv.compat.ndimage._passes import Pass
from fastconv.functional import conv
from fastconv.functional._separable import choose_factors

__all__ = ["filtered"]

_CONV = {1: conv.conv1d, 2: conv.conv2d, 3: conv.conv3d}
_CHANNELS_LAST = {1: ("NWC", "WIO"), 2: ("NHWC", "HWIO"), 3: ("NDHWC", "DHWIO")}


def _span(kernel: np.ndarray) -> tuple[int, int]:
    """First and last axis along which the kernel is more than one element, and those between."""
    wide = [axis for axis, n in enumerate(kernel.shape) if n > 1] or [kernel.ndim - 1]
    return wide[0], wide[-1]


def filtered(
    image: np.ndarray, kernel: np.ndarray, reach: Sequence[tuple[int, int]], border: str | float, target: Target,
    num_threads: int | None,
) -> np.ndarray | None:  # fmt: skip
    """Return the correlation, in its place; None where SciPy has to compute.

    Weights of zero let nothing through in SciPy, whatever they meet: with those, what is not finite is SciPy's.
    """
    first, last = _span(kernel)
    dtype = working_dtype(image, target, [kernel], [border])
    if last - first > 2 or dtype is None:
        return None
    weights = rounded(kernel.reshape(kernel.shape[first : last + 1]), dtype)
    padding = tuple(reach[first : last + 1])
    steps = _two_passes(image, weights, first, padding, border) if target.dtype.kind == "f" else None
    doubtful = image.dtype.kind == "f" and not (weights != 0).all()
    if steps is not None:
        y = _passes.filtered(image, steps, target, num_threads, stored=dtype)
        return None if doubtful and not finite(y) else y
    if image.dtype == dtype == target.dtype and image.flags.c_contiguous:
        y = _at_once(image, weights, first, padding, border, target.direct(dtype, [image]), num_threads)
        return None if doubtful and not finite(y) else target.deliver(y)
    return _by_blocks(image, weights, first, padding, border, target, dtype, doubtful, num_threads)


def _by_blocks(
    image: np.ndarray, weights: np.ndarray, first: int, padding: Sequence[tuple[int, int]], border: str | float,
    target: Target, dtype: np.dtype, doubtful: bool, num_threads: int | None,
) -> np.ndarray | None:  # fmt: skip
    """The same for an image that is not of type `dtype`, or a result that is not: a block of either at a time."""
    out = target.place([image])
    out = np.empty(image.shape, target.dtype) if out is None else out
    spatial = range(first, first + weights.ndim)
    least = {axis: 1 for axis in range(image.ndim) if axis not in spatial} | {first: sum(padding[0])}
    inner = ((0, 0), *padding[1:])
    around, sums = Room(dtype), Room(dtype)
    for index in blocks(image.shape, least, BLOCK_BYTES // dtype.itemsize):
        part, along = out[index], index[first]
        start, stop = along.start - padding[0][0], along.stop + padding[0][1]
        x = image[tuple([*index[:first], slice(None), *index[first + 1 :]])]
        seen = around.of([*part.shape[:first], stop - start, *part.shape[first + 1 :]])
        with_border(x, first, start, stop, border, seen)
        y = _at_once(seen, weights, first, inner, border, sums.of(part.shape), num_threads)
        if doubtful and not finite(y):
            return None
        Target(target.dtype, part).deliver(y)
    return target.deliver(out)


def _two_passes(
    image: np.ndarray, weights: np.ndarray, first: int, padding: Any, border: str | float
) -> list[Pass] | None:
    """The passes of a kernel that is a column times a row, where they pay; None for any other."""
    found = choose_factors(weights, image.size, "auto", "default") if weights.ndim == 2 else None
    if found is None:
        return None
    column, row = (factor.astype(np.float64) for factor in found)
    beyond = border if isinstance(border, str) else border * float(row.sum())
    return [Pass(first + 1, row, border, padding[1]), Pass(first, column, beyond, padding[0])]


def _at_once(
    x: np.ndarray, weights: np.ndarray, first: int, padding: Any, border: str | float, out: np.ndarray | None,
    num_threads: int | None,
) -> np.ndarray:  # fmt: skip
    """One call: what lies before the kernel's axes is the batch, what lies behind them channels of their own."""
    ndim = weights.ndim
    sizes = x.shape[first : first + ndim]
    images, channels = math.prod(x.shape[:first]), math.prod(x.shape[first + ndim :])
    options: dict[str, Any] = {}
    if channels == 1:
        shape: tuple[int, ...] = (images, 1, *sizes)
        kernel = weights[None, None]
    else:
        shape = (images, *sizes, channels)
        kernel = np.broadcast_to(weights[..., None, None], (*weights.shape, 1, channels))
        layout, weight_layout = _CHANNELS_LAST[ndim]
        options = {"groups": channels, "layout": layout, "weight_layout": weight_layout}
    grown = [sum(pair) - (n - 1) for pair, n in zip(padding, weights.shape, strict=True)]
    y_sizes = [n + extra for n, extra in zip(sizes, grown, strict=True)]
    y_shape = (images, 1, *y_sizes) if channels == 1 else (images, *y_sizes, channels)
    y = _CONV[ndim](
        x.reshape(shape), kernel, padding=padding, border=border, accuracy="strict",
        out=None if out is None else out.reshape(y_shape), num_threads=num_threads, **options,
    )  # fmt: skip
    return y.reshape(x.shape) if out is None else out
