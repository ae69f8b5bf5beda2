"""Maxima of windows by the engine's pools of stride 1: long windows are chains of short ones, two axes at a time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastconv.compat._blocks import BLOCK_BYTES, Room, blocks, with_border
from fastconv.compat._exact import float_for, magnitude
from fastconv.compat.ndimage._arguments import Target
from fastconv.functional._separable import scratch
from fastconv.functional.pool_max import max_pool2d

__all__ = ["Extent", "filtered"]

_STEP = 6  # elements that one pool of a chain adds to a window: beyond, a pool takes longer than two
_SHORT = 16  # elements along the last axes
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
    if target.dtype.kind in "iu" and target.dtype != image.dtype.newbyteorder("="):
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
    out = target.place([image])
    out = np.empty(image.shape, target.dtype) if out is None else out
    short = _short(image.shape, extents)
    order = short + list(range(image.ndim - len(short)))
    source, result = image.transpose(order), out.transpose(order)
    turned = sorted(extent._replace(axis=order.index(extent.axis)) for extent in extents)
    lead = turned[0]
    least = {axis: 1 for axis in range(image.ndim) if axis not in [extent.axis for extent in turned]}
    least[lead.axis] = sum(lead.reach)
    room = Room(dtype)
    for index in blocks(source.shape, least, BLOCK_BYTES // dtype.itemsize):
        part = source[tuple([*index[: lead.axis], slice(None), *index[lead.axis + 1 :]])]
        x, padding = _around(part, lead, index[lead.axis], room, minimum)
        y = _extrema(x, turned, padding, minimum, None if minimum else result[index], num_threads)
        if image.dtype.kind == "f" and np.isnan(y.min()):
            return None
        if minimum:
            np.negative(y, out=y)
        if not np.may_share_memory(y, out):
            with np.errstate(over="ignore", invalid="ignore"):
                for place in np.ndindex(*y.shape[: len(short)]):  # NumPy's inner loop would be over the short axes
                    result[index][place] = y[place]
    return target.deliver(out)


def _short(shape: Sequence[int], extents: Sequence[Extent]) -> list[int]:
    """The last axes, if a pool would have to do with rows of their few elements: they are computed first then."""
    for pair in _pairs(extents):
        last = pair[-1].axis
        after = math.prod(shape[last + 1 :])
        row = after if after > 1 else shape[last] if len(pair) == 1 else _SHORT
        if row < _SHORT:
            return [axis for axis in range(len(shape)) if math.prod(shape[axis:]) < _SHORT]
    return []


def _around(
    image: np.ndarray, extent: Extent, along: slice, room: Room, minimum: bool
) -> tuple[np.ndarray, tuple[int, int]]:
    """What the windows of a block see, in the type to compute in, and how much beyond the image counts as nothing."""
    n = image.shape[extent.axis]
    start, stop = along.start - extent.reach[0], along.stop + extent.reach[1]
    padding = (0, 0)
    if extent.clipped:
        padding = (max(0, -start), max(0, stop - n))
        start, stop = max(0, start), min(n, stop)
    if extent.clipped and not minimum and image.dtype == room.dtype and image.strides[-1] == image.itemsize:
        return image[(slice(None),) * extent.axis + (slice(start, stop),)], padding
    shape = [*image.shape[: extent.axis], stop - start, *image.shape[extent.axis + 1 :]]
    x = with_border(image, extent.axis, start, stop, extent.border, room.of(shape))
    return np.negative(x, out=x) if minimum else x, padding


def _extrema(
    x: np.ndarray, extents: Sequence[Extent], padding: tuple[int, int], minimum: bool, out: np.ndarray | None,
    num_threads: int | None,
) -> np.ndarray:  # fmt: skip
    """Maxima along every axis; along the first one the array has what its windows see, but for `padding`."""
    pairs, given = _pairs(extents), {extents[0].axis: padding}
    fits = out is not None and out.dtype == x.dtype and out.flags.c_contiguous
    y = x
    for pair in pairs:
        y = _pooled(y, pair, given, minimum, out if fits and pair is pairs[-1] else None, num_threads)
    return y


def _pairs(extents: Sequence[Extent]) -> list[list[Extent]]:
    """Windows along neighbouring axes are computed together."""
    pairs: list[list[Extent]] = []
    for extent in extents:
        if pairs and len(pairs[-1]) == 1 and pairs[-1][0].axis == extent.axis - 1:
            pairs[-1].append(extent)
        else:
            pairs.append([extent])
    return pairs


def _pooled(
    x: np.ndarray, extents: Sequence[Extent], given: Mapping[int, tuple[int, int]], minimum: bool,
    out: np.ndarray | None, num_threads: int | None,
) -> np.ndarray:  # fmt: skip
    """Maxima along one axis, or along two neighbouring ones; along those of `given` the array has its border."""
    first, last = extents[0].axis, extents[-1].axis
    shape, reach, paddings = list(x.shape), [], []
    for extent in extents:
        padding = given.get(extent.axis, extent.reach if extent.clipped else None)
        if padding is None:
            pads = [extent.reach if axis == extent.axis else (0, 0) for axis in range(x.ndim)]
            if isinstance(extent.border, str):
                x = np.pad(x, pads, _PAD_MODES[extent.border])  # type: ignore[call-overload]
            else:
                with np.errstate(over="ignore"):
                    x = np.pad(x, pads, constant_values=-extent.border if minimum else extent.border)
            padding = (0, 0)
        shape[extent.axis] = x.shape[extent.axis] + sum(padding) - sum(extent.reach)
        reach.append(extent.reach)
        paddings.append(padding)
    before, after = math.prod(x.shape[:first]), math.prod(x.shape[last + 1 :])
    sizes = x.shape[first : last + 1]
    if len(extents) == 1:
        # A lone last axis is a row of many; any other lone axis has the rest of the array as its rows.
        lone = after == 1
        sizes = (before, sizes[0]) if lone else (sizes[0], after)
        before, after = (1, 1) if lone else (before, 1)
        for pairs in (reach, paddings):
            pairs.insert(0 if lone else 1, (0, 0))
    last_axis = after == 1
    volume = x.reshape((before, 1, *sizes) if last_axis else (before, *sizes, after))
    options: dict[str, Any] = {"num_threads": num_threads, "layout": "NCHW" if last_axis else "NHWC"}
    outer = None
    if out is not None:
        rows = [n + sum(pad) - sum(pair) for n, pad, pair in zip(sizes, paddings, reach, strict=True)]
        outer = out.reshape((before, 1, *rows) if last_axis else (before, *rows, after))
    return _chain(volume, reach, paddings, outer, options).reshape(shape)


def _chain(
    volume: np.ndarray, reach: Sequence[tuple[int, int]], paddings: Sequence[tuple[int, int]],
    out: np.ndarray | None, options: dict[str, Any],
) -> np.ndarray:  # fmt: skip
    """Pools whose windows add up to `reach`, with padding that counts as nothing."""
    left, padded = [list(pair) for pair in reach], [list(pair) for pair in paddings]
    y = volume
    spatial = (2, 3) if options["layout"] == "NCHW" else (1, 2)
    while True:
        size, padding, shape = [], [], list(y.shape)
        for axis, pair, pad in zip(spatial, left, padded, strict=True):
            before = min(pair[0], _STEP // 2 if pair[1] else _STEP)
            now = before, min(pair[1], _STEP - before)
            added = min(now[0], pad[0]), min(now[1], pad[1])
            for side in (0, 1):
                pair[side] -= now[side]
                pad[side] -= added[side]
            size.append(1 + sum(now))
            padding.append(added)
            shape[axis] += sum(added) - sum(now)
        target = scratch(tuple(shape), y.dtype) if any(map(sum, left)) else out
        y = max_pool2d(y, tuple(size), 1, padding=tuple(padding), out=target, **options)
        if target is out:
            return y
