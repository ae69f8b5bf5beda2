"""Means of windows: sums of ones where integers have to be exact, weights of one over the size elsewhere."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastconv.compat._exact import float_for, magnitude
from fastconv.compat.ndimage._arguments import Target, axis_of, border_of, reach_of
from fastconv.compat.ndimage._passes import Pass, line
from fastconv.compat.ndimage._passes import filtered as filtered_by_passes

__all__ = ["filtered", "passes"]

# SciPy's running sum takes the same time for every size.
_LONGEST = 400


def passes(
    image: np.ndarray, sizes: Sequence[Any], axes: Sequence[Any], modes: Sequence[Any], cval: Any,
    origins: Sequence[Any],
) -> list[Pass] | None:  # fmt: skip
    """Return one pass of ones per axis; None if an argument is SciPy's to see to."""
    found = []
    for size, axis, mode, origin in zip(sizes, axes, modes, origins, strict=True):
        try:
            count = operator.index(size)
        except TypeError:
            return None
        place, border = axis_of(axis, image.ndim), border_of(mode, cval)
        if not 1 <= count <= _LONGEST or place is None or border is None:
            return None
        reach = reach_of(count, origin)
        if reach is None:
            return None
        found.append(Pass(place, np.ones(count), border, reach))
    return found


def filtered(
    image: np.ndarray, steps: Sequence[Pass], target: Target, num_threads: int | None
) -> np.ndarray | None:
    """Return the means, in their place; None where SciPy has to compute."""
    if target.dtype.kind == "f":
        means = [step._replace(weights=step.weights / len(step.weights)) for step in steps]
        return filtered_by_passes(image, means, target, num_threads)
    constants = [step.border for step in steps if not isinstance(step.border, str)]
    if image.dtype.kind not in "iu" or any(constant != int(constant) for constant in constants):
        return None
    largest = max([magnitude(image), *(abs(int(constant)) for constant in constants)])
    dtype = float_for(2 * largest * max(len(step.weights) for step in steps))
    narrow = np.iinfo(target.dtype)
    if dtype is None or largest > narrow.max or (image.dtype.kind == "i" and narrow.min == 0):
        return None
    y = image.astype(dtype)
    for step in steps:  # a quotient of whole numbers with so few digits never rounds up to the next whole one
        y = line(y, step, None, num_threads)
        np.divide(y, len(step.weights), out=y)
        np.trunc(y, out=y)
    return target.deliver(y)
