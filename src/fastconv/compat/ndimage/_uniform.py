"""Means of windows: sums of ones, divided once."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastconv.compat._exact import float_for, magnitude
from fastconv.compat.ndimage import _passes
from fastconv.compat.ndimage._arguments import Target, axis_of, border_of, reach_of
from fastconv.compat.ndimage._passes import Pass

__all__ = ["filtered", "passes"]

# SciPy's running sum takes the same time for every size.
_LONGEST = 128


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
        found.append(Pass(place, np.ones(count), border, reach, float(count)))
    return found


def filtered(image: np.ndarray, steps: Sequence[Pass], target: Target, num_threads: int | None) -> np.ndarray | None:
    """Return the means, in their place; None where an integer depends on SciPy's order of summation."""
    if target.dtype.kind != "f":
        borders = [step.border for step in steps if not isinstance(step.border, str)]
        if image.dtype.kind == "f" or any(border != int(border) for border in borders):
            return None
        largest = magnitude(image) if image.dtype.itemsize == 8 else 2**32
        if float_for(max([largest, *(abs(int(border)) for border in borders)]) * _LONGEST) is None:
            return None
    return _passes.filtered(image, steps, target, num_threads)
