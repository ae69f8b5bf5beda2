"""Filters of one axis after the other, to SciPy's bits: sums in float64, passes stored in the type of the result.

Only long kernels on float32 are summed in float32, three times as fast.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fastconv.compat.ndimage._arguments import Target, narrow, truncated
from fastconv.compat.ndimage._kernels import rounded
from fastconv.functional._lines import correlate_lines
from fastconv.functional._separable import scratch
from fastconv.functional.conv import conv2d

__all__ = ["Pass", "filtered"]

# float32 kernels with more taps are summed in float32, where lines are long enough for that to matter.
_EXACT_TAPS = 32
_LEAST_NEIGHBOURS = 64


class Pass(NamedTuple):
    """Correlation along one axis."""

    axis: int
    weights: np.ndarray  # float64
    border: str | float
    reach: tuple[int, int]  # before and after
    divisor: float = 1.0


def _in_single(x: np.ndarray, step: Pass, out: np.ndarray) -> bool:
    after = math.prod(x.shape[step.axis + 1 :])
    return x.dtype.char == out.dtype.char == "f" and len(step.weights) > _EXACT_TAPS and narrow(step.weights) and (
        after == 1 or after >= _LEAST_NEIGHBOURS
    )  # fmt: skip


def _single(x: np.ndarray, step: Pass, out: np.ndarray, num_threads: int | None) -> np.ndarray:
    before, n, after = math.prod(x.shape[: step.axis]), x.shape[step.axis], math.prod(x.shape[step.axis + 1 :])
    weights = rounded(step.weights / step.divisor, x.dtype)
    if after == 1:
        shape, kernel, padding = (1, 1, before, n), weights[None, None, None], ((0, 0), step.reach)
    else:
        shape, kernel, padding = (before, 1, n, after), weights[None, None, :, None], (step.reach, (0, 0))
    conv2d(
        x.reshape(shape), kernel, padding=padding, border=step.border, accuracy="strict", out=out.reshape(shape),
        num_threads=num_threads,
    )  # fmt: skip
    return out


def _double(x: np.ndarray, step: Pass, out: np.ndarray, num_threads: int | None) -> np.ndarray:
    return correlate_lines(
        x, np.ascontiguousarray(step.weights, np.float64), step.axis, step.reach[0], step.border, out,
        divisor=step.divisor, num_threads=num_threads,
    )  # fmt: skip


def filtered(image: np.ndarray, passes: Sequence[Pass], target: Target, num_threads: int | None) -> np.ndarray:
    """Return the image after one or more passes, in its place."""
    double = np.dtype(np.float64)
    stored = target.dtype if target.dtype.kind == "f" else double
    x = np.ascontiguousarray(image, image.dtype.newbyteorder("=") if image.dtype.kind == "f" else double)
    y = x
    for index, step in enumerate(passes):
        last = index == len(passes) - 1
        out = target.direct(stored, [x]) if last else scratch(x.shape, stored)
        out = np.empty(x.shape, stored) if out is None else out
        y = _single(y, step, out, num_threads) if _in_single(y, step, out) else _double(y, step, out, num_threads)
        if target.dtype.kind != "f" and not last:
            y = truncated(y, target.dtype).astype(double)
    return target.deliver(y)
