"""Maxima of windows by the engine's pools of stride 1: long windows are chains of short ones, two axes at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fastconv.compat._exact import float_for, magnitude
from fastconv.compat.ndimage._arguments import Target
from fastconv.functional._separable import scratch
from fastconv.functional.pool_max import max_pool2d

__all__ = ["Extent", "filtered"]

_STEP = 6  # elements that one pool of a chain adds to a window: beyond, a pool takes longer than two
_LONGEST = 200  # SciPy's deque takes the same time for every size
_PAD_MODES = {"symmetric": "symmetric", "reflect": "reflect", "edge": "edge", "wrap": "wrap"}


class Extent(NamedTuple):
    """A window along one axis."""

    axis: int
    reach: tuple[int, int]  # before and after
    border: str | float

    @property
    def clipped(self) -> bool:
        """Whether what the border adds is under the window anyhow, so that leaving it out changes nothing."""
        (before, after), border = self.reach, self.border
        if border == "symmetric":
            return abs(before - after) <= 1
        return border == "edge" or (border == "reflect" and before == after)


def _working_dtype(image: np.ndarray, target: Target, extents: Sequence[Extent]) -> np.dtype | None:
    """A float type that holds every value; None where SciPy has to see to a conversion."""
    constants = [extent.border for extent in extents if not isinstance(extent.border, str)]
    if image.dtype.kind == "f":
        return image.dtype.newbyteorder("=") if target.dtype.kind == "f" else None
    if any(constant != int(constant) for constant in constants):
        return None
    narrow = image.dtype.itemsize < 4
    largest = [2**15 if narrow else magnitude(image), *(abs(int(constant)) for constant in constants)]
    if target.dtype.kind in "iu" and target.dtype != image.dtype:
        return None
    if constants and target.dtype.kind in "iu":
        limits = np.iinfo(target.dtype)
        if not all(limits.min <= constant <= limits.max for constant in constants):
            return None
    return float_for(max(largest))


def filtered(
    image: np.ndarray, extents: Sequence[Extent], target: Target, minimum: bool, num_threads: int | None
) -> np.ndarray | None:
    """Return maxima, or minima, in their place; None where SciPy has to compute, as it has to with NaN."""
    dtype = _working_dtype(image, target, extents)
    if dtype is None or any(sum(extent.reach) >= _LONGEST for extent in extents):
        return None
    x = np.negative(image, dtype=dtype) if minimum else image.astype(dtype, copy=False)
    y = x
    rest = list(extents)
    while rest:
        pair = rest[:2] if len(rest) > 1 and rest[1].axis == rest[0].axis + 1 else rest[:1]
        rest = rest[len(pair) :]
        direct = None if rest or minimum else target.direct(dtype, [x])
        y = _pooled(y, pair, minimum, direct, num_threads)
    if np.isnan(y.min()):
        return None
    if minimum:
        y = np.negative(y, out=y if y is not x else None)
    return target.deliver(y)


def _pooled(
    x: np.ndarray, extents: Sequence[Extent], minimum: bool, out: np.ndarray | None, num_threads: int | None
) -> np.ndarray:
    """Maxima along one axis, or along two neighbouring ones."""
    first, last = extents[0].axis, extents[-1].axis
    before, after = math.prod(x.shape[:first]), math.prod(x.shape[last + 1 :])
    sizes = x.shape[first : last + 1]
    reach = [extent.reach for extent in extents]
    if len(extents) == 1:
        # A lone last axis is a row of many; any other lone axis has the rest of the array as its rows.
        lone = after == 1
        sizes = (before, sizes[0]) if lone else (sizes[0], after)
        before, after = (1, 1) if lone else (before, 1)
        reach = [(0, 0), *reach] if lone else [*reach, (0, 0)]
    shape = (before, 1, *sizes) if after == 1 else (before, *sizes, after)
    options: dict[str, Any] = {"num_threads": num_threads, "layout": "NCHW" if after == 1 else "NHWC"}
    volume = x.reshape(shape)
    if all(extent.clipped for extent in extents):
        return _chain(volume, reach, True, None if out is None else out.reshape(shape), options).reshape(x.shape)
    axes = (2, 3) if after == 1 else (1, 2)
    borders: list[str | float] = [extent.border for extent in extents]
    if len(borders) == 1:
        borders *= 2
    for axis, pair, border in zip(axes, reach, borders, strict=True):
        pads = [pair if other == axis else (0, 0) for other in range(4)]
        if isinstance(border, str):
            volume = np.pad(volume, pads, _PAD_MODES[border])  # type: ignore[call-overload]
        else:
            with np.errstate(over="ignore"):
                volume = np.pad(volume, pads, constant_values=-border if minimum else border)
    return _chain(volume, reach, False, None if out is None else out.reshape(shape), options).reshape(x.shape)


def _chain(
    volume: np.ndarray, reach: Sequence[tuple[int, int]], padded: bool, out: np.ndarray | None, options: dict[str, Any]
) -> np.ndarray:
    """Pools whose windows add up to `reach`, with padding that counts as nothing or over a padded array."""
    left = [list(pair) for pair in reach]
    y = volume
    spatial = (2, 3) if options["layout"] == "NCHW" else (1, 2)
    while True:
        now = []
        for pair in left:
            before = min(pair[0], _STEP // 2 if pair[1] else _STEP)
            after = min(pair[1], _STEP - before)
            now.append((before, after))
            pair[0] -= before
            pair[1] -= after
        size = tuple(1 + sum(pair) for pair in now)
        target = out
        if any(map(sum, left)):
            shape = list(y.shape)
            if not padded:
                for axis, n in zip(spatial, size, strict=True):
                    shape[axis] -= n - 1
            target = scratch(tuple(shape), y.dtype)
        y = max_pool2d(y, size, 1, padding=tuple(now) if padded else 0, out=target, **options)
        if target is out:
            return y
