"""Filters of one axis after the other, to SciPy's bits: sums in float64, passes stored in the type of the result.

Only long kernels on float32 are summed in float32, three times as fast. What lies between two passes is a block of the
picture: along the axis of the first pass, which alone needs what lies around a block and reads it from the picture, and
along axes without a pass.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fastconv.compat._blocks import BLOCK_BYTES, Room, blocks, with_border
from fastconv.compat.ndimage._arguments import Target, narrow
from fastconv.compat.ndimage._kernels import rounded
from fastconv.functional._lines import correlate_lines
from fastconv.functional.conv import conv2d

__all__ = ["Pass", "filtered"]

# float32 kernels with more taps are summed in float32, where lines are long enough for that to matter.
_EXACT_TAPS = 32
_LEAST_NEIGHBOURS = 64
# Elements along the last axis below which blocks of it are no use.
_LEAST_LAST = 32


class Pass(NamedTuple):
    """Correlation along one axis."""

    axis: int
    weights: np.ndarray  # float64
    border: str | float
    reach: tuple[int, int]  # before and after
    divisor: float = 1.0


def _in_single(shape: tuple[int, ...], source: np.dtype, step: Pass, stored: np.dtype) -> bool:
    if not source.char == stored.char == "f" or len(step.weights) <= _EXACT_TAPS or not narrow(step.weights):
        return False
    if not isinstance(step.border, str) and abs(step.border) > float(np.finfo(np.float32).max):
        return False
    after = math.prod(shape[step.axis + 1 :])
    return after == 1 or after >= _LEAST_NEIGHBOURS


def _single(
    x: np.ndarray, step: Pass, out: np.ndarray, padding: tuple[int, int], num_threads: int | None
) -> np.ndarray:
    """Sums in float32 of a dense array."""
    before, after = math.prod(x.shape[: step.axis]), math.prod(x.shape[step.axis + 1 :])
    weights = rounded(step.weights / step.divisor, x.dtype)
    lone = after == 1
    kernel, pads = (weights[None], ((0, 0), padding)) if lone else (weights[:, None], (padding, (0, 0)))

    def plane(array: np.ndarray) -> np.ndarray:
        n = array.shape[step.axis]
        return array.reshape((1, 1, before, n) if lone else (before, 1, n, after))

    direct = plane(out) if out.flags.c_contiguous else None
    y = conv2d(
        plane(x), kernel[None, None], padding=pads, border=step.border, accuracy="strict", out=direct,
        num_threads=num_threads,
    )  # fmt: skip
    if direct is None:
        out[...] = y.reshape(out.shape)
    return out


def _double(x: np.ndarray, step: Pass, out: np.ndarray, first: int, num_threads: int | None) -> np.ndarray:
    return correlate_lines(
        x, np.ascontiguousarray(step.weights, np.float64), step.axis, step.reach[0], step.border, out, first=first,
        divisor=step.divisor, num_threads=num_threads,
    )  # fmt: skip


def _first_pass(
    image: np.ndarray, step: Pass, index: tuple[slice, ...], out: np.ndarray, room: Room | None, num_threads: int | None
) -> np.ndarray:
    """The pass for one block of its outputs; in float32 where there is room for what they see."""
    along = index[step.axis]
    x = image[tuple([*index[: step.axis], slice(None), *index[step.axis + 1 :]])]
    if room is None:
        return _double(x, step, out, along.start, num_threads)
    start, stop = along.start - step.reach[0], along.stop + step.reach[1]
    around = room.of([*x.shape[: step.axis], stop - start, *x.shape[step.axis + 1 :]])
    return _single(
        with_border(x, step.axis, start, stop, step.border, around), step, out, (0, 0), num_threads
    )  # fmt: skip


def filtered(
    image: np.ndarray, passes: Sequence[Pass], target: Target, num_threads: int | None, stored: np.dtype | None = None
) -> np.ndarray:
    """Return the image after one or more passes, in its place; between passes in type `stored`, that of the result."""
    stored = target.dtype if stored is None else stored
    out = target.place([image])
    out = np.empty(image.shape, target.dtype) if out is None else out
    types = [image.dtype, *[stored] * (len(passes) - 1), target.dtype]
    single = [
        _in_single(image.shape, source, step, result)
        for source, step, result in zip(types, passes, types[1:], strict=False)
    ]  # fmt: skip
    start = passes[0]
    if len(passes) == 1 and not single[0]:
        return target.deliver(_double(image, start, out, 0, num_threads))
    later = {step.axis for step in passes[1:]}
    least = {axis: _LEAST_LAST if axis == image.ndim - 1 else 1 for axis in range(image.ndim) if axis not in later}
    if single[0]:
        least[start.axis] = max(least[start.axis], len(start.weights))
    around = Room(stored) if single[0] else None
    between = Room(stored), Room(stored)
    for index in blocks(image.shape, least, BLOCK_BYTES // max(kind.itemsize for kind in types)):
        part = out[index]
        targets = [*(between[number % 2].of(part.shape) for number in range(len(passes) - 1)), part]
        x = _first_pass(image, start, index, targets[0], around, num_threads)
        for step, y, narrow_sums in zip(passes[1:], targets[1:], single[1:], strict=True):
            x = _single(x, step, y, step.reach, num_threads) if narrow_sums else _double(x, step, y, 0, num_threads)
    return target.deliver(out)
