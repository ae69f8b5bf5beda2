"""Where one large transform beats the engine's tiles: kernels so large that a tile no longer holds them with room."""

from __future__ import annotations

import functools
import math

import numpy as np

from fastconv.compat.scipy_signal._problem import Problem
from fastconv.functional import explain

__all__ = ["transform_wins"]

# Below so many taps the engine always wins.
_FEW_TAPS = 4096
# Cycles of one point of one transform, per bit of its length, in float64; float32 takes half.
_CYCLES = 1.2
_EXPLAIN = {1: explain.explain_conv1d, 2: explain.explain_conv2d, 3: explain.explain_conv3d}


def transform_wins(problem: Problem) -> bool:
    """Whether SciPy's transform of the whole arrays is predicted to be faster."""
    axes = problem.axes
    sizes = tuple(problem.x.shape[axis] for axis in axes), tuple(problem.kernel.shape[axis] for axis in axes)
    large, small = sorted(sizes, key=math.prod, reverse=True)
    if math.prod(small) < _FEW_TAPS:
        return False
    others = [axis for axis in range(problem.x.ndim) if axis not in axes]
    images = math.prod(max(problem.x.shape[axis], problem.kernel.shape[axis]) for axis in others)
    return _predicted(large, small, images, problem.result.char in "fF")


@functools.lru_cache(maxsize=256)
def _predicted(large: tuple[int, ...], small: tuple[int, ...], images: int, single: bool) -> bool:
    points = math.prod(n + k - 1 for n, k in zip(large, small, strict=True))
    transform = 3 * images * points * math.log2(points) * _CYCLES / (2 if single else 1)
    slices, images = math.prod(small[:-3]), images * math.prod(large[:-3])
    large, small = large[-3:], small[-3:]
    report = _EXPLAIN[len(large)](
        (images, 1, *large), (1, 1, *small), padding="full", dtype=np.float32 if single else np.float64
    )  # fmt: skip
    chosen = next(row for row in report.candidates if row.name == report.algorithm)
    return slices * chosen.cost > transform
